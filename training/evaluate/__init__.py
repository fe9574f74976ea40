"""Measure models against ground truth."""
