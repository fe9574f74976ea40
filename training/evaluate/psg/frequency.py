"""The pixel-free baseline: what the labels of two objects say of their relation.

A table of how often training annotations relate two labels by each predicate. It sees the true
labels and boxes and no picture, and is printed next to every result: recall that does not exceed
it shows no vision (on PSG such a table beats trained models in micro recall).
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from copy import copy
from pathlib import Path

from spacesgg_ros.cli.console import InputError
from spacesgg_ros.graph import encode_box
from spacesgg_ros.graph.text import format_object, format_relation

from .labels import base_name
from .openpsg import LabelledObjects, Relation
from .predcls import PairAnswer, PairQuestion
from .records import Answer, Question

LabelTriplet = tuple[str, str, str]
"""Label of the subject, predicate, label of the object."""


class Frequencies:
    """Counts of training annotations; labels by base name.

    Args:
        triplets: (subject, predicate, object) to how often.
    """

    def __init__(self, triplets: Mapping[LabelTriplet, int]) -> None:
        self.triplets = {triplet: count for triplet, count in triplets.items() if count > 0}
        self._pairs: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
        self._overall: Counter[str] = Counter()
        self._taken: Counter[LabelTriplet] = Counter()
        for (subject, predicate, target), count in self.triplets.items():
            self._pairs[subject, target][predicate] += count
            self._overall[predicate] += count

    def rank(self, subject: str, target: str) -> list[tuple[str, float]]:
        """Predicates with probability, most frequent first; ties by name.

        One annotation's worth of the overall distribution is added to what was counted of the
        pair: ``(n(s, p, o) + n(p) / n) / (n(s, o) + 1)``. For a pair never seen that is the
        overall distribution.
        """
        seen = self._count_pair(base_name(subject), base_name(target))
        overall = self._overall
        if self._taken:
            overall = overall.copy()
            for (_, predicate, _), count in self._taken.items():
                overall[predicate] -= count
        total, pair_total = sum(overall.values()), sum(seen.values())
        scores = [
            (name, (seen[name] + count / total) / (pair_total + 1))
            for name, count in overall.items()
            if count > 0
        ]
        return sorted(scores, key=lambda item: (-item[1], item[0]))

    def has_pair(self, subject: str, target: str) -> bool:
        """Whether training relates these two labels at all, in this order."""
        return any(self._count_pair(base_name(subject), base_name(target)).values())

    def without(self, triplets: Iterable[LabelTriplet]) -> Frequencies:
        """The counts less these: for judging an image by all the others."""
        other = copy(self)
        other._taken = self._taken + Counter(triplets)
        return other

    def _count_pair(self, subject: str, target: str) -> Counter[str]:
        seen = self._pairs.get((subject, target), Counter())
        if not self._taken:
            return seen
        return Counter({p: n - self._taken[subject, p, target] for p, n in seen.items()})


def count_triplets(triplets: Iterable[LabelTriplet]) -> Frequencies:
    """A table of these annotations."""
    return Frequencies(Counter((base_name(s), p, base_name(o)) for s, p, o in triplets))


def question_triplets(question: Question) -> list[LabelTriplet]:
    """The true relations of a question by base names."""
    return [(base_name(t.subject), t.predicate, base_name(t.object)) for t in question.tuples]


def answer_question(question: Question, table: Frequencies) -> Answer:
    """The true objects, and the most frequent predicate of every pair that training relates."""
    things = list(
        dict.fromkeys(
            pair
            for t in question.tuples
            for pair in ((t.subject, t.subject_box), (t.object, t.object_box))
        )
    )
    boxes = [encode_box(box, question.width, question.height) for _, box in things]
    lines = [
        format_object(base_name(label), box) for (label, _), box in zip(things, boxes, strict=True)
    ]
    for i, (subject, _) in enumerate(things):
        for j, (target, _) in enumerate(things):
            if i != j and table.has_pair(subject, target):
                lines.append(format_relation(table.rank(subject, target)[0][0], boxes[i], boxes[j]))
    return Answer(question.id, "\n".join(lines))


def answer_questions(
    questions: Sequence[Question], table: Frequencies | None = None
) -> list[Answer]:
    """Of every question. None: an image is judged by what all other images say."""
    if table is not None:
        return [answer_question(question, table) for question in questions]
    everything = count_triplets(t for q in questions for t in question_triplets(q))
    return [answer_question(q, everything.without(question_triplets(q))) for q in questions]


def score_pairs(
    questions: Sequence[PairQuestion], table: Frequencies | None = None
) -> list[PairAnswer]:
    """Every predicate's probability for every pair. None: by all other images."""
    by_image: dict[str, list[PairQuestion]] = {}
    for question in questions:
        by_image.setdefault(question.image, []).append(question)
    everything = table or count_triplets(t for q in questions for t in _pair_triplets(q))
    answers = []
    for those in by_image.values():
        own = [t for q in those for t in _pair_triplets(q)]
        used = table or everything.without(own)
        for question in those:
            ranked = used.rank(question.subject, question.object)
            names, scores = zip(*ranked, strict=True) if ranked else ((), ())
            answers.append(PairAnswer(question.id, tuple(names), tuple(scores)))
    return answers


def _pair_triplets(question: PairQuestion) -> list[LabelTriplet]:
    subject, target = base_name(question.subject), base_name(question.object)
    return [(subject, predicate, target) for predicate in question.correct]


def image_triplets(image: LabelledObjects) -> list[LabelTriplet]:
    """The relations of an image by base names."""
    return [
        (base_name(image.labels[s]), predicate, base_name(image.labels[o]))
        for s, predicate, o in image.relations
    ]


def relate_objects(
    images: Sequence[LabelledObjects], table: Frequencies | None = None, limit: int = 100
) -> dict[str, LabelledObjects]:
    """The true objects with every (pair, predicate) by probability. None: by all other images."""
    everything = table or count_triplets(t for i in images for t in image_triplets(i))
    related = {}
    for image in images:
        used = table or everything.without(image_triplets(image))
        ranked: list[tuple[float, Relation]] = []
        for i, subject in enumerate(image.labels):
            for j, target in enumerate(image.labels):
                if i != j and used.has_pair(subject, target):
                    ranked += [(p, (i, name, j)) for name, p in used.rank(subject, target)]
        ranked.sort(key=lambda item: -item[0])
        # The graph constraint comes later and needs the best of every pair beyond the limit.
        kept = _cut(ranked, limit)
        related[image.image] = LabelledObjects(
            image.image, image.labels, image.boxes, kept, image.masks
        )
    return related


def _cut(ranked: Sequence[tuple[float, Relation]], limit: int) -> tuple[Relation, ...]:
    """The first ``limit`` relations, and the first of every pair."""
    pairs: set[tuple[int, int]] = set()
    kept = []
    for place, (_, relation) in enumerate(ranked):
        pair = (relation[0], relation[2])
        if place < limit or pair not in pairs:
            kept.append(relation)
        pairs.add(pair)
    return tuple(kept)


def save_frequencies(table: Frequencies, path: Path) -> None:
    """``[subject, predicate, object, count]`` a row, sorted."""
    rows = sorted([*triplet, count] for triplet, count in table.triplets.items())
    lines = ",\n ".join(json.dumps(row, ensure_ascii=False) for row in rows)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"[{lines}]\n", encoding="utf-8")


def load_frequencies(path: Path) -> Frequencies:
    """What :func:`save_frequencies` wrote.

    Raises:
        InputError: not such a file.
    """
    try:
        rows = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(rows, list) or not rows:
            raise ValueError("no list of [subject, predicate, object, count]")
        return Frequencies({(str(s), str(p), str(o)): int(n) for s, p, o, n in rows})
    except (OSError, ValueError, TypeError, RecursionError) as error:
        raise InputError(
            f"{path} is no table of frequencies ({error}); `spacesgg score psg-frequency` makes one"
        ) from error
