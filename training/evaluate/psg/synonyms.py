"""Tables of synonyms: a class and other words for it, a line each, separated by commas."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from spacesgg_ros.cli.console import InputError

OWN_TABLE = Path(__file__).with_name("synonyms.txt")
"""The 80 COCO classes in our words. The published table is another: numbers differ a little."""


def read_synonyms(path: Path | None = None) -> dict[str, str]:
    """Every word of a table to the first word of its line; a later line overwrites.

    Args:
        path: None: our own table.

    Raises:
        InputError: the file cannot be read, or no line has a synonym.
    """
    path = path or OWN_TABLE
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} is no table of synonyms: {error}") from error
    if not any("," in line for line in lines):
        raise InputError(f"{path} is no table of synonyms: a line is CLASS, SYNONYM, ...")
    table: dict[str, str] = {}
    for line in lines:
        words = [word.strip() for word in line.split(",")]
        table.update((word, words[0]) for word in words)
    return table


def group_by_class(table: Mapping[str, str]) -> dict[str, list[str]]:
    """Every class to all its words."""
    classes: dict[str, list[str]] = {}
    for word, head in table.items():
        classes.setdefault(head, []).append(word)
    return classes
