"""Accuracy on questions about where things are, by category (SpaceSGG-Val and its like)."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from spacesgg_ros.training.evaluate.intervals import wilson

from .answers import NO, YES, Verdict, judge_answer, normalize_truth
from .outcomes import CLASS_RATIO, RATIO, Outcomes
from .questions import Question
from .result import ScoreResult, make_result

PROTOCOL = "spatial"
ACCURACY, MACRO, UNPARSEABLE = "accuracy", "accuracy, mean of categories", "unparseable"
_MOST_EXAMPLES = 10


def score_answers(
    questions: Sequence[Question],
    answers: Mapping[str, str],
    *,
    name: str,
    train: Sequence[Question] | None = None,
    settings: Mapping[str, Any] | None = None,
) -> ScoreResult:
    """Accuracy over all questions and over categories, and what is known without pictures.

    A missing or unparseable answer is wrong. Baselines: ``majority``, the most frequent answer of
    the category among these very questions, so the best that a constant can do; ``chance``, the
    expectation of a guess among the options; with ``train`` also ``question text``, the most
    frequent answer to the same words there, else the most frequent of its category there.

    Args:
        answers: by question id.
        train: questions with answers that are none of those scored.
    """
    verdicts = {
        q.id: judge_answer(answers[q.id], q.truth, q.options)
        if q.id in answers
        else Verdict(None, False)
        for q in questions
    }
    hits = {q.id: float(verdicts[q.id].right) for q in questions}
    baseline = {"majority": _grade(questions, _score_guesses(questions, _majority(questions)))}
    if all(_count_options(q) for q in questions):
        chance = {q.id: 1 / _count_options(q) for q in questions}
        baseline["chance"] = _grade(questions, chance)
    if train:
        guesses = _score_guesses(questions, _most_frequent_answer(train))
        baseline["question text"] = _grade(questions, guesses)
    per_item = _grade(questions, hits)
    unread = {q.id: [int(verdicts[q.id].said is None), 1] for q in questions}
    per_item[UNPARSEABLE] = Outcomes(RATIO, unread)
    return make_result(
        name,
        PROTOCOL,
        per_item,
        groups={q.id: q.group for q in questions},
        baseline=baseline,
        settings=settings,
        details=_details(questions, answers, verdicts),
    )


def _grade(questions: Iterable[Question], hits: Mapping[str, float]) -> dict[str, Outcomes]:
    by_category = {q.id: {q.category: [hits[q.id], 1]} for q in questions}
    return {
        ACCURACY: Outcomes(RATIO, {name: [hit, 1] for name, hit in hits.items()}),
        MACRO: Outcomes(CLASS_RATIO, by_category),
    }


def _score_guesses(
    questions: Sequence[Question], guess: Callable[[Question], str]
) -> dict[str, float]:
    return {q.id: float(guess(q) == normalize_truth(q.truth, q.options)) for q in questions}


def _majority(questions: Sequence[Question]) -> Callable[[Question], str]:
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for q in questions:
        counts[q.category][normalize_truth(q.truth, q.options)] += 1
    everything = sum(counts.values(), Counter[str]())

    def guess(question: Question) -> str:
        return first(counts.get(question.category) or everything)

    return guess


def _most_frequent_answer(train: Sequence[Question]) -> Callable[[Question], str]:
    fallback = _majority(train)
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for q in train:
        counts[q.text.lower()][normalize_truth(q.truth, q.options)] += 1

    def guess(question: Question) -> str:
        met = counts.get(question.text.lower())
        return first(met) if met else fallback(question)

    return guess


def first(counts: Counter[str]) -> str:
    """The most frequent; of equals the first by name, so that no order of reading matters."""
    return min(counts, key=lambda name: (-counts[name], name))


def _count_options(question: Question) -> int:
    if question.options:
        return len(question.options)
    return 2 if normalize_truth(question.truth) in (YES, NO) else 0


def _details(
    questions: Sequence[Question], answers: Mapping[str, str], verdicts: Mapping[str, Verdict]
) -> dict[str, Any]:
    by_category: dict[str, list[Question]] = defaultdict(list)
    for q in questions:
        by_category[q.category].append(q)
    rows = {}
    for category, those in sorted(by_category.items()):
        right = sum(verdicts[q.id].right for q in those)
        rows[category] = {
            "questions": len(those),
            "right": right,
            "accuracy": round(right / len(those), 4),
            "wilson_95": wilson(right, len(those)),
            "unparseable": sum(q.id in answers and verdicts[q.id].said is None for q in those),
            "missing": sum(q.id not in answers for q in those),
            "majority": first(Counter(normalize_truth(q.truth, q.options) for q in those)),
        }
    unread = [q for q in questions if q.id in answers and verdicts[q.id].said is None]
    right = sum(v.right for v in verdicts.values())
    return {
        "wilson_95": wilson(right, len(questions)),
        "missing": sum(q.id not in answers for q in questions),
        "unasked": len(answers.keys() - {q.id for q in questions}),
        "by_category": rows,
        "unparseable_examples": [
            {"id": q.id, "truth": q.truth, "answer": answers[q.id][:200]}
            for q in unread[:_MOST_EXAMPLES]
        ],
    }
