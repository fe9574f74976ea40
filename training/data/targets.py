"""What a model learns to write about a frame: its objects, and which relations are worth saying.

The same functions give the truth that graphs are scored against, so the rule of
:func:`choose_relations` is exact and depends on nothing but the record.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from spacesgg_ros.graph.boxes import encode_box
from spacesgg_ros.graph.predicates import INVERSES, VSD_LABELS
from spacesgg_ros.graph.types import TextGraph, TextObject, TextRelation

FrameRecord = dict[str, Any]
"""The JSON of a rendered frame (:mod:`spacesgg_ros.training.scenes.dataset`)."""

Relation = tuple[int, str, int]
"""Scene index of the subject, predicate, scene index of the object."""

MAX_OBJECTS = 20
"""Objects listed in one graph; the nearest ones."""

_MIRRORED = {"to the left of": "to the right of", "to the right of": "to the left of"}
_SUPPORTS = ("in", "on")
_OVERHEAD = ("under", "above")


class FrameError(ValueError):
    """A frame record that cannot be taught from: what was seen, what was expected."""


def check_frame(record: FrameRecord) -> None:
    """Refuse a record that lacks what the targets need; keys they do not need may be missing.

    Raises:
        FrameError: names what is wrong.
    """
    if not isinstance(record, dict):
        raise FrameError(f"a frame must be a JSON object, got {type(record).__name__}")
    missing = {"key", "width", "height", "objects", "relations"} - record.keys()
    if missing:
        raise FrameError(f"missing {', '.join(sorted(missing))}")
    try:
        width, height = int(record["width"]), int(record["height"])
        for o in record["objects"]:
            x0, y0, x1, y1 = (float(v) for v in o["box_px"])
            if not (0 <= x0 < x1 <= width and 0 <= y0 < y1 <= height):
                raise FrameError(
                    f"box {o['box_px']} of {o['label']!r} is empty or outside {width}x{height}"
                )
            near, middle, far = (float(v) for v in o["depth_m"])
            if not 0 < near <= middle <= far < np.inf:
                raise FrameError(f"depth {o['depth_m']} of {o['label']!r} is not near to far")
            if not isinstance(o["label"], str) or not o["label"].strip():
                raise FrameError(f"label {o['label']!r} is not a name")
        known = {o["index"] for o in record["objects"]}
        for subject, predicate, target in record["relations"]:
            if predicate not in VSD_LABELS:
                raise FrameError(f"unknown predicate {predicate!r}; {', '.join(VSD_LABELS)}")
            if subject == target:
                raise FrameError(f"object {subject} is related to itself")
    except (KeyError, TypeError, ValueError) as error:
        if isinstance(error, FrameError):
            raise
        raise FrameError(f"broken object or relation: {error!r}") from error
    if len(known) != len(record["objects"]):
        raise FrameError("two objects have the same index")


def mirror_record(record: FrameRecord) -> FrameRecord:
    """The frame seen in a mirror: boxes, positions and left/right swapped."""
    width = record["width"]

    def mirror(o: dict[str, Any]) -> dict[str, Any]:
        changed: dict[str, Any] = {}
        for key in ("box_px", "amodal_box_px"):
            if key in o:
                x0, y0, x1, y1 = o[key]
                changed[key] = [width - x1, y0, width - x0, y1]
        if "position_camera" in o:
            x, y, z = o["position_camera"]
            changed["position_camera"] = [-x, y, z]
        return o | changed

    mirrored = record | {
        "objects": [mirror(o) for o in record["objects"]],
        "relations": [[s, _MIRRORED.get(p, p), o] for s, p, o in record["relations"]],
    }
    if "ignored" in record:
        mirrored["ignored"] = [mirror(o) for o in record["ignored"]]
    return mirrored


def list_objects(record: FrameRecord) -> list[dict[str, Any]]:
    """The objects that a text names, near to far (median visible depth, then index)."""
    ordered = sorted(record["objects"], key=lambda o: (o["depth_m"][1], o["index"]))
    return ordered[:MAX_OBJECTS]


def known_relations(record: FrameRecord, indices: Iterable[int]) -> list[Relation]:
    """The unambiguous relations among these objects, in the record's order."""
    among = set(indices)
    return [(s, p, o) for s, p, o in record["relations"] if s in among and o in among]


def inverse_relations(relations: Iterable[Relation]) -> list[Relation]:
    """The same facts told from the other object; "in" has no inverse among the nine labels."""
    return [(o, INVERSES[p], s) for s, p, o in relations if p in INVERSES]


def named_relations(record: FrameRecord) -> list[Relation]:
    """What may be asked by names alone, from both sides: each name occurs once in the picture.

    Every unambiguous relation and its inverse, in the record's order, inverses after.
    """
    seen = [o["label"] for o in (*record["objects"], *record.get("ignored", ()))]
    unique = [o["index"] for o in record["objects"] if seen.count(o["label"]) == 1]
    known = known_relations(record, unique)
    return list(dict.fromkeys([*known, *inverse_relations(known)]))


def choose_relations(record: FrameRecord, order: Sequence[int]) -> list[Relation]:
    """The relations worth saying: what carries each object, what is over it, its neighbour.

    1. *Support*, for each object of ``order`` in turn: what it is ``in``, else what it is
       ``on``; of several, the one with the smallest box.
    2. *Overhead*, for each object in turn: what it is ``under``, else ``above``; of several,
       the one with the smallest box. Not said are ``under`` what rests on it, and ``above``
       what is ``under`` it, since the other object says those.
    3. *Neighbour*, for each object in turn: how it stands to the object with the same support
       (the one said in 1; none counts as the same as none) whose box centre is nearest to its
       own in the picture. Objects that it rests on, that rest on it, or that are over or under
       it are passed over. Left, right, front and behind come before ``next to``. If the record
       relates the two in no such way (the pair is ambiguous, or far apart), nothing is said.

    So at most one relation of each kind an object; and which pair to relate can be read off the
    boxes and supports that the text has said already, without depth. Two that are nearest to
    each other are told from both sides. Distances are Euclidean, in pixels; ties go to the
    earlier in ``order``. A mirrored frame gives the mirrored relations.

    Args:
        record: a frame record.
        order: scene indices of the objects that the text lists, in its order.

    Returns:
        ``(subject, predicate, object)`` scene indices.
    """
    box = {o["index"]: o["box_px"] for o in record["objects"]}
    known = known_relations(record, order)
    support = _choose_smallest(known, order, box, _SUPPORTS)
    overhead = _choose_smallest(known, order, box, _OVERHEAD)
    settled = {frozenset((s, o)) for s, p, o in known if p in (*_SUPPORTS, *_OVERHEAD)}
    carrier = {index: support[index][1] if index in support else None for index in order}
    neighbour = {}
    for subject in order:
        others = [
            i
            for i in order
            if i != subject
            and carrier[i] == carrier[subject]
            and frozenset((subject, i)) not in settled
        ]
        if not others:
            continue
        nearest = min(others, key=lambda i: _centre_distance(box[subject], box[i]))
        predicates = [p for s, p, o in known if (s, o) == (subject, nearest)]
        if predicates:
            neighbour[subject] = (min(predicates, key=lambda p: p == "next to"), nearest)
    return [
        (subject, *kind[subject])
        for kind in (support, overhead, neighbour)
        for subject in order
        if subject in kind
    ]


def _choose_smallest(
    known: Sequence[Relation],
    order: Sequence[int],
    box: Mapping[int, Sequence[float]],
    predicates: Sequence[str],
) -> dict[int, tuple[str, int]]:
    """For each subject the first predicate that it has, with the smallest of its objects."""
    held = set(known)
    chosen = {}
    for subject in order:
        for predicate in predicates:
            targets = {
                o
                for s, p, o in known
                if (s, p) == (subject, predicate) and not _said_by_other(held, s, p, o)
            }
            if targets:
                smallest = min((i for i in order if i in targets), key=lambda i: _area(box[i]))
                chosen[subject] = (predicate, smallest)
                break
    return chosen


def _said_by_other(held: set[Relation], subject: int, predicate: str, target: int) -> bool:
    if predicate == "under":
        return any((target, support, subject) in held for support in _SUPPORTS)
    return predicate == "above" and (target, "under", subject) in held


def _area(box: Sequence[float]) -> float:
    return (box[2] - box[0]) * (box[3] - box[1])


def _centre_distance(a: Sequence[float], b: Sequence[float]) -> float:
    """Twice the distance of two centres, squared over: exact for integer pixels."""
    return (a[0] + a[2] - b[0] - b[2]) ** 2 + (a[1] + a[3] - b[1] - b[3]) ** 2


def target_graph(record: FrameRecord) -> TextGraph:
    """The listed objects, near to far, with the chosen relations."""
    objects = list_objects(record)
    order = [o["index"] for o in objects]
    place = {index: k for k, index in enumerate(order)}
    return TextGraph(
        tuple(
            TextObject(
                (o["label"],), encode_box(tuple(o["box_px"]), record["width"], record["height"])
            )
            for o in objects
        ),
        tuple(TextRelation(place[s], p, place[t]) for s, p, t in choose_relations(record, order)),
    )
