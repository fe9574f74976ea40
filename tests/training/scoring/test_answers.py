"""Free answers read as what their truth is."""

from __future__ import annotations

import pytest

from spacesgg_ros.training.evaluate.scoring.answers import (
    judge_answer,
    normalize_truth,
    read_number,
    read_option,
    read_relation,
    read_yes_no,
)

SIDES = ("left", "right")
COLOURS = ("red mug", "mug", "blue plate")

OPTIONS = [
    ("A", SIDES, 0),
    ("b", SIDES, 1),
    ("(B)", SIDES, 1),
    ("B.", SIDES, 1),
    ("B. left", SIDES, 1),  # the letter counts
    ("(A) it is there", SIDES, 0),
    ("The answer is B", SIDES, 1),
    ("Option: A", SIDES, 0),
    ("C", SIDES, None),  # no such letter
    ("Right.", SIDES, 1),
    ("It is to the left of the cup.", SIDES, 0),
    ("It is left or right.", SIDES, None),
    ("A mug", COLOURS, 1),  # an article, not a letter
    ("the red mug", COLOURS, 0),  # the longer option
    ("It is the blue plate, I think", COLOURS, 2),
    ("a red mug and a blue plate", COLOURS, None),
    ("yes, it is", ("no", "yes"), 1),
    ("False", ("true", "false"), 1),
    ("", SIDES, None),
    ("on top of it", ("under", "on"), 1),
]


@pytest.mark.parametrize(("answer", "options", "expected"), OPTIONS)
def test_an_option_is_read_by_letter_or_words(
    answer: str, options: tuple[str, ...], expected: int | None
) -> None:
    assert read_option(answer, options) == expected


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ("Yes.", "yes"),
        ("no", "no"),
        ("Yes, no doubt.", "yes"),  # the first word decides
        ("The claim is false.", "no"),
        ("True", "yes"),
        ("Not really", "no"),
        ("It could be yes or no", None),
        ("maybe", None),
        ("No idea.", None),
        ("Not sure", None),
        ("I cannot tell, no.", None),
        ("", None),
    ],
)
def test_yes_and_no_are_read(answer: str, expected: str | None) -> None:
    assert read_yes_no(answer) == expected


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ("behind", "behind"),
        ("sitting on top of", "on"),
        ("The cup is to the left of the plate.", "to the left of"),
        ("The cup is located beneath the lamp", "under"),
        ("In the image, the cup is behind the plate.", "behind"),  # "in" is of the image
        ("The cup is not behind the plate.", None),
        ("The cup isn't on the plate.", None),
        ("behind and to the left of it", None),  # two relations
        ("behind, at the back of the plate", "behind"),  # one relation, said twice
        ("The bowl contains the apple", None),  # tells the other way round
        ("contains", None),
        ("right next to the sofa", "next to"),
        ("<ref>cup</ref><box>[[1, 2, 3, 4]]</box> is <pred>under</pred> it", "under"),
        ("It is on the left side of the cup.", "to the left of"),
        ("on the right", "to the right of"),
        ("somewhere", None),
    ],
)
def test_one_relation_is_read(answer: str, expected: str | None) -> None:
    assert read_relation(answer) == expected


@pytest.mark.parametrize(
    ("answer", "expected"),
    [("There are three mugs.", "3"), ("3", "3"), ("03", "3"), ("two or 3", None), ("none", None)],
)
def test_the_only_number_is_read(answer: str, expected: str | None) -> None:
    assert read_number(answer) == expected


@pytest.mark.parametrize(
    ("answer", "truth", "right", "said"),
    [
        ("below", "under", True, "under"),
        ("on", "under", False, "on"),
        ("eh", "under", False, None),
        ("No.", "No, it is behind the cup.", True, "no"),
        ("yes", "no", False, "yes"),
        ("left", "right", False, "to the left of"),
        ("on the right", "right", True, "to the right of"),
        ("2", "two", True, "2"),
        ("The mug is nearer.", "the mug", True, "mug is nearer"),
        ("It is the mug.", "Mug", True, "mug"),
        ("a mugshot", "mug", False, "mugshot"),
        ("...", "mug", False, None),
    ],
)
def test_an_answer_is_judged_as_what_its_truth_is(
    answer: str, truth: str, right: bool, said: str | None
) -> None:
    verdict = judge_answer(answer, truth)
    assert (verdict.right, verdict.said) == (right, said)


def test_equal_truths_have_one_form() -> None:
    assert normalize_truth("sitting on") == normalize_truth("On") == "on"
    assert normalize_truth("True") == "yes"
    assert normalize_truth("The Mug.") == "mug"
