"""What a validator lets through."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ..rows import TASKS

WORD_LIMITS: Mapping[str, int] = {
    "caption": 60,
    "objects": 400,
    "graph": 900,
    "description": 600,
    "qa": 120,
    "conversation": 200,
    "vsd-classify": 5,
    "vsd-describe": 50,
    "vsd-open": 200,
}
"""Words of one answer by task; a tag with its box counts as one word."""


@dataclass(frozen=True)
class ValidationConfig:
    """How strict a validator is.

    Attributes:
        strict: what the input neither proves nor refutes is rejected, too: a direction of
            objects without measurement, a noun that is not of the input.
        depth_margin: two depths whose medians differ by less than this part of the nearer one
            are neither nearer nor farther.
        next_to_reach: things are next to each other up to a gap of so many sizes of the smaller
            one, and surely not beyond three times that.
        most_words: by task, words of one answer.
        most_question_words: words of one question.
    """

    strict: bool = True
    depth_margin: float = 0.005
    next_to_reach: float = 1.0
    most_words: Mapping[str, int] = field(default_factory=lambda: dict(WORD_LIMITS), hash=False)
    most_question_words: int = 120

    def __post_init__(self) -> None:
        missing = set(TASKS) - set(self.most_words)
        if missing:
            raise ValueError(f"most_words lacks the tasks {', '.join(sorted(missing))}")
        limits = [self.most_question_words, *self.most_words.values()]
        if min(limits) < 1 or self.depth_margin < 0 or self.next_to_reach <= 0:
            raise ValueError(
                f"limits must be positive: words {limits}, depth_margin {self.depth_margin}, "
                f"next_to_reach {self.next_to_reach}"
            )
