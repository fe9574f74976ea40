"""Exchanges of a row as sentences and claims, each with what was said before it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from spacesgg_ros.graph.types import Viewpoint

from ..rows import Row
from .claim_kinds import AnyClaim, Heard
from .claims import extract_claims, find_view, list_words
from .phrases import EVERY_VIEW
from .tokens import Sentence
from .truth import Truth

TAGS_EXPLAINED = "[[x1, y1, x2, y2]]"
"""In a prompt that explains the format: its tags name nothing."""

ASKING_TASKS = frozenset({"qa", "conversation"})
_GOING_ON = frozenset({"still", "there", "now", "then", "and"})


@dataclass(frozen=True)
class Exchange:
    """A prompt and its answer, read.

    Attributes:
        asked, told: sentences of the prompt and of the answer.
        premises: what the prompt claims. ``inquired``: what its questions would claim.
        claims: what the answer claims.
        views: from which the prompt looks.
    """

    asked: tuple[Sentence, ...]
    told: tuple[Sentence, ...]
    premises: tuple[AnyClaim, ...]
    inquired: tuple[AnyClaim, ...]
    claims: tuple[AnyClaim, ...]
    views: tuple[Viewpoint, ...]

    @property
    def questions(self) -> list[Sentence]:
        return [s for s in self.asked if s.question]


def read_exchanges(row: Row, truth: Truth) -> Iterator[Exchange]:
    """The exchanges in order; a view that a question names holds until another is named."""
    before: frozenset[int] = frozenset()
    views: tuple[Viewpoint, ...] = (Viewpoint.CAMERA,)
    subject: frozenset[int] = frozenset()
    asks = row.task in ASKING_TASKS
    for prompt, answer in row.exchanges:
        lately = truth.reader.boxed(prompt) | truth.reader.boxed(answer)
        asked = [] if TAGS_EXPLAINED in prompt else truth.reader.read(prompt, lately, before)
        told = truth.reader.read(answer, lately, before)
        views = _view_of_prompt(asked, views)
        premises, inquired, heard = _read_prompt(asked if asks else [], views, subject)
        things = frozenset().union(*(t.objects for s in asked for t in s.things))
        claims = _read_answer(told, replace(heard, asked=things if asks else frozenset()), views)
        yield Exchange(tuple(asked), tuple(told), premises, inquired, claims, views)
        subject = heard.subject
        before |= lately


def _view_of_prompt(
    asked: list[Sentence], previous: tuple[Viewpoint, ...]
) -> tuple[Viewpoint, ...]:
    named = [view for view in map(find_view, asked) if view is not None]
    if named:
        view = named[-1]
        if view == "there":
            return previous
        return EVERY_VIEW if view == "every" else (view,)  # type: ignore[return-value]
    words = {word for s in asked for word in list_words(s.tokens)}
    return previous if words & _GOING_ON else (Viewpoint.CAMERA,)


def _read_prompt(
    asked: list[Sentence], views: tuple[Viewpoint, ...], subject: frozenset[int]
) -> tuple[tuple[AnyClaim, ...], tuple[AnyClaim, ...], Heard]:
    """What the prompt states (from the camera unless it says otherwise) and what it asks."""
    premises: list[AnyClaim] = []
    inquired: list[AnyClaim] = []
    heard = Heard(subject=subject)
    for sentence in asked:
        at = replace(heard, views=views) if sentence.question else heard
        claims, heard = extract_claims(sentence, at)
        (inquired if sentence.question else premises).extend(claims)
        if sentence.question:
            heard = replace(heard, views=(Viewpoint.CAMERA,))
    return tuple(premises), tuple(inquired), heard


def _read_answer(
    told: list[Sentence], heard: Heard, views: tuple[Viewpoint, ...]
) -> tuple[AnyClaim, ...]:
    """Claims of the answer.

    Until the answer itself names a view, a sentence of one that will may still speak of the
    camera's.
    """
    names_view = any(find_view(s) not in (None, "there", "every") for s in told)
    either = views if not names_view else tuple(dict.fromkeys((*views, Viewpoint.CAMERA)))
    heard = replace(heard, views=either if views else views, settled=False)
    claims: list[AnyClaim] = []
    for sentence in told:
        found, heard = extract_claims(sentence, heard)
        claims += found
    return tuple(claims)
