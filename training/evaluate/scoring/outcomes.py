"""What each item got, and the number that a weighted set of items adds up to.

An item is what is drawn again in a bootstrap or belongs to such a group: a question, a sentence,
an image. A number is a function of the items' outcomes and of how often each is taken, so that
its interval, and the interval of a difference, follow from the result file alone.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

RATIO, CLASS_RATIO, BLEU, AVERAGE_PRECISION, AVERAGE_RECALL = KINDS = (
    "ratio",
    "class-ratio",
    "bleu",
    "average-precision",
    "average-recall",
)
_BLEU_COUNTS = 10
_MOST_CELLS = 1_000_000
_RECALL_POINTS = np.linspace(0, 1, 101)


class ScoreError(ValueError):
    """A file or value that cannot be scored: what was seen, what was expected, what to do."""


@dataclass(frozen=True)
class Outcomes:
    """The outcomes of one metric.

    Attributes:
        kind: how they add up. What an item holds:

            ``ratio``: ``[part, whole]``; the number is the sum of parts over the sum of wholes.
            Accuracy: ``[1 or 0, 1]``. Pooled recall: ``[found, true]``. Mean over images:
            ``[value of the image, 1]``.

            ``class-ratio``: ``{class: [part, whole]}``; the mean over classes of the ratio of
            each. Mean recall: ``{predicate: [found, true]}``. Macro F1: ``2 right`` over
            ``true + said``.

            ``bleu``: ``[matches of 1..4 words, totals of 1..4 words, words said, words of the
            closest reference]``, 10 integers; corpus BLEU-4 without smoothing.

            ``average-precision``, ``average-recall``: ``{class: {"true": n, "scores": [...],
            "hits": [[1, 0 or -1 a threshold] a prediction]}}``: right, wrong, or neither counted;
            COCO's 101-point AP, and AR.
        items: by item.
        classes: divisor of a mean over classes; 0: those that occur. OpenPSG's mean recall
            divides by all 56 predicates, whether they occur or not.
        thresholds: columns of ``hits`` that count; empty: all.
        top: at most so many predictions of a class and an item; 0: all. They stand best first.
    """

    kind: str
    items: Mapping[str, Any]
    classes: int = 0
    thresholds: tuple[int, ...] = ()
    top: int = 0

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ScoreError(f"outcomes are {', '.join(KINDS)}; got {self.kind!r}")

    def select(self, items: Sequence[str]) -> Outcomes:
        """The same metric of these items only, in this order."""
        kept = {item: self.items[item] for item in items}
        return Outcomes(self.kind, kept, self.classes, self.thresholds, self.top)

    def evaluate(self, weights: np.ndarray | None = None) -> np.ndarray:
        """``(draws,)``: the number for every row of ``weights``.

        Args:
            weights: ``(draws, items)``, how often each item counts; None: one row of ones.
        """
        if weights is None:
            weights = np.ones((1, len(self.items)))
        if not self.items:
            return np.zeros(len(weights))
        return _EVALUATE[self.kind](self, np.asarray(weights, dtype=np.float64))

    @property
    def is_binary(self) -> bool:
        """Every item is right or wrong, so that McNemar's test applies."""
        return self.kind == RATIO and all(
            whole == 1 and part in (0, 1) for part, whole in self.items.values()
        )

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        extra = {"classes": self.classes, "thresholds": list(self.thresholds), "top": self.top}
        return {"kind": self.kind, **{k: v for k, v in extra.items() if v}, "items": self.items}

    @staticmethod
    def from_dict(data: Mapping[str, Any]) -> Outcomes:
        """Inverse of :meth:`to_dict`.

        Raises:
            ScoreError: not one of these.
        """
        try:
            return Outcomes(
                data["kind"],
                data["items"],
                int(data.get("classes", 0)),
                tuple(int(k) for k in data.get("thresholds", ())),
                int(data.get("top", 0)),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise ScoreError(f"not the outcomes of a metric: {error!r}") from error


def f1_item(true: str, said: str) -> dict[str, list[int]]:
    """One answer's share in every label's F1, ``2 right / (true + said)``; for ``class-ratio``."""
    return {true: [2, 2]} if true == said else {true: [0, 1], said: [0, 1]}


def _ratio(outcomes: Outcomes, weights: np.ndarray) -> np.ndarray:
    parts, wholes = np.array(list(outcomes.items.values()), float).T
    return _divide(weights @ parts, weights @ wholes)


def _class_ratio(outcomes: Outcomes, weights: np.ndarray) -> np.ndarray:
    names = sorted({name for item in outcomes.items.values() for name in item})
    column = {name: k for k, name in enumerate(names)}
    sums = np.zeros((2, len(outcomes.items), len(names)))
    for row, item in enumerate(outcomes.items.values()):
        for name, (part, whole) in item.items():
            sums[:, row, column[name]] += part, whole
    parts, wholes = weights @ sums[0], weights @ sums[1]
    return _mean_of_present(_divide(parts, wholes), wholes > 0, outcomes.classes)


def _bleu(outcomes: Outcomes, weights: np.ndarray) -> np.ndarray:
    """Papineni et al. 2002: brevity penalty times the geometric mean of four precisions."""
    counts = np.array(list(outcomes.items.values()), float).reshape(-1, _BLEU_COUNTS)
    sums = weights @ counts
    precisions = _divide(sums[:, :4], sums[:, 4:8])
    said, reference = sums[:, 8], sums[:, 9]
    with np.errstate(divide="ignore"):
        mean = np.exp(np.log(precisions).mean(axis=1))
    penalty = np.exp(np.minimum(0.0, 1 - _divide(reference, said)))
    return np.where(said > 0, mean * penalty, 0.0)


def _average_precision(outcomes: Outcomes, weights: np.ndarray) -> np.ndarray:
    """Mean over classes and thresholds of precision at 101 recalls, as COCOeval has it."""
    total, present = np.zeros(len(weights)), np.zeros(len(weights))
    for rows, hits, true in _by_class(outcomes):
        count = weights @ true
        present += count > 0
        if not len(rows):
            continue
        draws = max(1, _MOST_CELLS // hits.size)
        for k in range(0, len(weights), draws):
            part = slice(k, k + draws)
            total[part] += _class_precision(weights[part][:, rows], hits, count[part])
    return _divide(total, present)


def _class_precision(taken: np.ndarray, hits: np.ndarray, count: np.ndarray) -> np.ndarray:
    """``(draws,)``: average precision of one class.

    A recall point has the best precision from where its recall is reached; so each prediction
    gets as many points as lie between the recall before it and its own.

    Args:
        taken: ``(draws, predictions)`` weights, best prediction first.
        hits: ``(predictions, thresholds)``.
        count: ``(draws,)`` true objects; 0 gives 0.
    """
    right = np.cumsum((hits > 0) * taken[:, :, None], axis=1)
    precision = _divide(right, np.cumsum((hits >= 0) * taken[:, :, None], axis=1))
    best = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
    recall = _divide(right, np.broadcast_to(count[:, None, None], right.shape))
    points = np.diff(np.searchsorted(_RECALL_POINTS, recall, side="right"), axis=1, prepend=0)
    means = (best * points).sum(axis=1).mean(axis=1) / len(_RECALL_POINTS)
    return np.where(count > 0, means, 0.0)


def _average_recall(outcomes: Outcomes, weights: np.ndarray) -> np.ndarray:
    total, present = np.zeros(len(weights)), np.zeros(len(weights))
    for rows, hits, true in _by_class(outcomes):
        count = weights @ true
        total += _divide((weights[:, rows] @ (hits > 0)).mean(axis=1), count)
        present += count > 0
    return _divide(total, present)


def _by_class(outcomes: Outcomes) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Of every class the item of each prediction, its hits, best first; and the true ones."""
    names = sorted({name for item in outcomes.items.values() for name in item})
    classes = []
    for name in names:
        rows, scores, hits = [], [], []
        true = np.zeros(len(outcomes.items))
        for row, item in enumerate(outcomes.items.values()):
            entry = item.get(name)
            if entry is None:
                continue
            true[row] = entry["true"]
            top = outcomes.top or len(entry["scores"])
            rows += [row] * len(entry["scores"][:top])
            scores += entry["scores"][:top]
            hits += entry["hits"][:top]
        order = np.argsort(-np.array(scores, float), kind="mergesort")
        columns = len(hits[0]) if hits else 1
        table = np.array(hits, float).reshape(-1, columns)[order]
        if outcomes.thresholds and hits:
            table = table[:, list(outcomes.thresholds)]
        classes.append((np.array(rows, int)[order], table, true))
    return classes


def _mean_of_present(ratios: np.ndarray, present: np.ndarray, classes: int) -> np.ndarray:
    divisor = np.full(len(ratios), classes) if classes else present.sum(axis=1)
    return _divide((ratios * present).sum(axis=1), divisor)


def _divide(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """0 where nothing is to be divided by."""
    return np.divide(part, whole, out=np.zeros(np.shape(part)), where=np.asarray(whole) > 0)


_EVALUATE = {
    RATIO: _ratio,
    CLASS_RATIO: _class_ratio,
    BLEU: _bleu,
    AVERAGE_PRECISION: _average_precision,
    AVERAGE_RECALL: _average_recall,
}


def mcnemar(a_only: int, b_only: int) -> float:
    """Exact two-sided p-value of McNemar's test (1947): a fair coin for every disagreement.

    Args:
        a_only, b_only: items that only the first, only the second got right.
    """
    n, fewer = a_only + b_only, min(a_only, b_only)
    if n == 0:
        return 1.0
    logs = [
        math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1) - n * math.log(2)
        for k in range(fewer + 1)
    ]
    return min(1.0, 2 * math.fsum(math.exp(log) for log in logs))
