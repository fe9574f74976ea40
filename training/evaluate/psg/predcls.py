"""PredCls: which predicate, given the true objects? Ranking by a score for each of 56 answers.

Question lines: ``question_id, image, subj, obj, correct_option``; answer lines: ``question_id,
text`` (the options) and ``scores`` (mean log-likelihood of an option's tokens, one each). The
options of all pairs of an image are pooled and sorted by score; the first K count.

The published script (ASMv2) has three defects, reproduced with ``as_published``: after cutting to
K it drops the last one, so that K-1 count; it compares labels only, so that one dog beside a man
answers for every dog; and pairs without an answer are missing from the denominator.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from spacesgg_ros.cli.console import InputError
from spacesgg_ros.training.data.rejected import Rejected

from .outcome import ImageOutcome
from .records import STAGE, RowError, read_id, read_rows

TOP = (20, 50, 100)


@dataclass(frozen=True)
class PairQuestion:
    """An ordered pair of true objects of an image and its true predicates."""

    id: int | str
    image: str
    subject: str
    object: str
    correct: tuple[str, ...]


@dataclass(frozen=True)
class PairAnswer:
    """Options of a pair and how likely each is, higher is better."""

    question_id: int | str
    options: tuple[str, ...]
    scores: tuple[float, ...]


def rank_pairs(
    questions: Iterable[PairQuestion],
    answers: Iterable[PairAnswer],
    top: int,
    *,
    as_published: bool = False,
    per_pair: int = 0,
) -> list[ImageOutcome]:
    """What the ``top`` best options of every image find.

    Args:
        as_published: with the defects named above.
        per_pair: at most so many options of a pair, best first; 0: all. 1 is the graph
            constraint.

    Returns:
        An outcome an image, in order of the questions.
    """
    by_id = {question.id: question for question in questions}
    options: dict[str, list[tuple[float, tuple[Any, ...]]]] = defaultdict(list)
    truth: dict[str, list[tuple[Any, ...]]] = defaultdict(list)
    answered = set()
    for answer in answers:
        question = by_id[answer.question_id]
        key = (question.subject, question.object) if as_published else (question.id,)
        answered.add(question.id)
        said = list(zip(answer.scores, answer.options, strict=True))
        if per_pair:
            said = sorted(said, key=lambda pair: -pair[0])[:per_pair]
        options[question.image] += [(score, (*key, option)) for score, option in said]
        if as_published:
            truth[question.image] += [(*key, option) for option in question.correct]
    if not as_published:
        for question in by_id.values():
            # An option that is named twice is one true relation.
            truth[question.image] += [(question.id, o) for o in dict.fromkeys(question.correct)]
    outcomes = []
    for image, wanted in truth.items():
        best = sorted(options[image], key=lambda pair: -pair[0])[:top]
        kept = {key for _, key in (best[:-1] if as_published else best)}
        outcomes.append(
            ImageOutcome(
                image,
                tuple(key[-1] for key in wanted),
                tuple(key in kept for key in wanted),
                len(best) - (as_published and bool(best)),
            )
        )
    return outcomes


def read_pair_questions(path: Path) -> tuple[list[PairQuestion], list[Rejected]]:
    """The questions of a file and the rows left out.

    Raises:
        InputError: the file cannot be opened, or none of its rows is a question.
    """
    questions: dict[int | str, PairQuestion] = {}
    rejected: list[Rejected] = []
    for where, question in read_rows(path, _read_question, rejected):
        if question.id in questions:
            rejected.append(Rejected(where, STAGE, "same id as before: it replaces that one"))
        questions[question.id] = question
    if not questions:
        raise InputError(
            f"{path} has no question: each line needs question_id, image, subj, obj and "
            "correct_option [predicate, ...]"
        )
    if not any(question.correct for question in questions.values()):
        raise InputError(f"correct_option of {path} is always empty, so nothing can be found")
    return list(questions.values()), rejected


def _read_question(row: Mapping[str, Any]) -> PairQuestion:
    image, subject, target = (row.get(key) for key in ("image", "subj", "obj"))
    if not (isinstance(image, str) and isinstance(subject, str) and isinstance(target, str)):
        raise RowError("image, subj and obj are not texts")
    correct = row.get("correct_option")
    if not isinstance(correct, list) or not all(isinstance(o, str) for o in correct):
        raise RowError("correct_option is not a list of texts")
    return PairQuestion(read_id(row), image, subject, target, tuple(correct))


def read_pair_answers(
    path: Path, questions: Iterable[PairQuestion]
) -> tuple[list[PairAnswer], list[Rejected]]:
    """The answers of a file, one a question, and the rows left out.

    Raises:
        InputError: the file cannot be opened, or none of its rows answers a question.
    """
    known = {question.id for question in questions}
    answers: dict[int | str, PairAnswer] = {}
    rejected: list[Rejected] = []
    for where, answer in read_rows(path, _read_answer, rejected):
        if answer.question_id not in known:
            rejected.append(Rejected(where, STAGE, "no such question", str(answer.question_id)))
        elif answer.question_id in answers:
            rejected.append(Rejected(where, STAGE, "second answer", str(answer.question_id)))
        else:
            answers[answer.question_id] = answer
    if not answers:
        raise InputError(
            f"{path} answers none of the questions: each line needs question_id, text [option, "
            "...] and scores [number, ...]"
        )
    return list(answers.values()), rejected


def _read_answer(row: Mapping[str, Any]) -> PairAnswer:
    options, scores = row.get("text"), row.get("scores")
    if not isinstance(options, list) or not all(isinstance(o, str) for o in options):
        raise RowError("text is not a list of options")
    try:
        numbers = tuple(float(score) for score in scores or ())
    except (TypeError, ValueError):
        raise RowError("scores are not numbers") from None
    if len(numbers) != len(options):
        raise RowError("as many scores as options are needed")
    if any(number != number for number in numbers):
        raise RowError("a score is not a number")
    return PairAnswer(read_id(row), tuple(options), numbers)
