"""What may be said of a measured image."""

from __future__ import annotations

from dataclasses import replace

import pytest

from spacesgg_ros.graph.types import Viewpoint
from spacesgg_ros.training.data.grounded import GroundedImage, GroundedObject, Order
from spacesgg_ros.training.data.writing.facts import FactConfig, clean_label, read_facts

MUG, CHAIR, OTHER_CHAIR = 1, 3, 4


def _with(image: GroundedImage, *orders: tuple[int, str, int, float]) -> GroundedImage:
    return replace(image, orders=tuple(Order("camera", *order) for order in orders))


def test_measured_things_are_named_near_to_far_with_their_layers(kitchen: GroundedImage) -> None:
    facts = read_facts(kitchen)
    assert [t.label for t in facts.things.values()] == ["mug", "bowl", "table", "chair", "chair"]
    assert facts.layers == ((1, 2), (0,), (3, 4))
    # The table reaches from before the mug to behind it: neither nearest nor farthest.
    assert facts.flat == (True, False, True)
    assert facts.things[MUG].box == (200, 500, 260, 600)


def test_each_order_is_told_once_and_from_one_side(kitchen: GroundedImage) -> None:
    facts = read_facts(_with(kitchen, (3, "behind", 1, 1.2), (2, "to the right of", 1, 0.2)))
    assert facts.compared == ((1, "in front of", 3), (1, "to the left of", 2))
    assert facts.nearer == {(1, 3)}


def test_nothing_is_said_of_an_ambiguous_pair(kitchen: GroundedImage) -> None:
    doubted = replace(kitchen, ambiguous=((3, 1), (1, 0)))
    facts = read_facts(doubted)
    pairs = {frozenset((s, o)) for s, _, o in (*facts.compared, *facts.annotated)}
    assert pairs.isdisjoint({frozenset((1, 3)), frozenset((1, 0))})
    assert not any({s, o} == {1, 3} for found in facts.views.values() for s, _, o in found)


@pytest.mark.parametrize(
    ("order", "why"),
    [
        ((1, "in front of", 3, 0.01), "gap below 2 % of 1.25 m"),
        ((3, "to the left of", 1, 0.5), "the picture has it on the right"),
        ((4, "above", 3, 0.5), "box centres at the same height"),
    ],
)
def test_an_unsure_order_is_not_told(
    kitchen: GroundedImage, order: tuple[int, str, int, float], why: str
) -> None:
    assert read_facts(_with(kitchen, order)).compared == (), why


@pytest.mark.parametrize(
    ("relation", "orders", "told"),
    [
        ((1, "on", 0), (), (1, "on", 0)),
        ((1, "on", 0), ((1, "above", 0, 0.04),), (1, "on", 0)),  # it stands on its top
        ((1, "on", 0), ((1, "under", 0, 0.04),), None),
        ((1, "on", 3), ((1, "in front of", 3, 1.2),), None),  # too far apart to touch
        ((1, "in", 2), ((1, "to the left of", 2, 0.3),), None),
        ((1, "beside", 2), ((1, "to the left of", 2, 0.3),), (1, "beside", 2)),
        ((1, "next to", 3), ((1, "in front of", 3, 1.2),), None),
        ((3, "in front of", 1), ((1, "in front of", 3, 1.2),), None),
        ((1, "behind", 3), ((1, "to the left of", 3, 1.2),), (1, "behind", 3)),
        ((3, "over", 1), ((1, "above", 3, 0.3),), None),
        ((0, "contains", 1), (), (1, "in", 0)),
        ((3, "is facing", 0), (), (3, "facing", 0)),
        ((3, "looking_at", 0), (), (3, "looking at", 0)),
        ((3, "across", 0), (), (3, "across", 0)),
        ((3, "has as a part", 0), (), None),  # does not follow "is"
        ((3, "wears", 0), (), None),
    ],
)
def test_annotated_relations_stand_unless_the_measures_contradict(
    kitchen: GroundedImage, relation: tuple, orders: tuple, told: tuple | None
) -> None:
    image = replace(_with(kitchen, *orders), relations=(relation,))
    assert read_facts(image).annotated == ((told,) if told else ())


def test_above_is_more_than_higher(kitchen: GroundedImage) -> None:
    lamp = replace(kitchen.objects[CHAIR], label="lamp", box_px=(200.0, 10.0, 300.0, 90.0))
    objects = (*kitchen.objects[:3], lamp, kitchen.objects[4])
    over = replace(_with(kitchen, (3, "above", 1, 0.9)), objects=objects, relations=())
    assert read_facts(over).overhead == {(3, 1)}
    near = replace(over, orders=(Order("camera", 3, "above", 1, 0.1),))
    assert near.orders and read_facts(near).overhead == frozenset()
    aside = replace(over, orders=(Order("camera", 3, "above", 2, 0.9),))
    assert read_facts(aside).compared and read_facts(aside).overhead == frozenset()


def test_what_depth_does_not_see_is_not_spoken_of(kitchen: GroundedImage) -> None:
    glass = GroundedObject("glass", (300.0, 500.0, 340.0, 580.0))
    image = replace(kitchen, objects=(*kitchen.objects, glass))
    facts = read_facts(image)
    assert len(facts.things) == 5
    assert facts.flat == (False, False, False)  # the glass may be nearest, or farthest


def test_same_labels_are_not_unique_wherever_they_are_listed(kitchen: GroundedImage) -> None:
    assert not read_facts(kitchen).things[CHAIR].unique
    assert read_facts(kitchen).things[MUG].unique
    another = replace(kitchen, provenance={"ignored": [{"label": "Mug", "box_px": [0, 0, 9, 9]}]})
    assert not read_facts(another).things[MUG].unique


def test_of_two_things_with_one_box_only_one_is_told(kitchen: GroundedImage) -> None:
    double = replace(kitchen.objects[CHAIR], label="armchair")
    image = replace(
        kitchen, objects=(*kitchen.objects, double), layers=((1, 2), (0,), (3, 5, 4)), orders=()
    )
    assert list(read_facts(image).things) == [1, 2, 0, 3, 4]


def test_only_the_nearest_are_told_and_then_nothing_is_farthest(kitchen: GroundedImage) -> None:
    facts = read_facts(kitchen, FactConfig(max_objects=4))
    assert list(facts.things) == [1, 2, 0, 3]
    assert facts.flat == (True, False, False)


def test_an_unmeasured_image_has_no_facts(kitchen: GroundedImage) -> None:
    facts = read_facts(replace(kitchen, layers=(), orders=()))
    assert not facts.things and not facts.layers and not facts.views[Viewpoint.CAMERA]


@pytest.mark.parametrize(
    ("label", "clean"),
    [
        ("mug", "mug"),
        ("a  red\nmug", "red mug"),
        ("the <ref>mug</ref>", "ref mug /ref"),
        ("wine_glass", "wine glass"),
        ("an", "an"),
        ("[[1, 2]]", "1, 2"),
    ],
)
def test_labels_are_cleaned(label: str, clean: str) -> None:
    assert clean_label(label) == clean


@pytest.mark.parametrize("wrong", [{"max_objects": 0}, {"min_gap_share": -1.0}])
def test_a_wrong_configuration_is_refused(wrong: dict) -> None:
    with pytest.raises(ValueError, match="max_objects"):
        FactConfig(**wrong)
