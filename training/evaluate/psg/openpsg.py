"""OpenPSG's R@K, mR@K and F1@K: a ranked list of relations between predicted objects.

A true relation is found by a prediction with the same three labels and an overlap of at least 0.5
of both subject and object, of boxes or of masks. R@K is the mean over images of the share of true
relations that the first K predictions find. With the graph constraint only the best predicate of
every ordered pair of predicted objects counts. mR@K is a mean over predicates of the mean over the
images that have it; the published one divides by all 56, whether they occur or not. F1@K is the
harmonic mean of R@K and mR@K (as in OV-SGG-Bench, arXiv 2609.12552).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from spacesgg_ros.graph.boxes import box_iou
from spacesgg_ros.training.evaluate.scoring.outcomes import CLASS_RATIO, RATIO, Outcomes

from .labels import PREDICATES
from .records import BoxPx

TOP = (20, 50, 100)
MIN_IOU = 0.5
Relation = tuple[int, str, int]
"""Index of the subject, predicate, index of the object."""


@dataclass(frozen=True)
class LabelledObjects:
    """Objects of an image and relations between them.

    Attributes:
        image: its id.
        labels: full class names ("tree-merged").
        boxes: pixels, x0 y0 x1 y1, one a label.
        relations: of a prediction the best first.
        masks: COCO run lengths, one a label; empty: none.
    """

    image: str
    labels: tuple[str, ...]
    boxes: tuple[BoxPx, ...]
    relations: tuple[Relation, ...]
    masks: tuple[Mapping[str, Any], ...] = ()


def filter_truth(images: Iterable[LabelledObjects]) -> list[LabelledObjects]:
    """OpenPSG's test set: no image without a relation, no relation twice."""
    return [
        LabelledObjects(i.image, i.labels, i.boxes, tuple(dict.fromkeys(i.relations)), i.masks)
        for i in images
        if i.relations
    ]


def mask_iou(a: Sequence[Mapping[str, Any]], b: Sequence[Mapping[str, Any]]) -> np.ndarray:
    """``(len(a), len(b))`` intersection over union of run-length masks of one picture.

    Raises:
        MaskError: a mask cannot be read.
        ValueError: masks of different sizes.
    """
    from spacesgg_ros.training.data.sources.masks import decode_mask

    flat = [
        np.array([decode_mask(mask).ravel() for mask in masks], dtype=np.float32)
        for masks in (a, b)
    ]
    if not a or not b:
        return np.zeros((len(a), len(b)))
    shared = (flat[0] @ flat[1].T).astype(np.float64)
    areas = [masks.sum(axis=1, dtype=np.float64) for masks in flat]
    union = areas[0][:, None] + areas[1][None, :] - shared
    return np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)


def find_ranks(
    truth: LabelledObjects,
    said: LabelledObjects,
    *,
    graph_constraint: bool = True,
    masks: bool = False,
) -> np.ndarray:
    """``(true relations,)`` int: place, from 0, of the first prediction that finds each.

    A relation that none finds has the place ``len(said.relations)`` or higher than any K.
    """
    ranks = np.full(len(truth.relations), np.iinfo(np.int64).max)
    relations = _keep_best(said.relations) if graph_constraint else said.relations
    if not relations:
        return ranks
    if masks:
        overlap = mask_iou(truth.masks, said.masks)
    else:
        overlap = box_iou(np.array(truth.boxes), np.array(said.boxes))
    same = np.array(truth.labels, object)[:, None] == np.array(said.labels, object)[None, :]
    fits = same & (overlap >= MIN_IOU)
    subjects, objects = (np.array([r[k] for r in relations]) for k in (0, 2))
    predicates = np.array([r[1] for r in relations], object)
    for row, (subject, predicate, target) in enumerate(truth.relations):
        hits = fits[subject, subjects] & fits[target, objects] & (predicates == predicate)
        if hits.any():
            ranks[row] = int(hits.argmax())
    return ranks


def _keep_best(relations: Sequence[Relation]) -> list[Relation]:
    """The first relation of every ordered pair."""
    best: dict[tuple[int, int], Relation] = {}
    for relation in relations:
        best.setdefault((relation[0], relation[2]), relation)
    return list(best.values())


def pool_images(
    truth: Sequence[LabelledObjects],
    predictions: Mapping[str, LabelledObjects],
    top: Sequence[int] = TOP,
    *,
    graph_constraint: bool = True,
    masks: bool = False,
    predicates: Sequence[str] = PREDICATES,
) -> dict[str, Outcomes]:
    """``R@K``, ``mR@K`` and ``mR@K (all predicates)`` for every K.

    An image without a prediction finds nothing.

    Args:
        truth: of :func:`filter_truth`.
        predicates: the published mean recall divides by their number.
    """
    nothing = LabelledObjects("", (), (), ())
    ranks = {
        image.image: find_ranks(
            image,
            predictions.get(image.image, nothing),
            graph_constraint=graph_constraint,
            masks=masks,
        )
        for image in truth
    }
    outcomes: dict[str, Outcomes] = {}
    for k in top:
        shares: dict[str, list[float]] = {}
        by_predicate: dict[str, dict[str, list[float]]] = {}
        for image in truth:
            found = ranks[image.image] < k
            names = np.array([r[1] for r in image.relations], object)
            shares[image.image] = [float(found.mean()), 1]
            by_predicate[image.image] = {
                name: [float(found[names == name].mean()), 1] for name in sorted(set(names))
            }
        outcomes[f"R@{k}"] = Outcomes(RATIO, shares)
        outcomes[f"mR@{k}"] = Outcomes(CLASS_RATIO, by_predicate)
        outcomes[f"mR@{k} (all {len(predicates)})"] = Outcomes(
            CLASS_RATIO, by_predicate, classes=len(predicates)
        )
    return outcomes


def harmonic_mean(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """``2 a b / (a + b)``, 0 where both are 0."""
    total = np.asarray(a + b, dtype=np.float64)
    return np.divide(2 * a * b, total, out=np.zeros_like(total), where=total > 0)
