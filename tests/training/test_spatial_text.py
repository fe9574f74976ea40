"""Sentences about where things are: grammar, golden cases, and the algebra of views."""

from __future__ import annotations

import random
from collections.abc import Sequence

import pytest

pytest.importorskip("hypothesis")

from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from spacesgg_ros.graph import VSD_LABELS, Extent3D, SceneObject, Viewpoint, judge_pair
from spacesgg_ros.graph.predicates import DIRECTIONAL, INVERSES
from spacesgg_ros.training.data import spatial_text as text
from spacesgg_ros.training.data.grammar import article, is_plural, join_names, number_word, verb
from spacesgg_ros.training.data.spatial_text import Fact, Thing, turn_view

MUG = Thing("mug", (100, 500, 200, 600))
SPOON = Thing("spoon", (300, 510, 400, 620))
SCISSORS = Thing("scissors", (500, 500, 600, 600))
MUG_TEXT = "<ref>mug</ref><box>[[100, 500, 200, 600]]</box>"
SPOON_TEXT = "<ref>spoon</ref><box>[[300, 510, 400, 620]]</box>"
LEFT_OF = Fact(MUG, "to the left of", SPOON)


class First(random.Random):
    """Always the first paraphrase, the first side, the first order."""

    def choice(self, seq: Sequence) -> object:  # type: ignore[override]
        return seq[0]

    def random(self) -> float:
        return 0.0

    def randrange(self, *args: int) -> int:  # type: ignore[override]
        return 0

    def shuffle(self, x: list) -> None:  # type: ignore[override]
        pass


@pytest.mark.parametrize(
    ("label", "expected"),
    [
        ("mug", "a mug is"),
        ("apple", "an apple is"),
        ("hour glass", "an hour glass is"),
        ("utensil", "a utensil is"),
        ("umbrella", "an umbrella is"),
        ("uniform", "a uniform is"),
        ("unicycle", "a unicycle is"),
        ("TV stand", "a TV stand is"),
        ("LED lamp", "an LED lamp is"),
        ("x ray", "an x ray is"),
        ("office chair", "an office chair is"),
        ("scissors", "some scissors are"),
        ("folded clothes", "some folded clothes are"),
        ("french fries", "some french fries are"),
        ("shelves", "some shelves are"),
        ("wine glass", "a wine glass is"),
        ("cactus", "a cactus is"),
        ("french press", "a french press is"),
        ("lens", "a lens is"),
        ("bread", "some bread is"),
        ("tape measure", "a tape measure is"),
        ("chest of drawers", "a chest of drawers is"),
        ("toilet paper", "some toilet paper is"),
    ],
)
def test_articles_and_verbs_agree(label: str, expected: str) -> None:
    assert f"{article(label)} {label} {verb(label, 'is', 'are')}" == expected


def test_a_further_one_of_a_name_is_another() -> None:
    labels = ("mug", "scissors", "bread")
    assert [article(label, again=True) for label in labels] == ["another", "more", "more"]


@pytest.mark.parametrize(
    ("names", "expected"),
    [([], ""), (["a"], "a"), (["a", "b"], "a and b"), (["a", "b", "c"], "a, b and c")],
)
def test_lists_read_as_english(names: list[str], expected: str) -> None:
    assert join_names(names) == expected
    assert number_word(len(names)) == ["no", "one", "two", "three"][len(names)]


def test_caption_names_things_once_and_says_when_there_are_more() -> None:
    things = [MUG, MUG, SCISSORS]
    table = Thing("table", (0, 0, 999, 999))
    assert text.write_caption(things, table, True, First()) == "A mug and some scissors on a table."
    assert (
        text.write_caption(things, None, False, First())
        == "There is a mug, some scissors and other things."
    )
    assert text.write_caption([SCISSORS], None, True, First()) == "There are some scissors."


def test_description_goes_layer_by_layer_then_tells_relations() -> None:
    another = Thing("mug", (0, 0, 10, 10))
    written = text.write_description([[MUG, SPOON], [another]], [True, True], [LEFT_OF], First())
    assert written == (
        f"Layer 1: A {MUG_TEXT} and a {SPOON_TEXT}.\n"
        "Layer 2: Another <ref>mug</ref><box>[[0, 0, 10, 10]]</box>.\n"
        "The mug is <pred>to the left of</pred><box>[[100, 500, 200, 600]]</box>"
        "<box>[[300, 510, 400, 620]]</box> the spoon."
    )


def test_nothing_is_called_nearest_or_farthest_that_reaches_through_the_scene() -> None:
    words = {
        text.write_description([[MUG], [SPOON]], [False, False], [], random.Random(k)).lower()
        for k in range(40)
    }
    assert not any("near" in w or "far" in w or "front" in w or "back" in w for w in words)


def test_vsd_answers() -> None:
    on = Fact(MUG, "on", SPOON)
    under = Fact(SPOON, "under", MUG)
    assert text.write_relation(LEFT_OF, First()) == "The mug is to the left of the spoon."
    assert text.write_open_description(on, under, True, First()) == (
        "The mug is on the spoon.\nThe spoon is under the mug.\nThe spoon carries the mug."
    )
    assert text.write_open_description(Fact(MUG, "in", SPOON), None, True, First()) == (
        "The mug is in the spoon.\nThe spoon contains the mug.\nThe mug is inside the spoon."
    )


def test_nearer_is_said_only_where_depth_agrees() -> None:
    front = Fact(MUG, "in front of", SPOON)
    behind = Fact(SPOON, "behind", MUG)
    assert text.write_open_description(front, behind, True, First()).endswith(
        "\nThe mug is nearer to the camera than the spoon."
    )
    assert text.write_open_description(front, behind, False, First()) == (
        "The mug is in front of the spoon.\nThe spoon is behind the mug."
    )


@pytest.mark.parametrize(
    ("fact", "question", "answer"),
    [
        (LEFT_OF, "farther to the left", "The mug."),
        (Fact(MUG, "to the right of", SPOON), "farther to the left", "The spoon."),
        (Fact(MUG, "behind", SPOON), "nearer to the camera", "The spoon."),
        (Fact(MUG, "on", SPOON), "higher", "The mug."),
        (Fact(SPOON, "under", MUG), "higher", "The mug."),
        (Fact(SCISSORS, "in front of", MUG), "nearer to the camera", "The scissors."),
    ],
)
def test_choices(fact: Fact, question: str, answer: str) -> None:
    asked, said = text.write_choice(fact, First()) or ("", "")
    assert question in asked and said == answer
    assert fact.subject.tagged in asked and fact.object.tagged in asked


def test_no_choice_is_asked_where_a_relation_decides_none() -> None:
    for predicate in ("in", "next to"):
        assert text.write_choice(Fact(MUG, predicate, SPOON), First()) is None


def test_yes_and_no() -> None:
    asked = f"the {MUG_TEXT} {{}} the {SPOON_TEXT}?"
    assert text.write_yes_no(LEFT_OF, random.Random(1))[0].startswith("Is the <ref>")
    questions = {text.write_yes_no(LEFT_OF, random.Random(k)) for k in range(60)}
    assert questions == {
        ("Is " + asked.format("to the left of"), "Yes."),
        ("Is " + asked.format("to the left of"), "Yes, the mug is to the left of the spoon."),
        ("Is " + asked.format("to the right of"), "No."),
        ("Is " + asked.format("to the right of"), "No, the mug is to the left of the spoon."),
    }
    only_yes = {text.write_yes_no(Fact(MUG, "in", SPOON), random.Random(k))[1] for k in range(40)}
    assert only_yes == {"Yes.", "Yes, the mug is in the spoon."}


def test_counts_are_words() -> None:
    table = Thing("table", (0, 0, 9, 9))
    assert text.write_count(3, "on", table, First()) == (
        "How many objects are on the <ref>table</ref><box>[[0, 0, 9, 9]]</box>?",
        "Three.",
    )
    said = {text.write_count(1, "on", None, random.Random(k))[1] for k in range(20)}
    assert said == {"One.", "There is one."}


def test_a_scene_seen_from_three_sides() -> None:
    sides = [Viewpoint.LEFT, Viewpoint.RIGHT, Viewpoint.BACK]
    assert text.write_views(LEFT_OF, sides, First()) == [
        (
            f"The {MUG_TEXT} is to the left of the {SPOON_TEXT}. "
            "How does this look from the left side?",
            "Seen from the left side, what was on the left is now near, "
            "so the mug is in front of the spoon.",
        ),
        (
            "And from the right side?",
            "Seen from the right side, what was on the left is now far, "
            "so the mug is behind the spoon.",
        ),
        (
            "And from the back?",
            "Seen from the back, what was on the left is now on the right, "
            "so the mug is to the right of the spoon.",
        ),
    ]
    assert text.write_unchanged(Fact(SCISSORS, "on", MUG), First()) == (
        f"And the {SCISSORS.tagged}: are they still on the {MUG_TEXT}?",
        "Only the view changes, not the things, so the scissors are still on the mug.",
    )


PREDICATES = st.sampled_from(VSD_LABELS)
VIEWS = st.sampled_from(Viewpoint)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(PREDICATES)
def test_four_quarter_turns_change_nothing(predicate: str) -> None:
    turned = predicate
    for _ in range(4):
        turned = turn_view(turned, Viewpoint.LEFT)
    assert turned == predicate == turn_view(predicate, Viewpoint.CAMERA)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(PREDICATES)
def test_left_then_right_is_home_and_two_quarters_are_the_back(predicate: str) -> None:
    left = turn_view(predicate, Viewpoint.LEFT)
    assert turn_view(left, Viewpoint.RIGHT) == predicate
    assert turn_view(left, Viewpoint.LEFT) == turn_view(predicate, Viewpoint.BACK)


def test_from_the_back_near_and_far_and_left_and_right_swap() -> None:
    for predicate in DIRECTIONAL:
        assert turn_view(predicate, Viewpoint.BACK) == INVERSES[predicate]


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(PREDICATES, VIEWS)
def test_views_keep_inverses_and_leave_heights_alone(predicate: str, view: Viewpoint) -> None:
    turned = turn_view(predicate, view)
    if predicate in DIRECTIONAL:
        assert turn_view(INVERSES[predicate], view) == INVERSES[turned]
    else:
        assert turned == predicate


def _cube(identity: int, x: float, z: float) -> SceneObject:
    extent = Extent3D((x, 0.0, z), (0.1, 0.1, 0.1), z - 0.05, z, z + 0.05, 0.01, 400)
    return SceneObject(identity, "cube", (0.0, 0.0, 1.0, 1.0), extent=extent)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.floats(-2, 2), st.floats(-2, 2), VIEWS)
def test_views_turn_as_the_measured_relations_do(x: float, z: float, view: Viewpoint) -> None:
    assume(max(abs(x), abs(z)) > 0.3 and abs(abs(x) - abs(z)) > 0.2)
    a, b = _cube(1, x, z + 5), _cube(2, 0, 5)

    def best(seen_from: Viewpoint) -> str:
        evidence = judge_pair(a, b, viewpoint=seen_from)
        assert evidence is not None
        return max(DIRECTIONAL, key=lambda label: evidence[label].support)

    assert turn_view(best(Viewpoint.CAMERA), view) == best(view)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.integers(0, 10**6), PREDICATES, st.sampled_from([MUG, SCISSORS]))
def test_paraphrases_are_sentences(seed: int, predicate: str, subject: Thing) -> None:
    rng = random.Random(seed)
    fact = Fact(subject, predicate, SPOON)
    said = [text.write_relation(fact, rng), *text.write_where(fact, rng)]
    said += [part for exchange in (text.write_yes_no(fact, rng),) for part in exchange]
    for sentence in said:
        assert sentence[0].isupper() and sentence[-1] in ".?"
        assert "  " not in sentence and "{" not in sentence
        if is_plural(subject.label) and predicate in sentence:
            assert "scissors is " not in sentence and "a scissors" not in sentence
