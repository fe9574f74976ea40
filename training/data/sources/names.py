"""What people call the categories of COCO and PSG: "tree-merged" is a tree."""

from __future__ import annotations

_SPOKEN = {"playingfield": "playing field", "window-blind": "window blind"}
_MATERIALS = {"wood": "wooden", "tile": "tiled", "brick": "brick", "stone": "stone"}
_MADE_OF_IT = ("wall", "floor", "ceiling")
_BOOKKEEPING = ("merged", "other", "stuff")
"""Suffixes that say how the category was made, not what is seen."""


def clean_category(name: str) -> str:
    """The name as said aloud: ``floor-wood`` -> "wooden floor", ``sky-other-merged`` -> "sky"."""
    name = name.strip()
    if name in _SPOKEN:
        return _SPOKEN[name]
    first, *rest = name.split("-")
    rest = [part for part in rest if part not in _BOOKKEEPING]
    if first in _MADE_OF_IT and rest:
        rest = [_MATERIALS.get(part, part) for part in rest]
        return " ".join([*rest, first]).replace("_", " ")
    return " ".join([first, *rest]).replace("_", " ").strip()
