"""Whether a claim agrees with what was annotated and measured.

Annotated relations come first (a pair of which one relation is annotated is in no other of the
same kind), then measured orders, then intervals. What none of these decides cannot be told.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterable
from itertools import product

from spacesgg_ros.graph.predicates import DIRECTIONAL, VSD_LABELS
from spacesgg_ros.graph.types import Viewpoint

from .claim_kinds import Claim, CountClaim, LayerClaim, TurnClaim
from .config import ValidationConfig
from .truth import Truth


class Verdict(enum.Enum):
    """What the truth says of a claim."""

    AGREES = "agrees"
    CONTRADICTS = "contradicts"
    AMBIGUOUS = "ambiguous"
    UNKNOWN = "cannot tell"


_OPPOSITES = {
    "on": {"under"}, "above": {"under"}, "under": {"on", "above"}, "in": set(), "next to": set(),
    "behind": {"in front of"}, "in front of": {"behind"},
    "to the left of": {"to the right of"}, "to the right of": {"to the left of"},
}  # fmt: skip
_VECTORS = {
    "to the right of": (1, 0), "to the left of": (-1, 0), "behind": (0, 1), "in front of": (0, -1),
}  # fmt: skip
_LABELS = {vector: label for label, vector in _VECTORS.items()}
_RELATIVE = {
    "nearest": "nearer", "farthest": "farther", "highest": "higher", "lowest": "lower",
    "leftmost": "to the left of", "rightmost": "to the right of",
}  # fmt: skip
_FAR_REACH = 3.0
_CLEAR_SIDE = 0.05
_MIDDLE = 499.5


def turn_to_camera(label: str, view: Viewpoint) -> str:
    """The direction from the camera that is seen as ``label`` from a view (seeds of the algebra:
    camera x right, z away; back: (-x, -z); left: right' = -z, away' = x; right: the opposite).
    """
    if label not in DIRECTIONAL:
        return label
    right, away = _VECTORS[label]
    x, z = {
        Viewpoint.CAMERA: (right, away),
        Viewpoint.BACK: (-right, -away),
        Viewpoint.LEFT: (away, -right),
        Viewpoint.RIGHT: (-away, right),
    }[view]
    return _LABELS[x, z]


def judge_claim(truth: Truth, claim: Claim, config: ValidationConfig) -> Verdict:
    """The best verdict over everything that the claim may mean."""
    verdicts = {
        _negate(verdict) if claim.negated else verdict
        for verdict in _readings(truth, claim, config)
    }
    for verdict in (Verdict.AGREES, Verdict.AMBIGUOUS, Verdict.UNKNOWN):
        if verdict in verdicts:
            return verdict
    return Verdict.CONTRADICTS if verdicts else Verdict.UNKNOWN


def _negate(verdict: Verdict) -> Verdict:
    swapped = {Verdict.AGREES: Verdict.CONTRADICTS, Verdict.CONTRADICTS: Verdict.AGREES}
    return swapped.get(verdict, verdict)


def _readings(truth: Truth, claim: Claim, config: ValidationConfig) -> Iterable[Verdict]:
    if claim.predicate in _RELATIVE:
        for subject in claim.subject:
            yield _judge_superlative(truth, subject, claim, config)
        return
    if claim.predicate in ("foreground", "background"):
        yield from (_judge_ground(truth, s, claim.predicate) for s in claim.subject)
        return
    if claim.predicate == "between":
        for s, a, b in product(claim.subject, claim.target, claim.second):
            if len({s, a, b}) == 3:
                yield _judge_between(truth, s, a, b)
        return
    directional = claim.predicate in DIRECTIONAL
    if not claim.views and directional:  # no direction is the same from every side
        yield Verdict.CONTRADICTS
        return
    for view in claim.views or (Viewpoint.CAMERA,):
        label = turn_to_camera(claim.predicate, view)
        for subject, target in product(claim.subject, claim.target):
            if subject != target:
                yield judge_pair(truth, subject, label, target, config)


def judge_pair(
    truth: Truth, subject: int, label: str, target: int, config: ValidationConfig
) -> Verdict:
    """Whether ``subject label target`` holds from the camera; ``label``: see ``Claim``."""
    if frozenset((subject, target)) in truth.ambiguous:
        return Verdict.AMBIGUOUS
    if label in _PAIRWISE:
        return _PAIRWISE[label](truth, subject, target, config)
    said = truth.annotated.get((subject, target), frozenset())
    if label in said:
        return Verdict.AGREES
    if label not in VSD_LABELS:
        told = label in truth.predicates.get((subject, target), frozenset())
        return Verdict.AGREES if told else Verdict.UNKNOWN
    if said & _OPPOSITES[label]:
        return Verdict.CONTRADICTS
    if label in DIRECTIONAL:
        return _verdict(truth.measured_direction(subject, label, target))
    if label == "next to":
        return _judge_next_to(truth, subject, target, said, config)
    return _judge_support(truth, subject, label, target, said)


def _verdict(holds: bool | None) -> Verdict:
    if holds is None:
        return Verdict.UNKNOWN
    return Verdict.AGREES if holds else Verdict.CONTRADICTS


def _judge_next_to(
    truth: Truth, subject: int, target: int, said: frozenset[str], config: ValidationConfig
) -> Verdict:
    if said & {"on", "in", "under", "above"}:
        return Verdict.CONTRADICTS
    measured = truth.gap(subject, target)
    if measured is None:
        return Verdict.UNKNOWN
    gap, size = measured
    if gap <= config.next_to_reach * size:
        return Verdict.AGREES
    return (
        Verdict.CONTRADICTS if gap > _FAR_REACH * config.next_to_reach * size else Verdict.UNKNOWN
    )


def _judge_support(
    truth: Truth, subject: int, label: str, target: int, said: frozenset[str]
) -> Verdict:
    """ "on", "in", "above" and "under" that are not annotated."""
    held = truth.annotated.get((target, subject), frozenset())
    if label in ("above", "under"):
        if "on" in (said if label == "above" else held):
            return Verdict.AGREES
        if "in" in said | held:
            return Verdict.CONTRADICTS
        return _verdict(truth.measured_direction(subject, label, target))
    if said or held & {"on", "in"}:
        return Verdict.CONTRADICTS
    if truth.measured_direction(subject, "above", target) is False:
        return Verdict.CONTRADICTS
    measured = truth.gap(subject, target)
    apart = measured is not None and measured[0] > measured[1]
    return Verdict.CONTRADICTS if apart else Verdict.UNKNOWN


def _judge_nearer(truth: Truth, subject: int, target: int, config: ValidationConfig) -> Verdict:
    a, b = truth.depth(subject), truth.depth(target)
    if a is None or b is None:
        said = truth.annotated.get((subject, target), frozenset())
        if said & {"in front of", "behind"}:
            return _verdict("in front of" in said)
        return Verdict.UNKNOWN
    gap = b[1] - a[1]
    if abs(gap) < config.depth_margin * min(a[1], b[1]):
        orders = truth.orders.get((subject, target), frozenset())
        if orders & {"in front of", "behind"}:
            return _verdict("in front of" in orders)
        return Verdict.UNKNOWN
    return _verdict(gap > 0)


def _judge_higher(truth: Truth, subject: int, target: int, config: ValidationConfig) -> Verdict:
    said = truth.annotated.get((subject, target), frozenset())
    if said & {"on", "above"}:
        return Verdict.AGREES
    if "under" in said:
        return Verdict.CONTRADICTS
    return _verdict(truth.measured_direction(subject, "above", target))


def _judge_same_layer(truth: Truth, subject: int, target: int, config: ValidationConfig) -> Verdict:
    a, b = truth.layer_of.get(subject), truth.layer_of.get(target)
    return Verdict.UNKNOWN if a is None or b is None else _verdict(a == b)


def _swapped(judge: Callable[..., Verdict]) -> Callable[..., Verdict]:
    return lambda truth, subject, target, config: judge(truth, target, subject, config)


_PAIRWISE: dict[str, Callable[[Truth, int, int, ValidationConfig], Verdict]] = {
    "nearer": _judge_nearer,
    "farther": _swapped(_judge_nearer),
    "higher": _judge_higher,
    "lower": _swapped(_judge_higher),
    "same layer": _judge_same_layer,
}


def _judge_superlative(
    truth: Truth, subject: int, claim: Claim, config: ValidationConfig
) -> Verdict:
    """Against those asked of, else by the layer, else against all other objects.

    "On the left" with nothing to compare with is a place in the picture.
    """
    relative = _RELATIVE[claim.predicate]
    layers = truth.layer_of
    if claim.target:
        others: Iterable[int] = claim.target - claim.second
    elif claim.predicate in ("leftmost", "rightmost"):
        return _judge_side(truth, subject, claim)
    elif claim.predicate in ("nearest", "farthest") and subject in layers:
        end = min(layers.values()) if claim.predicate == "nearest" else max(layers.values())
        return _verdict(layers[subject] == end)
    else:
        others = set(range(len(truth.labels))) - claim.second
    views = claim.views or (Viewpoint.CAMERA,)
    verdicts = [
        judge_pair(truth, subject, turn_to_camera(relative, views[0]), other, config)
        for other in others
        if other != subject
    ]
    for verdict in (Verdict.CONTRADICTS, Verdict.AMBIGUOUS, Verdict.UNKNOWN):
        if verdict in verdicts:
            return verdict
    return Verdict.AGREES


def _judge_ground(truth: Truth, subject: int, predicate: str) -> Verdict:
    """Foreground is not the last of several layers, background not the first."""
    layers = truth.layer_of
    if subject not in layers:
        return Verdict.UNKNOWN
    ends = min(layers.values()), max(layers.values())
    wrong = ends[1] if predicate == "foreground" else ends[0]
    return _verdict(ends[0] == ends[1] or layers[subject] != wrong)


def _judge_side(truth: Truth, subject: int, claim: Claim) -> Verdict:
    x0, _, x1, _ = truth.boxes[subject]
    offset = ((x0 + x1) / 2 - _MIDDLE) / (2 * _MIDDLE)
    if abs(offset) < _CLEAR_SIDE or claim.views != (Viewpoint.CAMERA,):
        return Verdict.UNKNOWN
    return _verdict((offset < 0) == (claim.predicate == "leftmost"))


def _judge_between(truth: Truth, subject: int, first: int, second: int) -> Verdict:
    """Between them along x, y or z, by the middles."""
    known = False
    for axis in range(3):
        spans = [truth.interval(i, axis) for i in (subject, first, second)]
        if None in spans:
            continue
        known = True
        middle, a, b = (span[1] for span in spans if span is not None)
        if min(a, b) < middle < max(a, b):
            return Verdict.AGREES
    return Verdict.CONTRADICTS if known else Verdict.UNKNOWN


def judge_count(truth: Truth, claim: CountClaim) -> Verdict:
    """Against the annotated objects of that name, or all of them."""
    there = len(claim.of) if claim.of else len(truth.labels)
    return _verdict(claim.number <= there if claim.some else claim.number == there)


def judge_layer(truth: Truth, claim: LayerClaim) -> Verdict:
    """Whether one of the objects meant is in that layer."""
    layers = {truth.layer_of.get(i) for i in claim.objects}
    if layers == {None} or not layers:
        return Verdict.UNKNOWN
    return _verdict(claim.number in layers)


def judge_turn(claim: TurnClaim) -> Verdict:
    """Whether what is at one place from the camera is at the other from the view."""
    return _verdict(turn_to_camera(claim.after, claim.view) == claim.before)


def count_held(truth: Truth, predicate: str, holder: int, of: frozenset[int]) -> int:
    """How many of these objects are annotated as on or in another."""
    return sum(predicate in truth.annotated.get((i, holder), frozenset()) for i in of)
