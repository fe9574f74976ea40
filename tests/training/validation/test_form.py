"""Leaks, refusals, placeholders, garbage, repetition, length and ends, by table."""

from __future__ import annotations

import pytest

from spacesgg_ros.training.data.validation import ProblemKind, ValidationConfig, check_row
from spacesgg_ros.training.data.validation.names import NameIndex, name_fits

CONFIG = ValidationConfig()
LEAK, REFUSAL, SLOT = ProblemKind.SOURCE_LEAK, ProblemKind.REFUSAL, ProblemKind.PLACEHOLDER
GARBAGE, AGAIN, CUT = ProblemKind.GARBAGE, ProblemKind.REPETITION, ProblemKind.TRUNCATED


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("According to the bounding boxes, there is a mug.", LEAK),
        ("Based on the caption, there is a mug.", LEAK),
        ("The depth map puts the mug first.", LEAK),
        ("As described, there is a mug.", LEAK),
        ("Context Type 2 lists a mug.", LEAK),
        ("There is a mug at (120, 330).", LEAK),
        ("There is a mug at [12, 30, 55, 60].", LEAK),
        ("Based on the given information, there is a mug.", LEAK),
        ("As an AI language model, there is a mug.", REFUSAL),
        ("I cannot see a mug.", REFUSAL),
        ("I'm sorry, there is no mug.", REFUSAL),
        ("Sure! Here is a mug.", REFUSAL),
        ("Here is the rewritten sentence: a mug.", REFUSAL),
        ("There is a mug. Let me know if you need more.", REFUSAL),
        ("There is a {subject}.", SLOT),
        ("There is a [object].", SLOT),
        ("Question: what is there? A mug.", SLOT),
        ("**There** is a mug.", SLOT),
        ("ASSISTANT: There is a mug.", SLOT),
        ("There is a m\ufffdg.", GARBAGE),
        ("Есть кружка.", GARBAGE),
        ("There is a mug.\u200b", GARBAGE),
        ("There is a mug there is a mug there is a mug there is a mug there is a mug.", AGAIN),
        ("There is a mug here. There is a mug here.", AGAIN),
        ("There is a mug mug mug.", AGAIN),
        ("There is a mug on", CUT),
        ("There is a mug on the.", CUT),
        ("There is a mug,", CUT),
    ],
)
def test_bad_form_is_caught(text, kind, image, row):
    problems = check_row(row("caption", ("Describe the picture.", text)), image, CONFIG)
    assert kind in {p.kind for p in problems}, problems


@pytest.mark.parametrize("text", ["There is a mug.", "A mug, a bowl and a lamp.", "Here is a mug."])
def test_good_form_passes(text, image, row):
    assert check_row(row("caption", ("Describe the picture.", text)), image, CONFIG) == []


def test_lengths_are_limited_by_task(image, row):
    said = row("caption", ("Describe the picture.", "There is a mug."))
    short = ValidationConfig(most_words=dict.fromkeys(CONFIG.most_words, 3))
    assert {p.kind for p in check_row(said, image, short)} == {ProblemKind.TOO_LONG}


@pytest.mark.parametrize(
    ("name", "label", "fits"),
    [
        ("mugs", "mug", True),
        ("Mug", "mug", True),
        ("red mug", "mug", True),
        ("knives", "knife", True),
        ("people", "person", True),
        ("couch", "sofa", True),
        ("table", "coffee table", True),
        ("tv", "television", True),
        ("bowl", "mug", False),
        ("table lamp", "table", False),
        ("", "mug", False),
    ],
)
def test_names_that_fit(name, label, fits):
    assert name_fits(name, label) is fits


def test_an_exact_name_goes_before_a_synonym_and_a_head():
    index = NameIndex.of(["coffee table", "table", "mug", "cup"])
    assert index.find(["table"]) == {1}
    assert index.find(["cup"]) == {3}
    assert index.find(["coffee", "tables"]) == {0}
    assert index.find(["sofa"]) == frozenset()
