"""Graph rows whose lists of objects are easily confused: numbers shared by chance, near copies.

A relation repeats the boxes of the objects it means, digit for digit. Of two boxes that are nearly
one, or that share a number, a decoder tends to take numbers in turn; true lists have too few of
them to learn otherwise (docs/experiments.md).
"""

from __future__ import annotations

import random
import re

from .box_noise import BOX, LAST

_RELATIONS = "\n<pred>"
"""Where a text's list of objects ends."""

_COPIES = (1, 1, 2, 2, 3)
_CHANGED_NUMBERS = (1, 2, 2, 3, 3, 4)
_STEPS = (1, 2, 3, 4, 5, 6, 8, 10, 14, 20, 40, 80)
_BELOW_ITS_ORIGINAL = 0.8
_SHARING_TRIES = (0, 4, 8, 16, 32)
_SHARED_WITHIN = 160
"""Far, so that the picture alone does not tell where a listed box begins."""


def share_numbers(text: str, key: str) -> str:
    """A graph text in which boxes of different things share more numbers than by chance.

    A number of a box becomes that of another box at the same place, where the two differ by at
    most 160 thousandths; all mentions of the box change alike, and no two boxes become one.

    Args:
        key: says which, so that the same row always comes out the same.

    Returns:
        The text, whose list is then not true and not to be learnt. A text without relations comes
        back as it is.
    """
    listed, found, _ = text.partition(_RELATIONS)
    boxes = {hit[0]: [int(number) for number in hit.groups()] for hit in BOX.finditer(listed)}
    if not found or len(boxes) < 2:
        return text
    rng = random.Random(f"{key} shared")
    for _ in range(rng.choice(_SHARING_TRIES)):
        said, other = rng.sample(sorted(boxes), 2)
        place = rng.randrange(4)
        box, number = list(boxes[said]), boxes[other][place]
        if abs(box[place] - number) > _SHARED_WITHIN:
            continue
        box[place] = number
        changed = _write(box)
        if changed and changed not in boxes:
            text = text.replace(said, changed)
            del boxes[said]
            boxes[changed] = box
    return text


def add_near_copies(text: str, key: str) -> tuple[str, str]:
    """A graph text that lists one to three things twice, the second time with another box.

    One to four of the box's numbers differ, by 1 to 80 thousandths. Half of the copies take over
    the relations of their original, so that only the text says which of the two is meant.

    Args:
        key: says how, so that the same row always gets the same copies.

    Returns:
        The text, and its list, which is not true and thus not to be learnt. A text without
        relations comes back as it is, with an empty list.
    """
    listed, found, relations = text.partition(_RELATIONS)
    if not found:
        return text, ""
    rng = random.Random(key)
    things = listed.split("\n")
    boxes = {hit[0] for hit in BOX.finditer(listed)}
    lines = list(things)
    for _ in range(rng.choice(_COPIES)):
        thing = rng.choice(things)
        hit = BOX.search(thing)
        copy = hit and _change(hit, rng)
        if not hit or not copy or copy in boxes:
            continue
        boxes.add(copy)
        below = lines.index(thing) + 1
        first = below if rng.random() < _BELOW_ITS_ORIGINAL else 0
        lines.insert(rng.randint(first, len(lines)), thing.replace(hit[0], copy))
        if rng.random() < 0.5:
            relations = relations.replace(hit[0], copy)
    given = "\n".join(lines)
    return given + found + relations, given


def _change(hit: re.Match[str], rng: random.Random) -> str:
    """A box like this one; empty if it were none."""
    box = [int(number) for number in hit.groups()]
    for place in rng.sample(range(4), rng.choice(_CHANGED_NUMBERS)):
        step = rng.choice((-1, 1)) * rng.choice(_STEPS)
        box[place] = min(max(box[place] + step, 0), LAST)
    return _write(box)


def _write(box: list[int]) -> str:
    """As a graph text has it; empty if it is none."""
    x0, y0, x1, y1 = box
    return f"[{x0}, {y0}, {x1}, {y1}]" if x0 < x1 and y0 < y1 else ""
