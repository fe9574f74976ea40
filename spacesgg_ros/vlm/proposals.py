"""Boxes and relations that the object-token tower proposes, read back from its tokens.

The embedded model's tower (``vlm/tower.py``) puts the box of every peak into the peak's token, and
every relation it finds into a token of its own. It measures both better than the decoder writes
them, and it sees things that the decoder leaves out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from spacesgg_ros.graph.boxes import BOX_SCALE, box_iou
from spacesgg_ros.graph.predicates import TOLD_KINDS, TOLD_PREDICATES
from spacesgg_ros.graph.types import BoxNorm, TextGraph, TextObject, TextRelation

from .grammar import GraphLimits

TOWER_MODEL_TYPE = "spacesgg_tower"

ProposedRelation = tuple[BoxNorm, str, BoxNorm]
"""Box of the subject, predicate, box of the object."""

_PLACE = {p: k for k, predicates in enumerate(TOLD_KINDS.values()) for p in predicates}
_SCORE_GAIN = 4.0
"""The tower multiplies class scores by this."""
_LEAST_SCORE = 0.1
_WAVES = 32
"""Sines of a box in a token, and as many cosines."""
_SAME_OBJECT_IOU = 0.6
_SNAP_IOU = 0.5


def ground_graph(
    graph: TextGraph, features: np.ndarray, vision_config: Mapping[str, Any], limits: GraphLimits
) -> TextGraph:
    """What a text says, with what the tower measured; ``graph`` itself if it is another tower.

    Boxes snap (:func:`snap_boxes`), things that the text leaves out are added
    (:func:`add_things`), and relations are told (:func:`tell_relations`), within ``limits``.

    Args:
        features, vision_config: as of :func:`read_proposals`.
    """
    if vision_config.get("model_type") != TOWER_MODEL_TYPE:
        return graph
    graph = snap_boxes(graph, read_proposals(features, vision_config))
    things = read_things(features, vision_config)
    if limits.labels:
        things = [(name, box) for name, box in things if name in limits.labels]
    graph = add_things(graph, things, limits.max_objects)
    relations = read_relations(features, vision_config)
    if limits.predicates:
        relations = [r for r in relations if r[1] in limits.predicates]
    graph = tell_relations(graph, relations)
    return replace(graph, relations=graph.relations[: limits.max_relations])


def snap_boxes(graph: TextGraph, proposals: Sequence[BoxNorm]) -> TextGraph:
    """``graph`` with each box replaced by the proposal it overlaps most, by IoU 0.5 at least."""
    if not proposals or not graph.objects:
        return graph
    overlap = box_iou(np.array([o.box for o in graph.objects], float), np.array(proposals, float))
    best = overlap.argmax(1)
    objects = [
        replace(o, box=proposals[best[k]]) if overlap[k, best[k]] >= _SNAP_IOU else o
        for k, o in enumerate(graph.objects)
    ]
    return replace(graph, objects=tuple(objects))


def add_things(
    graph: TextGraph, things: Sequence[tuple[str, BoxNorm]], max_objects: int
) -> TextGraph:
    """``graph`` with the things that lie on no object of it (IoU up to 0.5), after the others."""
    boxes = np.array([o.box for o in graph.objects], float).reshape(-1, 4)
    added = []
    for name, box in things:
        if (box_iou(np.array([box], float), boxes) > _SNAP_IOU).any():
            continue
        added.append(TextObject((name,), box))
    room = max(max_objects - len(graph.objects), 0)
    return replace(graph, objects=(*graph.objects, *added[:room]))


def tell_relations(graph: TextGraph, proposals: Sequence[ProposedRelation]) -> TextGraph:
    """``graph`` with the proposed relations between its objects, which the boxes tell.

    A proposal takes the place of what the graph says of the same kind (support, overhead,
    neighbour) of the same subject; what else the graph says stays. Kind by kind, then by subject.
    """
    at: dict[BoxNorm, int] = {}
    for index, o in enumerate(graph.objects):
        at.setdefault(o.box, index)
    told = [
        TextRelation(at[subject], predicate, at[target])
        for subject, predicate, target in proposals
        if subject in at and target in at and at[subject] != at[target]
    ]
    settled = {(r.subject, _PLACE[r.predicate]) for r in told}
    kept = [r for r in graph.relations if (r.subject, _PLACE.get(r.predicate)) not in settled]
    last = len(TOLD_KINDS)
    ordered = sorted([*told, *kept], key=lambda r: (_PLACE.get(r.predicate, last), r.subject))
    return replace(graph, relations=tuple(ordered))


def read_proposals(features: np.ndarray, vision_config: Mapping[str, Any]) -> list[BoxNorm]:
    """Boxes of the likely peaks, near to far; no two of them lie on about the same place.

    Args:
        features: ``(tokens, channels)``, what the tower made of an image.
        vision_config: of the model's ``config.json``.

    Returns:
        Boxes as text has them, 0 to 999 over the square-padded image; none if the tower is
        another one.
    """
    if vision_config.get("model_type") != TOWER_MODEL_TYPE:
        return []
    box_at = _box_channel(vision_config)
    score = features[:, box_at - int(vision_config["num_classes"]) : box_at].max(1) / _SCORE_GAIN
    place = features[:, box_at : box_at + 4]
    stronger = score[None, :] > score[:, None]
    repeated = ((box_iou(place, place) > _SAME_OBJECT_IOU) & stronger).any(1)
    boxes = _round_boxes(place)
    fits = (boxes[:, 2] > boxes[:, 0]) & (boxes[:, 3] > boxes[:, 1])
    kept = boxes[(score > _LEAST_SCORE) & ~repeated & fits]
    return [(x0, y0, x1, y1) for x0, y0, x1, y1 in kept.tolist()]


def read_things(
    features: np.ndarray, vision_config: Mapping[str, Any]
) -> list[tuple[str, BoxNorm]]:
    """Names and boxes of the peaks that count as objects, near to far; arguments as of
    :func:`read_proposals`."""
    if vision_config.get("model_type") != TOWER_MODEL_TYPE:
        return []
    box_at = _box_channel(vision_config)
    names = {int(index): name for index, name in vision_config["id2label"].items()}
    slots = _slot_channels(vision_config)
    likely = features[features[:, slots].any(1)]
    best = likely[:, box_at - int(vision_config["num_classes"]) : box_at].argmax(1)
    boxes = _round_boxes(likely[:, box_at : box_at + 4]).tolist()
    return [
        (names[int(k)], (x0, y0, x1, y1))
        for k, (x0, y0, x1, y1) in zip(best, boxes, strict=True)
        if x0 < x1 and y0 < y1
    ]


def read_relations(
    features: np.ndarray, vision_config: Mapping[str, Any]
) -> list[ProposedRelation]:
    """Relations that the tower found, in its order; arguments as of :func:`read_proposals`.

    Returns:
        Boxes as :func:`read_proposals` gives them; none if the tower tells no relations.
    """
    count = int(vision_config.get("num_relations", 0))
    if vision_config.get("model_type") != TOWER_MODEL_TYPE or not count:
        return []
    slots = int(vision_config["num_slots"])
    place = slots + 4 + 2 * _WAVES
    tokens = features[-count:, _slot_channels(vision_config).stop :]
    predicates = tokens[:, : len(TOLD_PREDICATES)]
    subject, target = (
        _round_boxes(end[:, slots : slots + 4]).tolist()
        for end in (tokens[:, -2 * place : -place], tokens[:, -place:])
    )
    return [
        (tuple(subject[k]), TOLD_PREDICATES[predicates[k].argmax()], tuple(target[k]))
        for k in range(count)
        if predicates[k].any()
    ]


def _box_channel(vision_config: Mapping[str, Any]) -> int:
    """First channel of a token's box: features and surroundings and class scores come first."""
    return 2 * int(vision_config["neck_channels"]) + int(vision_config["num_classes"])


def _slot_channels(vision_config: Mapping[str, Any]) -> slice:
    """Of the how manieth object a token is: after box, distance, sines and cosines."""
    first = _box_channel(vision_config) + 4 + 1 + 2 * _WAVES
    return slice(first, first + int(vision_config["num_slots"]))


def _round_boxes(place: np.ndarray) -> np.ndarray:
    return np.rint(place * BOX_SCALE).astype(int).clip(0, BOX_SCALE)
