"""What can be said of a frame without looking at it: the baseline of every number.

Learnt from the records of training frames, never from a picture:

objects
    every frame gets the same list: the most frequent labels of training, as many as a training
    frame has objects (mean, rounded), each at the mean of its boxes in training.
triplets
    given the TRUE objects and boxes of a frame (PredCls), every ordered pair of them gets the
    relation that the training text says most often of these two labels; a pair of labels that
    training never related gets none. Without them: the same of the listed objects above.
vsd-classify
    the relation that training questions have most often between the two names; where the two
    never met, the most frequent relation of all (the majority answer).
"""

from __future__ import annotations

import itertools
import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from spacesgg_ros.graph import VSD_LABELS

from .facts import relation_questions, true_objects, true_triplets
from .matching import Labelled
from .scores import FrameScore, score_frame

PairTable = dict[tuple[str, str], str]
"""The most frequent relation of a subject's label to an object's."""

FILE_NAME = "priors.json"
_NONE = "."
_CODES = "abcdefghijklmnopqrstuvwxyz"


@dataclass(frozen=True)
class Priors:
    """Frequencies of training. ``boxes`` are shares of width and height, labels by frequency."""

    frames: int
    objects_a_frame: float
    boxes: dict[str, tuple[float, float, float, float]]
    said: PairTable
    answers: PairTable
    majority: str

    def list_objects(self, width: int, height: int) -> list[Labelled]:
        """The same objects for every picture of this size."""
        most = itertools.islice(self.boxes.items(), round(self.objects_a_frame))
        return [(label, tuple(np.array(box) * ((width, height) * 2))) for label, box in most]

    def relate(self, objects: Sequence[Labelled]) -> list[tuple[int, str, int]]:
        """What the training text says most of each ordered pair; indices into ``objects``."""
        return [
            (s, self.said[a, b], o)
            for (s, (a, _)), (o, (b, _)) in itertools.permutations(enumerate(objects), 2)
            if (a, b) in self.said
        ]

    def answer(self, subject: str, target: str) -> str:
        """The answer to a classification question by its two names."""
        return self.answers.get((subject, target), self.majority)

    def score(self, record: dict) -> tuple[FrameScore, FrameScore]:
        """A frame scored with listed objects, and with the true objects given."""
        listed = self.list_objects(record["width"], record["height"])
        given = true_objects(record)
        return (
            score_frame(record, listed, self.relate(listed)),
            score_frame(record, given, self.relate(given)),
        )


def learn_priors(records: Iterable[dict]) -> Priors:
    """Count what training frames hold.

    Raises:
        ValueError: no frame at all.
    """
    frames = 0
    counts: Counter[str] = Counter()
    sums: dict[str, np.ndarray] = defaultdict(lambda: np.zeros(4))
    said: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    answers: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    for record in records:
        frames += 1
        size = np.array([record["width"], record["height"]] * 2, float)
        for o in record["objects"]:
            counts[o["label"]] += 1
            sums[o["label"]] += np.array(o["box_px"]) / size
        for (subject, _), predicate, (target, _) in true_triplets(record)[0]:
            said[subject, target][predicate] += 1
        for subject, predicate, target in relation_questions(record):
            answers[subject, target][predicate] += 1
    if not frames:
        raise ValueError("no training frame to learn from")
    total = sum(answers.values(), Counter[str]())
    return Priors(
        frames,
        round(sum(counts.values()) / frames, 3),
        {label: tuple(np.round(sums[label] / n, 4).tolist()) for label, n in counts.most_common()},
        _most_frequent(said),
        _most_frequent(answers),
        _first(total) if total else VSD_LABELS[0],
    )


def save_priors(priors: Priors, path: Path) -> None:
    """Write ``path`` as JSON: tables as one letter a pair, one row a subject's label."""
    relations = sorted({*priors.said.values(), *priors.answers.values()})
    code = dict(zip(relations, _CODES, strict=False))
    labels = list(priors.boxes)

    def rows(table: Mapping[tuple[str, str], str]) -> list[str]:
        return [
            "".join(code[table[a, b]] if (a, b) in table else _NONE for b in labels) for a in labels
        ]

    content = {
        "frames": priors.frames,
        "objects_a_frame": priors.objects_a_frame,
        "majority": priors.majority,
        "boxes": priors.boxes,
        "relations": {letter: relation for relation, letter in code.items()},
        "said": rows(priors.said),
        "answers": rows(priors.answers),
    }
    path.write_text(json.dumps(content, indent=0) + "\n")


def load_priors(path: Path) -> Priors:
    """Read what :func:`save_priors` wrote.

    Raises:
        OSError, ValueError, KeyError: no such file, or not one of these.
    """
    content = json.loads(path.read_text())
    labels = list(content["boxes"])

    def table(rows: Sequence[str]) -> PairTable:
        return {
            (a, b): content["relations"][letter]
            for a, row in zip(labels, rows, strict=True)
            for b, letter in zip(labels, row, strict=True)
            if letter != _NONE
        }

    return Priors(
        content["frames"],
        content["objects_a_frame"],
        {label: tuple(box) for label, box in content["boxes"].items()},
        table(content["said"]),
        table(content["answers"]),
        content["majority"],
    )


def _most_frequent(counts: Mapping[tuple[str, str], Counter[str]]) -> PairTable:
    return {pair: _first(counter) for pair, counter in counts.items()}


def _first(counter: Counter[str]) -> str:
    """The most frequent; of equals the first by name, so that no order of reading matters."""
    return min(counter, key=lambda name: (-counter[name], name))
