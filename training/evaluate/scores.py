"""What one frame's graph got right, and what many frames add up to.

Three readings of "triplets", all by ASMv2's rule (:func:`.matching.match_triplets`):

- ``text``: the model's text against the relations that the training text would say;
- ``text_and_depth``: text and what the node measures, against the same relations;
- ``every_relation``: the same against every unambiguous relation that holds.

The node reports a pair once and its queries answer the inverse too, so the inverse of what it
reports counts as said.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

import numpy as np

from spacesgg_ros.graph import INVERSES

from .facts import ignored_objects, scene_of, true_objects, true_triplets
from .intervals import bootstrap, wilson
from .matching import Labelled, Triplet, find_excused, match_objects, match_triplets

RIGHT, WRONG, EXCUSED = "right", "wrong", "excused"
SIZES: tuple[tuple[str, float, float], ...] = (
    ("< 25 px", 0.0, 25.0),
    ("25-50 px", 25.0, 50.0),
    ("50-100 px", 50.0, 100.0),
    ("> 100 px", 100.0, float("inf")),
)
"""Classes of an object's size: square root of its box's area in a 320-pixel-wide picture."""

_REFERENCE_WIDTH = 320
TRIPLETS = ("text", "text_and_depth", "every_relation")


@dataclass(frozen=True)
class TrueObject:
    """A true object. ``called``: the wrong label of a prediction on it, None: found or missed."""

    label: str
    box: tuple[float, float, float, float]
    side_px: float
    found: bool
    located: bool
    called: str | None


@dataclass(frozen=True)
class Prediction:
    """A predicted object. ``verdict``: right, wrong or excused; ``placed``: on some object."""

    label: str
    box: tuple[float, float, float, float]
    verdict: str
    placed: bool


@dataclass(frozen=True)
class TripletScore:
    """``wanted``: predicate of every true triplet and whether it was said."""

    wanted: tuple[tuple[str, bool], ...]


@dataclass(frozen=True)
class FrameScore:
    """One frame. ``holds``/``judged``: of the text's triplets, those that are true / decidable."""

    key: str
    objects: tuple[TrueObject, ...]
    predictions: tuple[Prediction, ...]
    triplets: dict[str, TripletScore]
    holds: int
    judged: int
    valid: bool = True
    tokens: int = 0
    milliseconds: float = 0.0

    @property
    def scene(self) -> str:
        """Which scene the frame is a view of."""
        return scene_of(self.key)


def score_frame(
    record: dict,
    predicted: Sequence[Labelled],
    said: Sequence[tuple[int, str, int]] = (),
    measured: Sequence[Triplet] = (),
    *,
    valid: bool = True,
    tokens: int = 0,
    milliseconds: float = 0.0,
) -> FrameScore:
    """Compare one graph with the truth.

    Args:
        record: a frame record of :mod:`spacesgg_ros.training.scenes.dataset`.
        predicted: the text's objects, boxes in pixels.
        said: the text's relations, indices into ``predicted``.
        measured: what the node reports of this frame.
    """
    truth = true_objects(record)
    ignored = ignored_objects(record)
    found = match_objects(predicted, truth)
    located = match_objects(predicted, truth, any_label=True)
    right = {guess for guess in found if guess is not None}
    placed = {guess for guess in located if guess is not None}
    excused = find_excused(predicted, truth, ignored)
    called = _misnamed(predicted, truth, found)
    scale = _REFERENCE_WIDTH / record["width"]
    objects = tuple(
        TrueObject(
            label, box, _side(box) * scale, found[i] is not None, located[i] is not None, called[i]
        )
        for i, (label, box) in enumerate(truth)
    )
    predictions = tuple(
        Prediction(
            label,
            (float(box[0]), float(box[1]), float(box[2]), float(box[3])),
            RIGHT if k in right else EXCUSED if excused[k] else WRONG,
            k in placed,
        )
        for k, (label, box) in enumerate(predicted)
    )
    text = [(predicted[s], p, predicted[o]) for s, p, o in said]
    with_depth = [*text, *measured]
    with_depth += [(o, INVERSES[p], s) for s, p, o in measured if p in INVERSES]
    wanted, every = true_triplets(record)
    holds, judged = _judge(record, found, excused, said, text, every)
    return FrameScore(
        str(record["key"]),
        objects,
        predictions,
        {
            "text": _score(text, wanted),
            "text_and_depth": _score(with_depth, wanted),
            "every_relation": _score(with_depth, every),
        },
        holds,
        judged,
        valid,
        tokens,
        milliseconds,
    )


def summarise(scores: Sequence[FrameScore]) -> dict:
    """Recall and precision with intervals, by class, size and predicate, in plain types."""
    groups = [score.scene for score in scores]
    return {
        "frames": len(scores),
        "scenes": len(set(groups)),
        "objects": _summarise_objects(scores, groups),
        "boxes": _summarise_boxes(scores, groups),
        "triplets": {name: _summarise_triplets(scores, name, groups) for name in TRIPLETS},
        "said_and_true": ratio(
            [score.holds for score in scores], [score.judged for score in scores], groups
        ),
        "valid_output": ratio([score.valid for score in scores], [1] * len(scores), groups),
        "tokens_a_frame": _median(score.tokens for score in scores),
        "milliseconds_a_frame": _median(score.milliseconds for score in scores),
        "by_size": _by_size(scores),
        "by_class": _by_class(scores),
        "confusions": _confusions(scores),
    }


def ratio(parts: Sequence[float], wholes: Sequence[float], groups: Sequence[str]) -> dict:
    """A proportion with its counts and both 95 % intervals."""
    part, whole = int(sum(parts)), int(sum(wholes))
    return {
        "value": round(part / whole, 4) if whole else 0.0,
        "of": whole,
        "wilson_95": wilson(part, whole),
        "scenes_95": bootstrap(np.array(parts), np.array(wholes), groups),
    }


def _summarise_objects(scores: Sequence[FrameScore], groups: Sequence[str]) -> dict:
    right = [sum(o.found for o in score.objects) for score in scores]
    return {
        "recall": ratio(right, [len(score.objects) for score in scores], groups),
        "precision": ratio(right, [_asked(score) for score in scores], groups),
        "mean_recall": _mean_recall(
            [[(o.label, o.found) for o in score.objects] for score in scores], groups
        ),
        "excused_predictions": sum(len(score.predictions) - _asked(score) for score in scores),
    }


def _summarise_boxes(scores: Sequence[FrameScore], groups: Sequence[str]) -> dict:
    located = [sum(o.located for o in score.objects) for score in scores]
    return {
        "recall": ratio(located, [len(score.objects) for score in scores], groups),
        "precision": ratio(located, [_asked(score) for score in scores], groups),
    }


def _summarise_triplets(scores: Sequence[FrameScore], name: str, groups: Sequence[str]) -> dict:
    rows = [score.triplets[name].wanted for score in scores]
    hits: Counter[str] = Counter(p for row in rows for p, hit in row if hit)
    totals: Counter[str] = Counter(p for row in rows for p, _ in row)
    return {
        "recall": ratio(
            [sum(hit for _, hit in row) for row in rows], [len(row) for row in rows], groups
        ),
        "mean_recall": _mean_recall(rows, groups),
        "by_predicate": {p: [hits[p], totals[p]] for p in sorted(totals)},
    }


def _mean_recall(rows: Sequence[Sequence[tuple[str, bool]]], groups: Sequence[str]) -> dict:
    """Mean over names of the recall of each, with the interval over scenes."""
    names = sorted({name for row in rows for name, _ in row})
    column = {name: k for k, name in enumerate(names)}
    hits, totals = np.zeros((len(rows), len(names))), np.zeros((len(rows), len(names)))
    for line, row in enumerate(rows):
        for name, hit in row:
            hits[line, column[name]] += hit
            totals[line, column[name]] += 1
    if not names:
        return {"value": 0.0, "of": 0, "scenes_95": [0.0, 1.0]}
    return {
        "value": round(float((hits.sum(0) / totals.sum(0)).mean()), 4),
        "of": len(names),
        "scenes_95": bootstrap(hits, totals, groups),
    }


def _by_size(scores: Sequence[FrameScore]) -> list[dict]:
    rows = []
    for name, low, high in SIZES:
        those = [o for score in scores for o in score.objects if low <= o.side_px < high]
        found, located = sum(o.found for o in those), sum(o.located for o in those)
        rows.append(
            {
                "size": name,
                "objects": len(those),
                "recall": round(found / max(1, len(those)), 4),
                "wilson_95": wilson(found, len(those)),
                "boxes": round(located / max(1, len(those)), 4),
            }
        )
    return rows


def _by_class(scores: Sequence[FrameScore]) -> dict[str, dict]:
    true: Counter[str] = Counter()
    found: Counter[str] = Counter()
    located: Counter[str] = Counter()
    asked: Counter[str] = Counter()
    for score in scores:
        for o in score.objects:
            true[o.label] += 1
            found[o.label] += o.found
            located[o.label] += o.located
        asked.update(p.label for p in score.predictions if p.verdict != EXCUSED)
    return {
        label: {
            "true": true[label],
            "found": found[label],
            "located": located[label],
            "predicted": asked[label],
        }
        for label in sorted(true.keys() | asked.keys())
    }


def _confusions(scores: Sequence[FrameScore], most: int = 20) -> list[list]:
    pairs = Counter(
        (o.label, o.called) for score in scores for o in score.objects if o.called is not None
    )
    return [[true, called, count] for (true, called), count in pairs.most_common(most)]


def _asked(score: FrameScore) -> int:
    return sum(p.verdict != EXCUSED for p in score.predictions)


def _misnamed(
    predicted: Sequence[Labelled], truth: Sequence[Labelled], found: Sequence[int | None]
) -> list[str | None]:
    """For each true object that was not found the label of a spare prediction on it."""
    taken = set(found)
    spare = [p for k, p in enumerate(predicted) if k not in taken]
    missed = [i for i, guess in enumerate(found) if guess is None]
    called: list[str | None] = [None] * len(truth)
    matches = match_objects(spare, [truth[i] for i in missed], any_label=True)
    for i, guess in zip(missed, matches, strict=True):
        if guess is not None:
            called[i] = spare[guess][0]
    return called


def _judge(
    record: dict,
    found: Sequence[int | None],
    excused: Sequence[bool],
    said: Sequence[tuple[int, str, int]],
    text: Sequence[Triplet],
    every: Sequence[Triplet],
) -> tuple[int, int]:
    """How many of the text's triplets hold, of those that can be judged.

    Not judged: one about an excused object, or about a pair that the truth calls ambiguous.
    """
    implied = [(o, INVERSES[p], s) for s, p, o in every if p in INVERSES]
    hold = match_triplets([*every, *implied], text)
    index = {
        guess: record["objects"][i]["index"] for i, guess in enumerate(found) if guess is not None
    }
    ambiguous = {frozenset(pair) for pair in record.get("ambiguous", ())}
    judged = [
        true
        or not (
            excused[s]
            or excused[o]
            or (s in index and o in index and frozenset((index[s], index[o])) in ambiguous)
        )
        for (s, _, o), true in zip(said, hold, strict=True)
    ]
    return sum(hold), sum(judged)


def _score(predicted: Sequence[Triplet], truth: Sequence[Triplet]) -> TripletScore:
    hits = match_triplets(predicted, truth)
    return TripletScore(tuple((p, hit) for (_, p, _), hit in zip(truth, hits, strict=True)))


def _side(box: Sequence[float]) -> float:
    return float(np.sqrt(max(0.0, box[2] - box[0]) * max(0.0, box[3] - box[1])))


def _median(values) -> float:  # type: ignore[no-untyped-def]
    numbers = list(values)
    return round(float(median(numbers)), 1) if numbers else 0.0
