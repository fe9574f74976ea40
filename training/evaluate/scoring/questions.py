"""Questions about pictures with a known answer, from the files that benchmarks come in.

SpaceSGG-Val is one JSONL file of such questions; its keys are not documented. Read are our own
form::

    {"id": "7", "image": "a.jpg", "question": "Where is the cup?", "options": ["left", "right"],
     "answer": "left", "category": "direction", "group": "scene 3"}

LLaVA's question files (``question_id``, ``image``, ``text``, ``category``; the truth in the same
line or in a file of its own) and LLaVA's conversations with one exchange, our instruction rows
among them.
"""

from __future__ import annotations

import re
import string
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from spacesgg_ros.graph.predicates import VSD_LABELS
from spacesgg_ros.training.evaluate.facts import scene_of
from spacesgg_ros.vlm.prompts import IMAGE_TOKEN

from .answers import NO, YES, normalize_truth
from .outcomes import ScoreError
from .reading import Read, find_strangers, get_first, get_id, read_answers, read_unique

ONE_CATEGORY = "all"

_QUESTION_KEYS = ("question", "text", "prompt", "query")
_TRUTH_KEYS = ("answer", "ground_truth", "gt", "gt_answer", "label", "target")
_CATEGORY_KEYS = ("category", "type", "question_type", "task", "relation_type")
_OPTION_KEYS = ("options", "choices", "candidates")
_GROUP_KEYS = ("group", "scene", "image_id", "image")
_LISTED_OPTION = re.compile(r"^\s*\(?([A-H])[.):]\s+(.+?)\s*$", re.MULTILINE)

_LETTERED_TRUTH = re.compile(r"\(?([A-Za-z])\)?[.):]?|\(?([A-Z])[.):]\s+.*")


@dataclass(frozen=True)
class Question:
    """A question about a picture.

    Attributes:
        image: relative to the folder of the pictures, or ``shard.tar/member``; may be "".
        text: as the model is asked; lists the options where there are any.
        truth: with ``options`` the text of the right one.
        group: what is drawn again together in a bootstrap: the picture, or its scene.
        mirror: the picture is to be flipped left to right.
    """

    id: str
    image: str
    text: str
    truth: str
    options: tuple[str, ...] = ()
    category: str = ONE_CATEGORY
    group: str = ""
    mirror: bool = False


def read_questions(path: Path, truth: Path | None = None) -> Read[Question]:
    """The questions of a file, and the entries that are none.

    Args:
        truth: an answers file with the right answers, for questions that come without.

    Raises:
        ScoreError: a file cannot be read, no question is left, or ``truth`` is of none of them.
    """
    truths = dict(read_answers(truth).items) if truth is not None else {}
    read = read_unique(path, lambda data: _parse(data, truths), "question")
    if truth is not None:
        find_strangers(truth, truths, dict.fromkeys(q.id for q in read.items), "question")
    return read


def get_group(data: Mapping[str, Any]) -> str:
    """What an entry is drawn together with: its group or scene, else its picture, else ""."""
    provenance = data.get("provenance")
    frame = provenance.get("frame") if isinstance(provenance, dict) else None
    if isinstance(frame, str) and scene_of(frame):
        return scene_of(frame)
    return str(get_first(data, _GROUP_KEYS) or "")


def _parse(data: Mapping[str, Any], truths: Mapping[str, str]) -> Question:
    name = get_id(data)
    if isinstance(data.get("conversations"), list):
        text, truth = _read_exchange(data["conversations"])
    else:
        text = get_first(data, _QUESTION_KEYS)
        truth = get_first(data, _TRUTH_KEYS)
    truth = truths.get(name, truth)
    if not isinstance(text, str) or not text.strip():
        raise ScoreError(f"no question under {', '.join(_QUESTION_KEYS)}")
    if truth is None or not str(truth).strip():
        raise ScoreError(f"no answer under {', '.join(_TRUTH_KEYS)} nor in a truth file")
    text = text.replace(IMAGE_TOKEN, "").strip()
    listed = _listed_options(text)
    options = _read_options(get_first(data, _OPTION_KEYS)) or listed
    if options and not listed:
        text = "\n".join([text, *_letter(options)])
    image = str(data.get("image") or "")
    return Question(
        name,
        image,
        text,
        _read_truth(truth, options),
        options,
        str(get_first(data, _CATEGORY_KEYS) or ONE_CATEGORY),
        get_group(data) or name,
        data.get("mirror") is True,
    )


def _read_exchange(turns: Sequence[Any]) -> tuple[Any, Any]:
    if len(turns) != 2 or not all(isinstance(t, dict) and "value" in t for t in turns):
        raise ScoreError(f"a conversation of one question and one answer is expected: {len(turns)}")
    return turns[0]["value"], turns[1]["value"]


def _read_options(value: Any) -> tuple[str, ...]:
    if isinstance(value, dict):
        value = [value[key] for key in sorted(value)]
    if not isinstance(value, list):
        return ()
    options = tuple(re.sub(r"^\s*\(?[A-H][.):]\s+", "", str(option)).strip() for option in value)
    if len(options) < 2 or len(set(options)) < len(options) or not all(options):
        raise ScoreError("two or more different options are expected")
    return options


def _listed_options(text: str) -> tuple[str, ...]:
    """Options that the question lists line by line: ``A. left``, ``B. right``."""
    found = _LISTED_OPTION.findall(text)
    letters = "".join(letter for letter, _ in found)
    if len(found) < 2 or not string.ascii_uppercase.startswith(letters):
        return ()
    return tuple(option for _, option in found)


def _letter(options: Sequence[str]) -> list[str]:
    return [f"{letter}. {o}" for letter, o in zip(string.ascii_uppercase, options, strict=False)]


def _read_truth(truth: Any, options: Sequence[str]) -> str:
    if not options:
        return {True: "yes", False: "no"}[truth] if isinstance(truth, bool) else str(truth).strip()
    text = str(truth).strip()
    if text in options:
        return text
    same = [option for option in options if option.lower() == text.lower()]
    if len(same) == 1:
        return same[0]
    if isinstance(truth, int) and 0 <= truth < len(options):
        return options[truth]
    letter = _LETTERED_TRUTH.fullmatch(text)
    if letter:
        at = string.ascii_uppercase.index((letter.group(1) or letter.group(2)).upper())
        if at < len(options):
            return options[at]
    raise ScoreError("the answer is none of the options")


def likely_answers(question: Question) -> tuple[str, ...]:
    """What an answer can be: the options, yes and no, the nine relations; () if it is open."""
    if question.options:
        return question.options
    truth = normalize_truth(question.truth)
    if truth in (YES, NO):
        return (YES, NO)
    return VSD_LABELS if truth in VSD_LABELS else ()
