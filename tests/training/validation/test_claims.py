"""Sentences in free English against a scene whose truth was worked out by hand."""

from __future__ import annotations

from dataclasses import replace

import pytest

from spacesgg_ros.graph.types import Viewpoint
from spacesgg_ros.training.data.validation import ProblemKind, ValidationConfig, check_row
from spacesgg_ros.training.data.validation.judge import turn_to_camera

CONFIG = ValidationConfig()
TRUE = (
    "The mug is to the left of the bowl.",
    "The bowl is to the right of the mug.",
    "The bowl stands behind the mug.",
    "In front of the bowl there is a mug.",
    "The mug is closer to the camera than the bowl.",
    "The bowl is farther away than the mug.",
    "The mug is nearer than the lamp.",
    "The lamp hangs above the bowl.",
    "The lamp is higher than the mug.",
    "Seen from the back, the mug is to the right of the bowl.",
    "From the back, the bowl is in front of the mug.",
    "Viewed from the left side, the mug is in front of the bowl.",
    "When viewed from the right, the mug is behind the bowl.",
    "The mug and the bowl are on the table.",
    "There are two chairs.",
    "The spoon is inside the bowl, which is on the table.",
    "The table supports the mug.",
    "The mug is not behind the bowl.",
    "The mug is in layer 1.",
    "On the table are a mug and a bowl.",
    "The mug sits on the table, to the left of the bowl.",
    "Of the two, the mug is on the left and the bowl on the right.",
    "The bowl contains the spoon.",
    "The mug is left of the bowl and in front of the lamp.",
    "The lamp is between the two chairs.",
    "The mug is on the left side.",
    "The mug is the closest object to the camera.",
    "The bowl is on the table and is to the right of the mug.",
    "The mug lies, unlike the chairs, in front of the bowl.",
    "The bowl, located behind the mug, is on the table.",
    "In this picture, the mug is to the left of the bowl.",
    "In the picture the mug and the bowl stand on the table.",
    "In front, a mug stands on the table.",
    "On the left side of the picture, the mug stands on the table.",
    "In this shot, the bowl is behind the mug.",
)

FALSE = (
    "The mug is to the right of the bowl.",
    "The bowl is left of the mug.",
    "The mug stands behind the bowl.",
    "In front of the mug there is a bowl.",
    "The bowl is closer to the camera than the mug.",
    "The mug is farther away than the bowl.",
    "The lamp is nearer than the mug.",
    "The lamp is below the bowl.",
    "The lamp is lower than the mug.",
    "Seen from the back, the mug is to the left of the bowl.",
    "From the back, the bowl is behind the mug.",
    "Viewed from the left side, the mug is behind the bowl.",
    "When viewed from the right, the mug is in front of the bowl.",
    "The mug and the bowl are under the table.",
    "There are three chairs.",
    "The spoon is inside the mug, which is on the table.",
    "The mug supports the table.",
    "The mug is not in front of the bowl.",
    "The mug is in layer 3.",
    "On the mug are a table and a bowl.",
    "The mug sits on the table, to the right of the bowl.",
    "Of the two, the bowl is on the left and the mug on the right.",
    "The spoon contains the bowl.",
    "The mug is left of the bowl and behind the lamp.",
    "The mug is on the right side.",
    "The lamp is the closest object to the camera.",
    "The bowl is on the table and is to the left of the mug.",
    "To the left of the mug, behind it, stands a bowl.",
    "The bowl, located in front of the mug, is on the table.",
    "The mug, unlike the lamp, is behind the bowl.",
    "It can be seen that the bowl is nearer to us than the mug.",
    "The mug is placed on the right of the bowl.",
    "The mug lies beyond the bowl.",
    "The mug is at the back of the bowl.",
    "The bowl is directly in front of the mug.",
    "The bowl is the closest to the viewer.",
    "Compared to the mug, the bowl is closer to the camera.",
    "The bowl appears closer than the mug.",
    "While the mug is farther back, the bowl is closer to the camera.",
    "The mug is further back than the bowl.",
    "The mug is hidden behind the bowl.",
    "The mug lies to the bowl's right.",
    "The bowl is to the mug's left.",
    "The mug is on the right side of the bowl.",
    "On the right is the mug, and on the left is the bowl.",
    "The mug is to the right, and the bowl is to the left.",
    "The bowl is positioned to the left of and in front of the mug.",
    "The bowl is in the foreground while the mug is in the background.",
    "The mug is behind and to the right of the bowl.",
    "In this picture, the mug is to the right of the bowl.",
    "In front, a mug stands on the bowl.",
    "On the left side of the picture, the mug stands behind the bowl.",
    "In this shot, the bowl is in front of the mug.",
)


@pytest.mark.parametrize("sentence", TRUE)
def test_a_true_sentence_passes(sentence, image, row):
    assert check_row(row("caption", ("Describe the picture.", sentence)), image, CONFIG) == []


@pytest.mark.parametrize("sentence", FALSE)
def test_a_false_sentence_is_caught(sentence, image, row):
    problems = check_row(row("caption", ("Describe the picture.", sentence)), image, CONFIG)
    assert problems


@pytest.mark.parametrize("label", ["picture", "picture frame", "photograph"])
@pytest.mark.parametrize(
    "opening",
    ["In this {}, ", "Within the {}, ", "Inside this {} ", "Looking at this picture, "],
)
def test_an_opening_speaks_of_the_picture_whatever_hangs_on_the_wall(label, opening, image, row):
    hung = image.with_objects((*image.objects, replace(image.objects[6], label=label)))
    opening = opening.format(label.split()[-1])
    for sentence, good in (
        ("the mug is to the left of the bowl.", True),
        ("the mug is to the right of the bowl.", False),
    ):
        said = row("caption", ("Describe it.", opening + sentence))
        assert (check_row(said, hung, CONFIG) == []) is good


def test_a_picture_that_is_a_thing_is_still_related(image, row):
    hung = image.with_objects((*image.objects, replace(image.objects[6], label="picture frame")))
    said = row("caption", ("Describe it.", "The spoon is in the picture frame."))
    assert ProblemKind.CONTRADICTED in {p.kind for p in check_row(said, hung, CONFIG)}


def test_two_things_with_one_box_are_told_apart_by_their_names(image, row, related, tagged):
    """A microwave close to the camera fills the picture, as does the table that it stands on."""
    things = list(image.objects)
    things[3] = replace(things[2], label="microwave")
    same = replace(image, objects=tuple(things), relations=((3, "on", 2), (0, "on", 3)))
    box = tagged(2).removeprefix("<ref>table</ref>")
    name = f"<ref>microwave</ref>{box}"
    said = f"There is a {name}. The {tagged(0)} is {{}} the microwave."
    good = said.format(related(0, "on", 2))
    assert check_row(row("caption", ("Describe it.", good)), same, CONFIG) == []
    wrong = said.format(related(0, "under", 2))
    assert check_row(row("caption", ("Describe it.", wrong)), same, CONFIG)


@pytest.mark.parametrize(
    ("sentence", "kind"),
    [
        ("The dog is on the table.", ProblemKind.UNKNOWN_OBJECT),
        ("The mug is next to the sofa.", ProblemKind.UNKNOWN_OBJECT),
        ("The lamp is behind the table.", ProblemKind.AMBIGUOUS_PAIR),
        ("The mug is above the bowl.", ProblemKind.UNSUPPORTED),
    ],
)
def test_what_cannot_be_said_is_caught(sentence, kind, image, row):
    problems = check_row(row("caption", ("Describe the picture.", sentence)), image, CONFIG)
    assert kind in {p.kind for p in problems}


def test_a_claim_without_measurement_passes_only_where_it_may(image, row):
    bare = image.with_objects(tuple(replace(o, measured=None) for o in image.objects))
    said = row("caption", ("Describe the picture.", "The mug is to the left of the bowl."))
    kinds = {p.kind for p in check_row(said, bare, CONFIG)}
    assert kinds == {ProblemKind.UNSUPPORTED}
    assert check_row(said, bare, ValidationConfig(strict=False)) == []


@pytest.mark.parametrize(
    ("seen", "view", "camera"),
    [
        # The viewer on the left looks along +x: the scene's near side is on the right hand.
        ("to the right of", Viewpoint.LEFT, "in front of"),
        ("in front of", Viewpoint.LEFT, "to the left of"),
        ("to the right of", Viewpoint.RIGHT, "behind"),
        ("in front of", Viewpoint.RIGHT, "to the right of"),
        ("behind", Viewpoint.BACK, "in front of"),
        ("to the left of", Viewpoint.BACK, "to the right of"),
        ("to the left of", Viewpoint.CAMERA, "to the left of"),
        ("on", Viewpoint.BACK, "on"),
    ],
)
def test_directions_turn_with_the_view(seen, view, camera):
    assert turn_to_camera(seen, view) == camera
