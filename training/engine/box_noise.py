"""Boxes of a conversation moved a little, every mention of a box alike.

Boxes of whole pixels use few of the numbers 0 to 999: those of pictures 320 wide every third one.
A decoder writes the others, too, and copies a box wrongly whose numbers it never read
(docs/experiments.md). A relation's boxes must be copies of an object's, so all mentions move alike.
"""

from __future__ import annotations

import random
import re
from collections.abc import Sequence

BOX = re.compile(r"\[(\d{1,3}), ?(\d{1,3}), ?(\d{1,3}), ?(\d{1,3})\]")
LAST = 999
"""The greatest number of a box: thousandths of the picture from 0."""

Exchanges = Sequence[tuple[str, str]]
"""Prompts and answers of a conversation."""


def move_boxes(exchanges: Exchanges, reach: int, key: str) -> list[tuple[str, str]]:
    """The conversation with each box coordinate moved by up to ``reach`` thousandths.

    Half of them move by less than an eighth of that: boxes stay near the truth, and yet some are
    far enough from where the picture shows them that only a copy of the text repeats them.

    Args:
        key: says how, so that the same row always moves alike.
    """
    rng = random.Random(key)
    moved: dict[str, str] = {}

    def move(hit: re.Match[str]) -> str:
        if hit[0] not in moved:
            moved[hit[0]] = _move_box([int(number) for number in hit.groups()], reach, rng)
        return moved[hit[0]]

    return [(BOX.sub(move, prompt), BOX.sub(move, answer)) for prompt, answer in exchanges]


def _move_box(box: list[int], reach: int, rng: random.Random) -> str:
    """Edges stay in the picture, and two that would meet stay where they are."""
    moved = (c + round(reach * rng.uniform(-1, 1) ** 3) for c in box)
    x0, y0, x1, y1 = (min(max(c, 0), LAST) for c in moved)
    if x0 >= x1:
        x0, x1 = box[0], box[2]
    if y0 >= y1:
        y0, y1 = box[1], box[3]
    return f"[{x0}, {y0}, {x1}, {y1}]"
