"""What may be claimed of a picture."""

from __future__ import annotations

from dataclasses import dataclass, field

from spacesgg_ros.graph.types import Viewpoint


@dataclass(frozen=True)
class Claim:
    """``subject`` is ``predicate`` ``target``.

    Attributes:
        subject, target: objects that may be meant; no target: compared with all others.
        predicate: a VSD label, nearer, farther, higher, lower, same layer, between (two targets
            in ``target`` and ``second``), a superlative, or any tagged predicate.
        views: from which it may be meant; ``EVERY_VIEW``: from all of them.
        negated: the contrary is claimed.
        tagged: said by a ``<pred>``.
    """

    subject: frozenset[int]
    predicate: str
    target: frozenset[int] = frozenset()
    second: frozenset[int] = frozenset()
    views: tuple[Viewpoint, ...] = (Viewpoint.CAMERA,)
    negated: bool = False
    tagged: bool = False
    said: str = field(default="", compare=False)


@dataclass(frozen=True)
class CountClaim:
    """There are ``number`` of what ``of`` may mean (empty: of anything), or so many of them."""

    number: int
    of: frozenset[int]
    some: bool = False
    said: str = ""


@dataclass(frozen=True)
class LayerClaim:
    """These objects are in layer ``number``."""

    objects: frozenset[int]
    number: int
    said: str = ""


@dataclass(frozen=True)
class TurnClaim:
    """What is at ``before`` from the camera is at ``after`` from the view."""

    before: str
    after: str
    view: Viewpoint
    said: str = ""


AnyClaim = Claim | CountClaim | LayerClaim | TurnClaim


@dataclass(frozen=True)
class Heard:
    """What was said before: the view spoken of, and what "it" may mean.

    Attributes:
        views: that a sentence without a view may be meant from.
        settled: whether this text itself named the view.
    """

    views: tuple[Viewpoint, ...] = (Viewpoint.CAMERA,)
    settled: bool = False
    subject: frozenset[int] = frozenset()
    asked: frozenset[int] = frozenset()
