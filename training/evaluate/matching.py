"""Which predicted objects and triplets are which true ones."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from spacesgg_ros.graph.boxes import box_area, box_iou

Labelled = tuple[str, Sequence[float]]
"""A label and its box: pixels, ``x_min, y_min, x_max, y_max``."""

Triplet = tuple[Labelled, str, Labelled]

MIN_IOU = 0.5


def match_objects(
    predicted: Sequence[Labelled], truth: Sequence[Labelled], *, any_label: bool = False
) -> list[int | None]:
    """For every true object the index of the predicted one that found it, one to one.

    A pair needs IoU >= 0.5 and, unless ``any_label``, the same label. The pair that overlaps
    most is taken first, then the next among what is left.
    """
    found: list[int | None] = [None] * len(truth)
    if not predicted or not truth:
        return found
    overlap = _overlap(truth, predicted)
    if not any_label:
        names = np.array([label for label, _ in predicted], dtype=object)
        for row, (label, _) in zip(overlap, truth, strict=True):
            row[names != label] = 0.0
    taken: set[int] = set()
    for flat in np.argsort(-overlap, axis=None, kind="stable"):
        true, guess = divmod(int(flat), len(predicted))
        if overlap[true, guess] < MIN_IOU:
            break
        if found[true] is None and guess not in taken:
            found[true] = guess
            taken.add(guess)
    return found


def find_excused(
    predicted: Sequence[Labelled], truth: Sequence[Labelled], ignored: Sequence[Labelled]
) -> list[bool]:
    """Which predictions are neither right nor wrong because they mean an object not asked for.

    Such a prediction overlaps an ignored object by IoU >= 0.5 or has at least half of its own
    area inside one's box, whatever its label. One that lies on an object that *is* asked for
    (IoU >= 0.5) is never excused: a wrong name there is a mistake.
    """
    if not predicted or not ignored:
        return [False] * len(predicted)
    on_truth = (
        _overlap(predicted, truth).max(1) >= MIN_IOU if truth else np.zeros(len(predicted), bool)
    )
    meant = _overlap(predicted, ignored).max(1) >= MIN_IOU
    boxes, covers = (np.array([box for _, box in some], float) for some in (predicted, ignored))
    low = np.maximum(boxes[:, None, :2], covers[None, :, :2])
    high = np.minimum(boxes[:, None, 2:], covers[None, :, 2:])
    inside = np.prod(np.maximum(high - low, 0.0), axis=2).max(1)
    meant |= inside >= 0.5 * np.maximum(box_area(boxes), 1e-9)
    return [bool(excused) for excused in meant & ~on_truth]


def match_triplets(predicted: Sequence[Triplet], truth: Sequence[Triplet]) -> list[bool]:
    """For every true triplet whether a predicted one says the same.

    ASMv2's rule: same labels, same predicate, and both boxes at IoU >= 0.5.
    """
    by_words: dict[tuple[str, str, str], list[Triplet]] = defaultdict(list)
    for triplet in predicted:
        by_words[_words(triplet)].append(triplet)
    hits = []
    for wanted in truth:
        said = by_words.get(_words(wanted), [])
        hit = False
        if said:
            subjects = _overlap([wanted[0]], [s for s, _, _ in said])[0]
            objects = _overlap([wanted[2]], [o for _, _, o in said])[0]
            hit = bool(((subjects >= MIN_IOU) & (objects >= MIN_IOU)).any())
        hits.append(hit)
    return hits


def _words(triplet: Triplet) -> tuple[str, str, str]:
    return triplet[0][0], triplet[1], triplet[2][0]


def _overlap(a: Sequence[Labelled], b: Sequence[Labelled]) -> np.ndarray:
    return box_iou(np.array([box for _, box in a], float), np.array([box for _, box in b], float))
