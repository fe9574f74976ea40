"""Decides what enters a training set: form, boxes, claims against geometry, answers, duplicates."""

from .check import check_row, read_row, validate_rows
from .config import ValidationConfig
from .duplicates import conversation_key, drop_duplicates
from .problems import Problem, ProblemKind
from .stage import ValidateStage

__all__ = [
    "Problem",
    "ProblemKind",
    "ValidateStage",
    "ValidationConfig",
    "check_row",
    "conversation_key",
    "drop_duplicates",
    "read_row",
    "validate_rows",
]
