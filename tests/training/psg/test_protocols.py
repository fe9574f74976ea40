"""What the golden table cannot show: several pictures, totality, labels of the corrected rules."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spacesgg_ros.training.evaluate.psg import asmv2, corrected, outcome
from spacesgg_ros.training.evaluate.psg.records import Answer, Question, TrueTuple

A, B = (100.0, 100.0, 300.0, 300.0), (400.0, 400.0, 700.0, 700.0)
SYNONYMS = {"person": "person", "man": "person", "dining table": "dining table",
            "table": "dining table", "stop sign": "stop sign"}  # fmt: skip


class LowerCase:
    """A lemmatiser made of nothing: words as they are, a plural s cut off."""

    name = "lower"

    def lemmas(self, text: str) -> tuple[str, ...]:
        return tuple(w[:-1] if w.endswith("s") else w for w in text.lower().split())


LEMMAS = LowerCase()


def question(identity: int, *predicates: str) -> Question:
    return Question(
        identity, "", 999, 999, tuple(TrueTuple("person", A, "horse", B, p) for p in predicates)
    )


def said(*predicates: str) -> str:
    a, b = json.dumps([A]), json.dumps([B])
    relations = "".join(f"<pred>{p}</pred><box>{a}</box><box>{b}</box>" for p in predicates)
    return f"<ref>person</ref><box>{a}</box><ref>horse</ref><box>{b}</box>{relations}"


def test_recall_is_pooled_and_mean_recall_is_over_predicates_that_occur() -> None:
    questions = [question(1, "on", "on", "on"), question(2, "on", "riding")]
    answers = [Answer(1, said("on")), Answer(2, said("feeding"))]
    outcomes = asmv2.score_answers(questions, answers, SYNONYMS, LEMMAS)
    assert outcome.recall(outcomes) == 3 / 5
    assert outcome.mean_recall(outcomes) == pytest.approx((3 / 4 + 0 / 1) / 2)


def test_missing_answer_leaves_the_published_denominator_and_stays_in_the_corrected() -> None:
    questions = [question(1, "on"), question(2, "on")]
    answers = [Answer(1, said("on"))]
    vocabulary = corrected.make_vocabulary(questions, SYNONYMS, LEMMAS)
    published = asmv2.score_answers(questions, answers, SYNONYMS, LEMMAS)
    fixed = corrected.score_answers(questions, answers, vocabulary)
    assert outcome.recall(published) == 1.0
    assert outcome.recall(fixed) == 0.5


def test_second_answer_counts_again_as_published_and_not_in_the_corrected() -> None:
    questions = [question(1, "on")]
    answers = [Answer(1, said("on")), Answer(1, "")]
    vocabulary = corrected.make_vocabulary(questions, SYNONYMS, LEMMAS)
    assert outcome.recall(asmv2.score_answers(questions, answers, SYNONYMS, LEMMAS)) == 0.5
    assert outcome.recall(corrected.score_answers(questions, answers, vocabulary)) == 1.0


def test_nothing_true_has_no_recall() -> None:
    assert outcome.recall([]) is None
    assert outcome.mean_recall([]) is None


@pytest.mark.parametrize(
    "text",
    [
        "<ref>a</ref><box>5</box>",
        "<pred>on</pred><box>5</box><box>[[1, 2, 3, 4]]</box>",
        '<pred>on</pred><box>{"a": 1}</box><box>[[1, 2, 3, 4]]</box>',
        "<pred>on</pred><box>[[]]</box><box>[[1, 2, 3, 4]]</box>",
        "<pred>on</pred><box>[[1, 2, 3, 4, 5, 6, 7, 8]]</box><box>[[1, 2, 3, 4]]</box>",
    ],
)
def test_answer_on_which_the_script_ends_is_flagged(text: str) -> None:
    assert asmv2.score_answer(question(1, "on"), text, SYNONYMS, LEMMAS).stops_published


@given(st.lists(st.sampled_from(
    ["<ref>", "</ref>", "<box>", "</box>", "<pred>", "</pred>", "man", "[[1, 2, 3, 4]]", "[[", "]",
     "1e999", "NaN", "null", '"x"', "\n", "<", ">", ",", "[" * 70 + "]" * 70, "9" * 400]
), max_size=30).map("".join))  # fmt: skip
@settings(max_examples=60, deadline=None)
def test_any_text_gets_an_outcome_from_both(text: str) -> None:
    asked = question(1, "on")
    vocabulary = corrected.make_vocabulary([asked], SYNONYMS, LEMMAS)
    assert len(asmv2.score_answer(asked, text, SYNONYMS, LEMMAS).found) == 1
    assert len(corrected.score_answer(asked, text, vocabulary).found) == 1


def test_reading_is_linear_in_the_text() -> None:
    caption = asmv2.read_caption("<" * 200_000)
    assert caption.pairs == ()


@pytest.mark.parametrize("depth", [*range(960, 1010), 100_000])
def test_brackets_without_end_are_no_box(depth: int) -> None:
    nested = "[" * depth + "]" * depth
    text = f"<pred>on</pred><box>{nested}</box><box>[[1, 2, 3, 4]]</box>"
    assert asmv2.score_answer(question(1, "on"), text, SYNONYMS, LEMMAS).found == (False,)


def test_pixels_are_float32_and_not_clipped() -> None:
    pixels = asmv2.to_pixels([0, 0, 999, 999], 200, 100)
    assert pixels.dtype == np.float32
    np.testing.assert_array_equal(pixels, [[0, -50, 200, 150]])


@pytest.mark.parametrize(
    ("name", "classes"),
    [
        ("stop sign", {"stop sign"}),
        ("the red Stop-Signs", {"stop sign"}),
        ("tables", {"table", "dining table"}),
        ("man at the dining table", {"person", "dining table"}),
        ("playing field", {"playingfield"}),
        ("unheard of", set()),
        ("", set()),
    ],
)
def test_name_means_the_longest_known_names_in_it(name: str, classes: set[str]) -> None:
    vocabulary = corrected.Vocabulary(SYNONYMS, ["table", "playingfield"], LEMMAS)
    assert vocabulary.find_classes(name) == classes


def test_one_to_one_takes_the_largest_assignment() -> None:
    fits = np.array([[True, True], [True, False]])
    assert corrected._assign(fits).tolist() == [True, True]
    assert corrected._assign(np.array([[True], [True]])).sum() == 1
