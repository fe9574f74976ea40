"""The interface of whatever writes the text of a row."""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from spacesgg_ros.training.data.spatial_text import Exchange

from .facts import ImageFacts

FORMATS = {"desc": "description", "qa": "qa", "conv": "conversation"}
"""SpaceSGG's formats and the row task of each."""


class Failure(enum.Enum):
    """Why a request got no text."""

    NOTHING_TO_SAY = "nothing to say"  # the image has no such fact
    TIMEOUT = "timeout"
    RATE_LIMITED = "rate limited"
    SERVER_ERROR = "server error"
    TRUNCATED = "half an answer"
    NOT_JSON = "not a chat completion"
    REFUSED = "request refused"  # 400, 413, 422: this request, not the next one
    UNUSABLE = "unusable answer"  # a text that holds no row
    BUDGET = "budget exhausted"
    UNREACHABLE = "server not reachable"
    MISCONFIGURED = "endpoint refuses everything"  # 401, 403, 404


STOPPING = frozenset({Failure.BUDGET, Failure.UNREACHABLE, Failure.MISCONFIGURED})
"""Failures after which no other request can succeed either."""


class GenerationFailed(Exception):
    """A request that got no text.

    Attributes:
        reason: of the fixed list, countable; the message says what was seen.
    """

    def __init__(self, reason: Failure, message: str = "") -> None:
        super().__init__(message)
        self.reason = reason

    def __reduce__(self) -> tuple[type, tuple[Failure, str]]:
        return type(self), (self.reason, str(self))


@dataclass(frozen=True)
class WritingRequest:
    """One row to be written.

    Attributes:
        id: of the row; with the seed it decides every choice.
        format: of ``FORMATS``.
        facts: all that may be said.
        turns: questions of a "qa", changes of view of a "conv", at most.
    """

    id: str
    format: str
    facts: ImageFacts
    seed: int = 0
    turns: int = 4


@dataclass(frozen=True)
class WritingResult:
    """What came of a request: questions with answers, or why there are none.

    Attributes:
        provenance: of the text, plain JSON (generator, model).
    """

    exchanges: tuple[Exchange, ...] = ()
    failure: GenerationFailed | None = None
    provenance: Mapping[str, Any] = field(default_factory=dict)


class TextGenerator(Protocol):
    """Writes rows; picklable, so that a worker process can have its own."""

    def write(self, requests: Sequence[WritingRequest]) -> list[WritingResult]:
        """One result for each request, in order; a failure is a result, never raised."""
        ...
