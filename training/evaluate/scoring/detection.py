"""Boxes against a truth by COCO's rules (pycocotools): AP and AR, all and by class.

Boxes without a score (a text's) all have the same: AP then describes one operating point, not a
ranking.
"""

from __future__ import annotations

import contextlib
import io
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from spacesgg_ros.extras import require

from .boxes import ImageBoxes, LabelledBox
from .outcomes import AVERAGE_PRECISION, AVERAGE_RECALL, Outcomes
from .result import ScoreResult, make_result

PROTOCOL = "detection"
EXTRA = "coco"
THRESHOLDS = tuple(round(0.5 + 0.05 * k, 2) for k in range(10))
MOST_DETECTIONS = 100
AP, AP50, AP75, AR, AR50 = "AP", "AP50", "AP75", "AR", "AR50"


def score_detection(
    truth: Sequence[ImageBoxes],
    predicted: Sequence[ImageBoxes],
    *,
    name: str,
    train: Sequence[ImageBoxes] | None = None,
    settings: Mapping[str, Any] | None = None,
) -> ScoreResult:
    """COCO's AP, AP50, AP75, AR (100 a class and image) and AR50, and per class.

    Predictions for images that the truth does not have are left out and counted. Baseline with
    ``train``: ``frequent boxes``, the same list for every image: each label of training at its
    mean box, scored by how many of it an image has.

    Raises:
        MissingExtraError: the extra ``coco`` is not installed.
    """
    known = {image.id for image in truth}
    labels = sorted({box.label for image in truth for box in image.boxes})
    items, details = match_boxes(truth, predicted, labels)
    baseline = {}
    if train:
        listed = list_frequent_boxes(train, truth)
        baseline["frequent boxes"] = _metrics(match_boxes(truth, listed, labels)[0])
    everything = [box for image in predicted if image.id in known for box in image.boxes]
    details |= {
        "images": len(truth),
        "images without prediction": len(known - {image.id for image in predicted}),
        "predictions for unknown images": sum(
            len(image.boxes) for image in predicted if image.id not in known
        ),
        "predictions": len(everything),
        "predictions of unknown labels": sum(box.label not in labels for box in everything),
    }
    return make_result(
        name,
        PROTOCOL,
        _metrics(items),
        groups={image.id: image.group or image.id for image in truth},
        baseline=baseline,
        settings=settings,
        details=details,
    )


def match_boxes(
    truth: Sequence[ImageBoxes], predicted: Sequence[ImageBoxes], labels: Sequence[str]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Match by pycocotools; what every image got (see ``Outcomes``), and COCO's own numbers."""
    coco = require("pycocotools.coco", EXTRA)
    cocoeval = require("pycocotools.cocoeval", EXTRA)
    with contextlib.redirect_stdout(io.StringIO()):
        true = coco.COCO()
        true.dataset = _as_coco(truth, labels)
        true.createIndex()
        results = _as_results(truth, predicted, labels)
        guessed = true.loadRes(results) if results else coco.COCO()
        if not results:
            guessed.dataset = {**true.dataset, "annotations": []}
            guessed.createIndex()
        evaluation = cocoeval.COCOeval(true, guessed, "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return _outcomes(evaluation, truth, labels), _coco_details(evaluation, truth, labels)


def list_frequent_boxes(
    train: Sequence[ImageBoxes], images: Iterable[ImageBoxes]
) -> list[ImageBoxes]:
    """For every image the labels of training, each at its mean box (in shares of the picture)."""
    boxes: dict[str, list[np.ndarray]] = defaultdict(list)
    for image in train:
        for box in image.boxes:
            if not box.crowd and image.width and image.height:
                size = np.array([image.width, image.height] * 2)
                boxes[box.label].append(np.array(box.box_px) / size)
    most = sorted(boxes, key=lambda label: (-len(boxes[label]), label))[:MOST_DETECTIONS]
    listed = []
    for image in images:
        size = np.array([image.width, image.height] * 2)
        those = []
        for label in most:
            x0, y0, x1, y1 = (np.mean(boxes[label], axis=0) * size).tolist()
            those.append(LabelledBox(label, (x0, y0, x1, y1), len(boxes[label]) / len(train)))
        listed.append(ImageBoxes(image.id, tuple(those)))
    return listed


def _metrics(items: Mapping[str, Any]) -> dict[str, Outcomes]:
    at = {0.5: (THRESHOLDS.index(0.5),), 0.75: (THRESHOLDS.index(0.75),)}
    return {
        AP: Outcomes(AVERAGE_PRECISION, items),
        AP50: Outcomes(AVERAGE_PRECISION, items, thresholds=at[0.5]),
        AP75: Outcomes(AVERAGE_PRECISION, items, thresholds=at[0.75]),
        AR: Outcomes(AVERAGE_RECALL, items),
        AR50: Outcomes(AVERAGE_RECALL, items, thresholds=at[0.5]),
    }


def _xywh(box: LabelledBox) -> list[float]:
    x0, y0, x1, y1 = box.box_px
    return [x0, y0, x1 - x0, y1 - y0]


def _as_coco(truth: Sequence[ImageBoxes], labels: Sequence[str]) -> dict[str, Any]:
    number = {label: k for k, label in enumerate(labels, 1)}
    notes: list[dict[str, Any]] = []
    for k, image in enumerate(truth, 1):
        for box in image.boxes:
            xywh = _xywh(box)
            notes.append(
                {
                    "id": len(notes) + 1,
                    "image_id": k,
                    "category_id": number[box.label],
                    "bbox": xywh,
                    "area": box.area or xywh[2] * xywh[3],
                    "iscrowd": int(box.crowd),
                }
            )
    return {
        "info": {},
        "images": [{"id": k} for k in range(1, len(truth) + 1)],
        "categories": [{"id": k, "name": label} for label, k in number.items()],
        "annotations": notes,
    }


def _as_results(
    truth: Sequence[ImageBoxes], predicted: Sequence[ImageBoxes], labels: Sequence[str]
) -> list[dict[str, Any]]:
    number = {label: k for k, label in enumerate(labels, 1)}
    index = {image.id: k for k, image in enumerate(truth, 1)}
    return [
        {
            "image_id": index[image.id],
            "category_id": number[box.label],
            "bbox": _xywh(box),
            "score": box.score,
        }
        for image in predicted
        if image.id in index
        for box in image.boxes
        if box.label in number
    ]


def _outcomes(evaluation: Any, truth: Sequence[ImageBoxes], labels: Sequence[str]) -> dict:
    """Per image and class from COCOeval's matches: all sizes, at most 100 detections."""
    items: dict[str, Any] = {image.id: {} for image in truth}
    images, areas = len(truth), len(evaluation.params.areaRng)
    for c, label in enumerate(labels):
        for k, image in enumerate(truth):
            entry = evaluation.evalImgs[c * areas * images + k]
            if entry is None:
                continue
            counted = ~np.asarray(entry["dtIgnore"], bool)
            # An ignored detection matched a crowd; it is so at some thresholds only, and there
            # counts neither way. Stored as -1.
            hits = np.where(counted, np.asarray(entry["dtMatches"]) > 0, -1).astype(int)
            true = int((np.asarray(entry["gtIgnore"]) == 0).sum())
            scores = [round(float(s), 6) for s in entry["dtScores"]]
            if true or scores:
                items[image.id][label] = {"true": true, "scores": scores, "hits": hits.T.tolist()}
    return items


def _coco_details(evaluation: Any, truth: Sequence[ImageBoxes], labels: Sequence[str]) -> dict:
    stats = [round(float(v), 4) for v in evaluation.stats]
    precision = evaluation.eval["precision"][:, :, :, 0, -1]  # threshold, recall, class
    recall = evaluation.eval["recall"][:, :, 0, -1]
    counts = Counter(b.label for image in truth for b in image.boxes if not b.crowd)
    rows = {
        label: {
            "true": counts[label],
            AP: _mean(precision[:, :, c]),
            AP50: _mean(precision[0, :, c]),
            AR: _mean(recall[:, c]),
            AR50: _mean(recall[:1, c]),
        }
        for c, label in enumerate(labels)
        if counts[label]
    }
    curves = {
        f"{threshold:.2f}": [_mean(column) for column in precision[THRESHOLDS.index(threshold)]]
        for threshold in (0.5, 0.75)
    }
    by_size = dict(
        zip(("small", "medium", "large"), zip(stats[3:6], stats[9:12], strict=True), strict=True)
    )
    return {
        "by_class": rows,
        "by_size": {k: {AP: ap, AR: ar} for k, (ap, ar) in by_size.items()},
        "coco_stats": stats,
        "precision_at_recall": curves,
    }


def _mean(values: np.ndarray) -> float:
    """Of what is defined (COCOeval writes -1 elsewhere); -1 if nothing is."""
    defined = values[values > -1]
    return round(float(defined.mean()), 4) if defined.size else -1.0
