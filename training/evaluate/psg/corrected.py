"""The open-ended protocol with its defects corrected; always printed beside the published one.

| published | here |
|---|---|
| every single word of a name is a label | the longest known names inside it: "stop sign" |
| "table" means *dining table* only | a word means every class that it names |
| equal by the model's lemma of the word | equal by the word itself or by its lemma |
| predicates equal to the letter | upper case, underscores and spaces do not count |
| no answer: left out | no answer: nothing found |
| a second answer counts again | the first answer counts |
| a relation annotated twice counts twice | it counts once |
| one word, one tuple | one pair of boxes with one predicate, one tuple |

As published: IoU >= 0.5 of both boxes, no ranking, no limit on relations. ``one_to_one`` forbids
that one prediction finds several true relations.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from spacesgg_ros.graph import decode_box, parse_graph
from spacesgg_ros.graph.boxes import box_iou

from .asmv2 import MIN_IOU, read_caption
from .labels import base_name
from .lemmas import Lemmatiser
from .outcome import ImageOutcome
from .records import Answer, Question, TrueTuple
from .synonyms import group_by_class

_LONGEST_NAME = 4
"""Words of the longest name that is looked for inside another."""


@dataclass
class Vocabulary:
    """Which classes a name can mean.

    Names are compared without the spaces between their words, so that "playing field" is
    PSG's *playingfield*, once as they stand and once by lemma.

    Args:
        synonyms: word to class (:func:`.synonyms.read_synonyms`).
        classes: base names of the true labels; each means itself.
    """

    synonyms: Mapping[str, str]
    classes: Iterable[str]
    lemmatiser: Lemmatiser
    _meanings: dict[str, set[str]] = field(default_factory=dict, init=False)
    _known: dict[str, frozenset[str]] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        for class_name, words in group_by_class(self.synonyms).items():
            for word in {class_name, *words}:
                self._add(word, class_name)
        for class_name in self.classes:
            self._add(class_name, class_name)

    def _add(self, word: str, class_name: str) -> None:
        for key in (_join(word.split()), _join(self.lemmatiser.lemmas(word))):
            if key:
                self._meanings.setdefault(key, set()).add(class_name)

    def find_classes(self, name: str) -> frozenset[str]:
        """The classes that the known names inside ``name`` mean, the longest names first."""
        if name not in self._known:
            self._known[name] = frozenset(self._search(name))
        return self._known[name]

    def _search(self, name: str) -> set[str]:
        words = name.replace("_", " ").replace("-", " ").split()
        lemmas = [_join(self.lemmatiser.lemmas(word)) for word in words]
        found: set[str] = set()
        at = 0
        while at < len(words):
            for end in range(min(len(words), at + _LONGEST_NAME), at, -1):
                keys = (_join(words[at:end]), _join([*words[at : end - 1], lemmas[end - 1]]))
                meant = self._meanings.get(keys[0]) or self._meanings.get(keys[1])
                if meant:
                    found |= meant
                    at = end
                    break
            else:
                at += 1
        return found


def _join(words: Iterable[str]) -> str:
    return "".join(c for word in words for c in word.lower() if c.isalnum())


def plain_predicate(predicate: str) -> str:
    """Lower case, single spaces."""
    return " ".join(predicate.lower().replace("_", " ").split())


def score_answer(
    question: Question, text: str | None, vocabulary: Vocabulary, one_to_one: bool = False
) -> ImageOutcome:
    """One answer by the corrected rules; None: there is none, and nothing is found."""
    truth = list(dict.fromkeys(question.tuples))
    predicates = tuple(true.predicate for true in truth)
    if text is None:
        return ImageOutcome(str(question.id), predicates, (False,) * len(truth))
    graph = parse_graph(text)
    boxes = np.array(
        [decode_box(thing.box, question.width, question.height) for thing in graph.objects]
    ).reshape(-1, 4)
    meanings = [
        frozenset().union(*(vocabulary.find_classes(name) for name in thing.names))
        for thing in graph.objects
    ]
    said = list(dict.fromkeys((r.subject, r.predicate, r.object) for r in graph.relations))
    fits = _find_fits(truth, said, boxes, meanings)
    found = _assign(fits) if one_to_one else np.asarray(fits.any(axis=1))
    return ImageOutcome(
        str(question.id),
        predicates,
        tuple(bool(hit) for hit in found.tolist()),
        len(said),
        read_caption(text).well_formed,
    )


def _find_fits(
    truth: Sequence[TrueTuple],
    said: Sequence[tuple[int, str, int]],
    boxes: np.ndarray,
    meanings: Sequence[frozenset[str]],
) -> np.ndarray:
    """``(true, said)`` bool: which prediction says which true relation."""
    fits = np.zeros((len(truth), len(said)), dtype=bool)
    if not said:
        return fits
    subjects = box_iou(np.array([t.subject_box for t in truth]), boxes) >= MIN_IOU
    objects = box_iou(np.array([t.object_box for t in truth]), boxes) >= MIN_IOU
    for row, true in enumerate(truth):
        names = base_name(true.subject), base_name(true.object)
        predicate = plain_predicate(true.predicate)
        for column, (subject, words, target) in enumerate(said):
            fits[row, column] = (
                subjects[row, subject]
                and objects[row, target]
                and plain_predicate(words) == predicate
                and names[0] in meanings[subject]
                and names[1] in meanings[target]
            )
    return fits


def _assign(fits: np.ndarray) -> np.ndarray:
    """``(true,)`` bool of a largest assignment in which a prediction finds one true relation."""
    owner: dict[int, int] = {}

    def find_place(row: int, tried: set[int]) -> bool:
        for column in np.flatnonzero(fits[row]).tolist():
            if column not in tried:
                tried.add(column)
                if column not in owner or find_place(owner[column], tried):
                    owner[column] = row
                    return True
        return False

    for row in range(len(fits)):
        find_place(row, set())
    taken = np.zeros(len(fits), dtype=bool)
    taken[list(owner.values())] = True
    return taken


def make_vocabulary(
    questions: Iterable[Question], synonyms: Mapping[str, str], lemmatiser: Lemmatiser
) -> Vocabulary:
    """Of a table and the true labels of these questions."""
    labels = sorted(
        {base_name(label) for q in questions for t in q.tuples for label in (t.subject, t.object)}
    )
    return Vocabulary(synonyms, labels, lemmatiser)


def score_answers(
    questions: Iterable[Question],
    answers: Iterable[Answer],
    vocabulary: Vocabulary,
    one_to_one: bool = False,
) -> list[ImageOutcome]:
    """One outcome a question, in their order, answered or not."""
    texts: dict[int | str, str] = {}
    for answer in answers:
        texts.setdefault(answer.question_id, answer.text)
    return [score_answer(q, texts.get(q.id), vocabulary, one_to_one) for q in questions]
