"""Boxes that the object-token tower proposes, read back from its tokens.

The embedded model's tower (``vlm/tower.py``) puts the box of every peak into the peak's token, and
measures it better than the decoder writes it digit by digit.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from spacesgg_ros.graph.boxes import BOX_SCALE, box_iou
from spacesgg_ros.graph.types import BoxNorm, TextGraph

TOWER_MODEL_TYPE = "spacesgg_tower"
_SCORE_GAIN = 4.0
"""The tower multiplies class scores by this."""
_LEAST_SCORE = 0.1
_SAME_OBJECT_IOU = 0.6
_SNAP_IOU = 0.5


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
    classes = 2 * int(vision_config["neck_channels"])  # features and surroundings come first
    box_at = classes + int(vision_config["num_classes"])
    score = features[:, classes:box_at].max(1) / _SCORE_GAIN
    place = features[:, box_at : box_at + 4]
    stronger = score[None, :] > score[:, None]
    repeated = ((box_iou(place, place) > _SAME_OBJECT_IOU) & stronger).any(1)
    boxes = np.rint(place * BOX_SCALE).astype(int).clip(0, BOX_SCALE)
    fits = (boxes[:, 2] > boxes[:, 0]) & (boxes[:, 3] > boxes[:, 1])
    kept = boxes[(score > _LEAST_SCORE) & ~repeated & fits]
    return [(x0, y0, x1, y1) for x0, y0, x1, y1 in kept.tolist()]
