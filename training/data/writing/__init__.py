"""Instruction text about measured images: descriptions, questions, changes of view."""
