"""Questions with their true relations, and answers in text: C.1's two files."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from spacesgg_ros.cli.console import InputError
from spacesgg_ros.training.data.rejected import Rejected

T = TypeVar("T")

BoxPx = tuple[float, float, float, float]
STAGE = "read"


class TrueTuple(NamedTuple):
    """A true relation; boxes in pixels of the original picture, x0 y0 x1 y1."""

    subject: str
    subject_box: BoxPx
    object: str
    object_box: BoxPx
    predicate: str


@dataclass(frozen=True)
class Question:
    """One picture and what is true of it.

    Attributes:
        id: ``question_id`` as the file has it; 7 and "7" are two ids.
        image: name of the picture.
        width, height: pixels.
        tuples: the true relations.
    """

    id: int | str
    image: str
    width: int
    height: int
    tuples: tuple[TrueTuple, ...]


@dataclass(frozen=True)
class Answer:
    """What a model wrote."""

    question_id: int | str
    text: str


class RowError(ValueError):
    """A row that cannot be used; the message is short enough to count by."""


def read_rows(
    path: Path,
    parse: Callable[[Mapping[str, Any]], T],
    rejected: list[Rejected],
    id_key: str = "",
) -> Iterator[tuple[str, T]]:
    """``FILE:LINE`` and what ``parse`` makes of the object of every line that is not empty.

    Args:
        parse: raises :class:`RowError` for a row that cannot be used.
        rejected: gets the lines left out, in between what the caller adds to it.
        id_key: whose value tells which row ``parse`` refused; "": the line alone does.

    Raises:
        InputError: the file cannot be opened.
    """
    try:
        file = path.open(encoding="utf-8", errors="replace")
    except OSError as error:
        raise InputError(f"cannot read {path}: {error}") from error
    with file:
        for number, line in enumerate(file, 1):
            where = f"{path.name}:{number}"
            if not line.strip():
                continue
            try:
                row = json.loads(line)
            except (ValueError, RecursionError) as error:
                rejected.append(Rejected(where, STAGE, "not JSON", str(error)[:80]))
                continue
            if not isinstance(row, dict):
                rejected.append(Rejected(where, STAGE, "not an object", type(row).__name__))
                continue
            try:
                item = parse(row)
            except RowError as error:
                detail = str(row.get(id_key, "")) if id_key else ""
                rejected.append(Rejected(where, STAGE, str(error), detail))
                continue
            yield where, item


def read_id(row: Mapping[str, Any], key: str = "question_id") -> int | str:
    """The id of a row. Raises :class:`RowError`: none, or neither a number nor text."""
    value = row.get(key)
    if isinstance(value, bool) or not isinstance(value, (int, str)):
        raise RowError(f"no {key}")
    return value


def read_box(value: Any) -> BoxPx:
    """Four finite numbers. Raises :class:`RowError`."""
    try:
        x0, y0, x1, y1 = (float(v) for v in value)
    except (TypeError, ValueError, OverflowError):
        raise RowError("a box is not four numbers") from None
    if not all(map(math.isfinite, (x0, y0, x1, y1))):
        raise RowError("a box is not four numbers")
    return (x0, y0, x1, y1)


def read_questions(path: Path) -> tuple[list[Question], list[Rejected]]:
    """``question_id, image, width, height, relation_tuples`` a line; and the rows left out.

    Of several rows with one id the last counts, as published; the earlier ones are listed.

    Raises:
        InputError: the file cannot be opened, none of its rows is a question, or none has a
            relation.
    """
    questions: dict[int | str, Question] = {}
    lines: dict[int | str, str] = {}
    rejected: list[Rejected] = []
    for where, question in read_rows(path, _read_question, rejected, "question_id"):
        if question.id in questions:
            rejected.append(Rejected(lines[question.id], STAGE, "same id again later"))
        questions[question.id], lines[question.id] = question, where
    if not questions:
        raise InputError(
            f"{path} has no question: each line needs question_id, image, width, height and "
            "relation_tuples [[subject, box, object, box, predicate], ...]"
        )
    if not any(question.tuples for question in questions.values()):
        raise InputError(
            f"relation_tuples of {path} are all empty, so nothing can be found; give questions "
            "with relations"
        )
    return list(questions.values()), rejected


def _read_question(row: Mapping[str, Any]) -> Question:
    width, height = (row.get(key) for key in ("width", "height"))
    if type(width) is not int or type(height) is not int or min(width, height) < 1:
        raise RowError("width and height are not positive whole numbers")
    tuples = row.get("relation_tuples")
    if not isinstance(tuples, list):
        raise RowError("no relation_tuples")
    identity = read_id(row)
    image = str(row.get("image", identity))
    return Question(identity, image, width, height, tuple(_read_tuple(t) for t in tuples))


def _read_tuple(value: Any) -> TrueTuple:
    if not isinstance(value, Sequence) or len(value) != 5:
        raise RowError("a relation is not [subject, box, object, box, predicate]")
    subject, subject_box, target, target_box, predicate = value
    if not all(isinstance(word, str) for word in (subject, target, predicate)):
        raise RowError("a relation is not [subject, box, object, box, predicate]")
    return TrueTuple(subject, read_box(subject_box), target, read_box(target_box), predicate)


def read_answers(path: Path, questions: Iterable[Question]) -> tuple[list[Answer], list[Rejected]]:
    """``question_id, text`` a line; and the rows left out, unknown ids among them.

    A second answer to a question is kept, as the published evaluator counts it, and listed.

    Raises:
        InputError: the file cannot be opened, or none of its rows answers a question.
    """
    known = {question.id for question in questions}
    answers: list[Answer] = []
    seen: set[int | str] = set()
    rejected: list[Rejected] = []
    for where, answer in read_rows(path, _read_answer, rejected, "question_id"):
        if answer.question_id not in known:
            rejected.append(Rejected(where, STAGE, "no such question", str(answer.question_id)))
            continue
        if answer.question_id in seen:
            rejected.append(
                Rejected(where, STAGE, "second answer", f"asmv2 counts it: {answer.question_id}")
            )
        seen.add(answer.question_id)
        answers.append(answer)
    if not answers:
        raise InputError(
            f"{path} answers none of the questions: each line needs question_id and text, and the "
            "ids of the question file"
        )
    return answers, rejected


def _read_answer(row: Mapping[str, Any]) -> Answer:
    identity = read_id(row)
    if not isinstance(row.get("text"), str):
        raise RowError("no text")
    return Answer(identity, row["text"])
