"""Instruction rows: what the models are taught, as text about images."""
