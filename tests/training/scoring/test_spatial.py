"""Accuracy by category against counts made by hand."""

from __future__ import annotations

import pytest

from spacesgg_ros.training.evaluate.scoring.questions import Question
from spacesgg_ros.training.evaluate.scoring.spatial import (
    ACCURACY,
    MACRO,
    UNPARSEABLE,
    score_answers,
)

QUESTIONS = [
    Question("1", "a.jpg", "Is it on?", "yes", category="yes-no", group="a.jpg"),
    Question("2", "a.jpg", "Is it in?", "yes", category="yes-no", group="a.jpg"),
    Question("3", "b.jpg", "Is it up?", "no", category="yes-no", group="b.jpg"),
    Question("4", "b.jpg", "Side?", "left", ("left", "right"), "side", "b.jpg"),
]
ANSWERS = {"1": "Yes", "2": "perhaps", "4": "A", "9": "of another file"}


def test_missing_and_unparseable_answers_are_wrong_and_counted() -> None:
    result = score_answers(QUESTIONS, ANSWERS, name="m")
    values = {metric: m.value for metric, m in result.headline.items()}
    assert values[ACCURACY] == 0.5
    assert values[MACRO] == pytest.approx((1 / 3 + 1) / 2, abs=1e-4)
    assert values[UNPARSEABLE] == 0.5  # one was not answered, one not understood
    assert (result.details["missing"], result.details["unasked"]) == (1, 1)
    row = result.details["by_category"]["yes-no"]
    assert (row["questions"], row["right"], row["unparseable"], row["missing"]) == (3, 1, 1, 1)
    assert result.details["unparseable_examples"] == [
        {"id": "2", "truth": "yes", "answer": "perhaps"}
    ]


def test_constant_answers_and_guesses_stand_beside_the_model() -> None:
    result = score_answers(QUESTIONS, ANSWERS, name="m")
    assert result.baseline["majority"][ACCURACY].value == 0.75  # yes, yes, -, left
    assert result.baseline["chance"][ACCURACY].value == 0.5
    assert "question text" not in result.baseline


def test_chance_needs_a_known_number_of_answers() -> None:
    result = score_answers([Question("1", "", "Where?", "on")], {}, name="m")
    assert "chance" not in result.baseline


def test_the_text_alone_is_learnt_from_other_questions() -> None:
    train = [
        Question("t1", "", "is it up?", "no", category="yes-no"),
        Question("t2", "", "Is it in?", "no", category="yes-no"),
        Question("t3", "", "Is it a cat?", "yes", category="yes-no"),
        Question("t4", "", "Side?", "left", ("left", "right"), "side"),
    ]
    result = score_answers(QUESTIONS, ANSWERS, name="m", train=train)
    # 1: never met, so the majority of yes-no (no); 2: no; 3: no, right; 4: left, right.
    assert result.baseline["question text"][ACCURACY].value == 0.5


def test_questions_about_one_picture_are_drawn_together() -> None:
    result = score_answers(QUESTIONS, ANSWERS, name="m")
    assert result.groups == {"1": "a.jpg", "2": "a.jpg", "3": "b.jpg", "4": "b.jpg"}
    # Each of the two pictures has one right of two: no draw can differ.
    assert (result.headline[ACCURACY].low, result.headline[ACCURACY].high) == (0.5, 0.5)
