"""Depth layers near to far, and the layered description that LLaVA-SpaceSGG is trained on.

The published rule, with its defects repaired: an object whose depth interval encloses no other's
is the seed of a layer, and an object whose interval encloses a seed belongs to that seed's
layer. Seeds are ordered by depth (the published code sorts them by the text of their boxes),
intervals come from foreground pixels only (there, zeros of the mask leaked into the minimum),
and nothing is drawn at random.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from spacesgg_ros.graph.boxes import encode_box
from spacesgg_ros.graph.text import format_box, format_object
from spacesgg_ros.graph.types import (
    BoxNorm,
    RelationSource,
    SceneGraph,
    SceneObject,
    SceneRelation,
)

_SAME_LAYER_OVERLAP = 0.5


def enclosing_layers(intervals: np.ndarray) -> list[list[int]]:
    """The published rule: each layer its seed followed by every object that encloses the seed.

    Args:
        intervals: ``(N, 2)`` depth ``(min, max)``, metres; rows with a NaN take no part.

    Returns:
        Index lists, layers near to far (by the seed's middle, then its index). An object may
        stand in several layers.
    """
    depth = np.asarray(intervals, dtype=np.float64).reshape(-1, 2)
    low, high = depth[:, 0], depth[:, 1]
    # NaN compares false, so an object without depth encloses nothing and is in nothing.
    encloses = (low[:, None] < low[None, :]) & (high[:, None] > high[None, :])
    known = np.isfinite(depth).all(axis=1)
    seeds = np.nonzero(known & ~encloses.any(axis=1))[0]
    middle = 0.5 * (low + high)
    ordered = sorted(seeds.tolist(), key=lambda i: (middle[i], i))
    return [[seed, *np.nonzero(encloses[:, seed])[0].tolist()] for seed in ordered]


def assign_layers(intervals: np.ndarray) -> np.ndarray:
    """One layer number per object: 1 = nearest, without holes; 0 = no depth.

    Seeds of :func:`enclosing_layers` whose intervals overlap by more than half of the shorter
    one share a layer, since nothing tells which is nearer. An object that encloses seeds goes
    where the seed nearest to its own middle went.

    Args:
        intervals: ``(N, 2)`` depth ``(min, max)``, metres; NaN where there is no depth.

    Returns:
        ``(N,)`` int64.
    """
    depth = np.asarray(intervals, dtype=np.float64).reshape(-1, 2)
    layers = np.zeros(len(depth), dtype=np.int64)
    groups = enclosing_layers(depth)
    number = 0
    start = end = -np.inf
    for seed, *_ in groups:
        low, high = depth[seed]
        shared = min(high, end) - max(low, start)
        shorter = min(high - low, end - start)
        if number == 0 or shared < max(_SAME_LAYER_OVERLAP * shorter, 0.0):
            number += 1
            start, end = low, high
        layers[seed] = number
    middle = depth.mean(axis=1)
    nearest: dict[int, tuple[float, int]] = {}
    for seed, *members in groups:
        for member in members:
            candidate = (abs(float(middle[member] - middle[seed])), int(layers[seed]))
            nearest[member] = min(nearest.get(member, candidate), candidate)
    for member, (_, layer) in nearest.items():
        layers[member] = layer
    return layers


def object_intervals(objects: Sequence[SceneObject]) -> np.ndarray:
    """``(N, 2)`` depth intervals of objects, NaN for those without depth."""
    return np.array(
        [
            (np.nan, np.nan) if o.extent is None else (o.extent.depth_min_m, o.extent.depth_max_m)
            for o in objects
        ]
    ).reshape(-1, 2)


def layered_text(graph: SceneGraph) -> str:
    """An English description layer by layer, near to far, in the tagged format.

    Every object is named once with its box; a relation is told in the layer of its subject,
    with boxes that stand after some ``<ref>`` of the text; what depth contradicts is left out.
    Objects without a layer come last.
    """
    boxes = {o.id: encode_box(o.box_px, graph.width, graph.height) for o in graph.objects}
    relations: dict[int, list[SceneRelation]] = {}
    for relation in graph.relations:
        refuted = relation.source is RelationSource.CONTRADICTED
        if relation.object_id in boxes and not refuted:
            relations.setdefault(relation.subject_id, []).append(relation)
    by_layer: dict[int, list[SceneObject]] = {}
    for obj in graph.objects:
        by_layer.setdefault(obj.layer, []).append(obj)
    labels = {o.id: o.label for o in graph.objects}
    lines = []
    for layer in sorted(by_layer, key=lambda number: (number == 0, number)):
        sentences = [_describe(o, relations.get(o.id, []), boxes, labels) for o in by_layer[layer]]
        opening = f"Layer {layer}:" if layer else "Without depth:"
        lines.append(" ".join([opening, *sentences]))
    return "\n".join(lines)


def _describe(
    obj: SceneObject,
    relations: Sequence[SceneRelation],
    boxes: dict[int, BoxNorm],
    labels: dict[int, str],
) -> str:
    named = f"The {format_object(obj.label, boxes[obj.id])}"
    if not relations:
        return f"{named} is here."
    told = [
        f"<pred>{r.predicate}</pred><box>{format_box(boxes[obj.id])}</box>"
        f"<box>{format_box(boxes[r.object_id])}</box> the {labels[r.object_id]}"
        for r in relations
    ]
    told[1:] = [f"and {part}" for part in told[1:]]
    return f"{named} is {' '.join(told)}."
