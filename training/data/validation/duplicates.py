"""Rows and questions that say again what another one said."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator

from ..rejected import Rejected
from ..rows import Row
from .problems import Problem, ProblemKind

_WORD = re.compile(r"\[[\d, ]+\]|\w+")
_IDLE = frozenset(
    {"the", "a", "an", "please", "is", "are", "ref", "box", "pred", "of", "and", "to", "now"}
)
_NEARLY = 0.9
STAGE = "validate"


def conversation_key(row: Row) -> str:
    """The same for rows of one picture and task that say the same but for case, spaces and
    punctuation; to group rows by, wherever they are."""
    said = [f"{t.speaker}: {' '.join(_WORD.findall(t.text.lower()))}" for t in row.conversations]
    text = "\n".join([row.image, str(row.mirror), *said])
    return hashlib.sha256(text.encode()).hexdigest()


def drop_duplicates(rows: Iterable[Row]) -> tuple[list[Row], list[Rejected]]:
    """The first row of each key, in order, and the others with the id they repeat."""
    kept: list[Row] = []
    again: list[Rejected] = []
    first: dict[str, str] = {}
    for row in rows:
        key = conversation_key(row)
        if key in first:
            reason = ProblemKind.DUPLICATE_ROW.value
            again.append(Rejected(row.id, STAGE, reason, f"says what {first[key]} says"))
        else:
            first[key] = row.id
            kept.append(row)
    return kept, again


def check_questions_differ(row: Row) -> Iterator[Problem]:
    """No question of a row is (nearly) asked twice; "A or B" is "B or A"."""
    seen: list[tuple[tuple[str, ...], frozenset[str]]] = []
    for prompt, _ in row.exchanges:
        words = tuple(w for w in _WORD.findall(prompt.lower()) if w not in _IDLE)
        ordered = tuple(sorted(words)) if "or" in words else words
        boxes = frozenset(w for w in words if w[0] == "[")
        for other, other_boxes in seen:
            if boxes == other_boxes and _alike(ordered, other):
                yield Problem(ProblemKind.DUPLICATE_QUESTION, prompt[:80])
                break
        seen.append((ordered, boxes))


def _alike(a: tuple[str, ...], b: tuple[str, ...]) -> bool:
    """The same words in the same order but for one in ten that only one of them has."""
    if a == b:
        return True
    short, long = sorted((a, b), key=len)
    rest = iter(long)
    inside = all(word in rest for word in short)
    return bool(short) and inside and len(short) >= _NEARLY * len(long)
