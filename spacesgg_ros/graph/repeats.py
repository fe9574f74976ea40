"""Merge what a model named twice: small models write one thing again with a slightly other box."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from spacesgg_ros.graph.boxes import box_iou
from spacesgg_ros.graph.types import TextGraph

SAME_THING_IOU = 0.6
"""Two boxes of one name that overlap by more are one thing. Bowls in a stack overlap less."""


def merge_repeats(graph: TextGraph) -> TextGraph:
    """Each thing once: of one name and about one box the first stays and takes the relations.

    A relation between a thing and its repeat is dropped, and one that the first has already.
    """
    boxes = np.array([o.box for o in graph.objects], float).reshape(-1, 4)
    overlap = box_iou(boxes, boxes)
    stands_for: list[int] = []
    for i, item in enumerate(graph.objects):
        earlier = (
            j
            for j in range(i)
            if stands_for[j] == j
            and graph.objects[j].label == item.label
            and overlap[i, j] > SAME_THING_IOU
        )
        stands_for.append(next(earlier, i))
    kept = [i for i, first in enumerate(stands_for) if i == first]
    place = {first: k for k, first in enumerate(kept)}
    relations = (
        replace(r, subject=place[stands_for[r.subject]], object=place[stands_for[r.object]])
        for r in graph.relations
    )
    return replace(
        graph,
        objects=tuple(graph.objects[i] for i in kept),
        relations=tuple(dict.fromkeys(r for r in relations if r.subject != r.object)),
    )
