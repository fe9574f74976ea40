"""English around labels of any data set, and things that share one."""

from __future__ import annotations

import random

import pytest

from spacesgg_ros.training.data.grammar import article, verb
from spacesgg_ros.training.data.spatial_text import Fact, Thing, flat_layers, say, write_relation


@pytest.mark.parametrize(
    ("label", "expected"),
    [
        ("skis", "some skis are"),
        ("people", "some people are"),
        ("children", "some children are"),
        ("stairs", "some stairs are"),
        ("tennis racket", "a tennis racket is"),
        ("bus", "a bus is"),
        ("woman with glasses", "a woman with glasses is"),
        ("man in shorts", "a man in shorts is"),
        ("bunch of bananas", "a bunch of bananas is"),
        ("grass", "some grass is"),
        ("snow", "some snow is"),
        ("water bottle", "a water bottle is"),
        ("sky", "the sky is"),
        ("floor", "the floor is"),
        ("floor lamp", "a floor lamp is"),
        ("wooden floor", "a wooden floor is"),
        ("orange", "an orange is"),
    ],
)
def test_labels_of_open_sets_get_their_article_and_verb(label: str, expected: str) -> None:
    assert f"{article(label)} {label} {verb(label, 'is', 'are')}" == expected


def test_a_second_sky_is_another() -> None:
    assert article("sky", again=True) == "another"


def test_what_is_not_unique_is_told_with_its_box() -> None:
    chair = Thing("chair", (1, 2, 3, 4), unique=False)
    fact = Fact(chair, "next to", Thing("table", (5, 6, 7, 8)))
    tagged = "<ref>chair</ref><box>[[1, 2, 3, 4]]</box>"
    for seed in range(30):
        told = write_relation(fact, random.Random(seed))
        assert tagged in told and "chair" not in told.replace(tagged, "")
    assert chair.the == f"the {tagged}"
    assert chair.a == f"a {tagged}"


def test_a_layer_with_something_that_reaches_around_another_is_not_flat() -> None:
    table, mug, wall = (0, (1.0, 2.0)), (1, (1.2, 1.3)), (2, (3.0, 3.1))
    assert flat_layers(dict([table, mug, wall]), [[1], [0], [2]]) == [True, False, True]
    assert flat_layers({}, []) == []


def test_say_fills_slots_and_starts_with_a_capital() -> None:
    assert say(random.Random(0), ("{thing} {is} here.",), thing="the {mug}", **{"is": "is"}) == (
        "The {mug} is here."
    )
