"""The published open-ended protocol (ASMv2), equal to its script, defects included.

What is odd on purpose, because published numbers rest on it:

- a name stands for each of its words ("the sky": *the*, *sky*), so a class of several words is
  reached through a synonym of one word only, or never (*stop sign*);
- "table" is rewritten to *dining table* even where PSG's stuff class *table* is meant;
- predicates must be equal to the letter, boxes of relations must repeat a named box digit for
  digit, and box lists of a predicate are paired over the whole text;
- one prediction may find several true relations, and there is no limit on how many are made;
- a picture without an answer is missing from the denominator.

Where the script ends in an error, this module goes on and says so (``stops_published``).
Computed in float32, as there, so that an IoU of almost exactly 0.5 falls on the same side.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from itertools import product
from typing import Any, NamedTuple

import numpy as np

from spacesgg_ros.graph.boxes import BOX_SCALE

from .labels import base_name
from .lemmas import Lemmatiser
from .outcome import ImageOutcome
from .records import Answer, Question

MIN_IOU = 0.5
UNKNOWN = "Unknown"
_ITERABLE = (list, str, dict)

# Tag, text, tag within one line. The published pattern is <.*?>.*?<.*?>; this one finds the same
# (the first ">", the next "<", the next ">"; if one is missing, a later start lacks it as well)
# without going back.
_HIT = re.compile(r"(<[^>]*>)([^<]*)<[^>]*>")


class SaidPair(NamedTuple):
    """A relation as it stands in the text; a box is whatever JSON stood there."""

    subject_names: tuple[str, ...]
    subject_box: Any
    object_names: tuple[str, ...]
    object_box: Any
    predicate: str


@dataclass(frozen=True)
class Caption:
    """An answer, read.

    Attributes:
        pairs: its relations, grouped by predicate.
        well_formed: no odd box list and no two lists of unequal length.
        stops_published: a box list is no JSON list and the script would raise an error.
    """

    pairs: tuple[SaidPair, ...]
    well_formed: bool
    stops_published: bool = False


class SaidTuple(NamedTuple):
    """A relation of two labels; boxes ``(4,)`` float32 in pixels, not clipped."""

    subject: str
    subject_box: np.ndarray
    object: str
    object_box: np.ndarray
    predicate: str


def read_caption(text: str) -> Caption:
    """Steps 1 to 3: tags, names of boxes, pairs."""
    objects: dict[str, list[Any]] = defaultdict(list)
    relations: dict[str, list[Any]] = defaultdict(list)
    stops = False
    names_objects, name = True, UNKNOWN
    for opener, content in _find_hits(text):
        if opener != "<box>":
            names_objects, name = opener == "<ref>", content
            continue
        try:
            value = json.loads(content)
        except (ValueError, RecursionError):
            continue
        if not names_objects:
            relations[name].append(value)
        elif isinstance(value, _ITERABLE):
            objects[name].extend(value)
        else:
            stops = True
    names: dict[str, list[str]] = defaultdict(list)
    for known, boxes in objects.items():
        for box in boxes:
            names[_write(box)].append(known)
    caption = _pair_lists(relations, names)
    return replace(caption, stops_published=stops or caption.stops_published)


def _find_hits(text: str) -> Iterable[tuple[str, str]]:
    """Opening tag and content of every hit; linear in the length of the text."""
    for line in text.split("\n"):
        at = line.find("<")
        while at >= 0 and (hit := _HIT.match(line, at)):
            yield hit[1], hit[2]
            at = line.find("<", hit.end())


def _pair_lists(relations: Mapping[str, list[Any]], names: Mapping[str, list[str]]) -> Caption:
    pairs: list[SaidPair] = []
    well_formed, stops = True, False
    for predicate, lists in relations.items():
        well_formed &= len(lists) % 2 == 0
        for subjects, objects in zip(lists[0::2], lists[1::2], strict=False):
            if not (_is_boxes(subjects) and _is_boxes(objects)):
                stops = True
                continue
            if len(subjects) == 1:
                subjects = subjects * len(objects)
            if len(objects) == 1:
                objects = objects * len(subjects)
            well_formed &= len(subjects) == len(objects)
            for subject, target in zip(subjects, objects, strict=False):
                said = [(tuple(names.get(_write(box), ())), box) for box in (subject, target)]
                pairs.append(SaidPair(*said[0], *said[1], predicate))
    return Caption(tuple(pairs), well_formed, stops)


def _write(box: Any) -> str:
    """The text by which boxes are compared; "" where it nests deeper than can be written."""
    try:
        return json.dumps(box)
    except RecursionError:
        return ""


def _is_boxes(value: Any) -> bool:
    """What the script can take for a list of boxes: anything but a number, or one key alone."""
    return isinstance(value, _ITERABLE) and not (isinstance(value, dict) and len(value) == 1)


def find_labels(
    names: Iterable[str], synonyms: Mapping[str, str], lemmatiser: Lemmatiser
) -> list[str]:
    """Step 4: the lemma of every word of every name, or the class that it is a synonym of."""
    lemmas = (lemma for name in names for lemma in lemmatiser.lemmas(name))
    return [synonyms.get(lemma, lemma) for lemma in lemmas] or [UNKNOWN]


def to_pixels(box: Any, width: int, height: int) -> np.ndarray | None:
    """Step 5: ``(n, 4)`` float32 pixels of a box of ``4 n`` numbers; None where it is none.

    The script takes a box of eight numbers for two boxes and an empty one for none, keeps their
    tuples, and ends in an error as soon as it compares them.
    """
    try:
        numbers = np.array(box)
        if numbers.dtype == object and all(isinstance(n, (int, float)) for n in numbers.flat):
            numbers = numbers.astype(np.float64)  # whole numbers beyond 64 bits
    except (ValueError, OverflowError):
        return None
    if numbers.dtype.kind not in "biuf" or numbers.size % 4:
        return None
    with np.errstate(over="ignore", invalid="ignore"):
        pixels = numbers.astype(np.float32).reshape(-1, 4) / np.float32(BOX_SCALE)
        pixels *= np.float32(max(width, height))
    pad = np.float32(abs(width - height) // 2)
    if width > height:
        pixels[:, 1::2] -= pad
    elif height > width:
        pixels[:, 0::2] -= pad
    return pixels


def expand_tuples(
    caption: Caption,
    width: int,
    height: int,
    synonyms: Mapping[str, str],
    lemmatiser: Lemmatiser,
) -> tuple[list[SaidTuple], bool]:
    """Steps 4 and 5: every label of the subject with every label of the object.

    Returns:
        The tuples, and whether a box of none or several rows stops the script.
    """
    tuples: list[SaidTuple] = []
    stops = False
    for pair in caption.pairs:
        subject_box, object_box = (
            to_pixels(box, width, height) for box in (pair.subject_box, pair.object_box)
        )
        if subject_box is None or object_box is None:
            continue
        if len(subject_box) != 1 or len(object_box) != 1:
            stops = True
            continue
        labels = (
            find_labels(n, synonyms, lemmatiser) for n in (pair.subject_names, pair.object_names)
        )
        for subject, target in product(*labels):
            tuples.append(SaidTuple(subject, subject_box[0], target, object_box[0], pair.predicate))
    return tuples, stops


def overlap(boxes: np.ndarray, box: np.ndarray) -> np.ndarray:
    """``(n,)`` float32 IoU of ``(n, 4)`` float32 boxes with one ``(4,)``.

    As torchvision has it: an inverted box has a negative area or a positive one, and IoU is not
    a number where the union is empty. Neither reaches 0.5.
    """
    low = np.maximum(boxes[:, :2], box[:2])
    high = np.minimum(boxes[:, 2:], box[2:])
    with np.errstate(all="ignore"):
        width, height = np.clip(high - low, 0, None).T
        shared = width * height
        areas = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
        area = (box[2] - box[0]) * (box[3] - box[1])
        return shared / (areas + area - shared)


def match_tuples(question: Question, said: Iterable[SaidTuple]) -> tuple[bool, ...]:
    """Steps 6 and 7: for every true relation whether some tuple says the same."""
    by_words: dict[tuple[str, str, str], list[SaidTuple]] = defaultdict(list)
    for item in said:
        by_words[item.subject, item.object, item.predicate].append(item)
    found = []
    for true in question.tuples:
        words = (base_name(true.subject), base_name(true.object), true.predicate)
        same = by_words.get(words, [])
        hit = False
        if same:
            subjects, objects = (
                overlap(np.stack(boxes), np.array(box, np.float32))
                for boxes, box in (
                    ([item.subject_box for item in same], true.subject_box),
                    ([item.object_box for item in same], true.object_box),
                )
            )
            hit = bool(((subjects >= MIN_IOU) & (objects >= MIN_IOU)).any())
        found.append(hit)
    return tuple(found)


def score_answer(
    question: Question, text: str, synonyms: Mapping[str, str], lemmatiser: Lemmatiser
) -> ImageOutcome:
    """One answer by the published rules."""
    caption = read_caption(text)
    said, stops = expand_tuples(caption, question.width, question.height, synonyms, lemmatiser)
    return ImageOutcome(
        str(question.id),
        tuple(true.predicate for true in question.tuples),
        match_tuples(question, said),
        len(said),
        caption.well_formed,
        caption.stops_published or (stops and bool(question.tuples)),
    )


def score_answers(
    questions: Iterable[Question],
    answers: Iterable[Answer],
    synonyms: Mapping[str, str],
    lemmatiser: Lemmatiser,
) -> list[ImageOutcome]:
    """One outcome an answer, in their order; a question without one is left out (step 8).

    Args:
        answers: only to questions that are there (:func:`.records.read_answers`).
    """
    by_id = {question.id: question for question in questions}
    return [
        score_answer(by_id[answer.question_id], answer.text, synonyms, lemmatiser)
        for answer in answers
    ]
