import dataclasses
import itertools

import numpy as np
import pytest

from spacesgg_ros.graph import (
    INVERSES,
    VSD_LABELS,
    Extent3D,
    GraphError,
    GroundExtent,
    RelationConfig,
    RelationSource,
    SceneObject,
    SceneRelation,
    Viewpoint,
    judge_pair,
    measure_relations,
    merge_relations,
    normalize_predicate,
    resolve_predicate,
)

S = RelationSource
SMALL = (0.08, 0.1, 0.08)


def thing(index, x, y, z, size=SMALL):
    """An object of a level camera: x right, y DOWN, z forward."""
    extent = Extent3D((x, y, z), size, z - 0.04, z, z + 0.04, 0.001, 500)
    return SceneObject(index, f"thing {index}", (0, 0, 10, 10), extent=extent)


def triples(relations):
    return [(r.subject_id, r.predicate, r.object_id) for r in relations]


TRAY = thing(1, 0, 0.1, 1, (0.4, 0.02, 0.3))
ON_TRAY = thing(2, 0.05, 0.04, 1)  # its lowest point, y = 0.09, is the tray's top


@pytest.mark.parametrize(
    ("other", "predicate"),
    [
        pytest.param(thing(2, -0.2, 0, 1), "to the left of", id="left"),
        pytest.param(thing(2, 0.2, 0, 1), "to the right of", id="right"),
        pytest.param(thing(2, 0, 0, 0.8), "in front of", id="nearer"),
        pytest.param(thing(2, 0, 0, 1.2), "behind", id="farther"),
        pytest.param(thing(2, 0, -0.2, 1), "above", id="higher"),
        pytest.param(thing(2, 0, 0.2, 1), "under", id="lower"),
        pytest.param(thing(2, 0, -0.1, 1), "on", id="touching"),
        pytest.param(thing(2, 0.1, 0, 1), "next to", id="beside"),
        pytest.param(thing(2, 0, 0, 1, (0.03, 0.03, 0.03)), "in", id="inside"),
    ],
)
def test_every_label_is_measured(other, predicate):
    evidence = judge_pair(other, thing(1, 0, 0, 1))
    assert evidence.keys() == set(VSD_LABELS)
    assert evidence[predicate].support >= 1
    assert evidence[predicate].refutation < 1


@pytest.mark.parametrize("label", ["to the left of", "behind", "above", "next to"])
def test_what_holds_is_refuted_the_other_way_round(label):
    places = {"to the left of": (-0.2, 0, 1), "behind": (0, 0, 1.2), "above": (0, -0.2, 1)}
    a, b = thing(1, 0, 0, 1), thing(2, *places.get(label, (0.1, 0, 1)))
    assert judge_pair(b, a)[label].support >= 1
    inverse = judge_pair(a, b)
    assert inverse[INVERSES[label]].support >= 1
    if INVERSES[label] != label:
        assert inverse[label].refutation >= 1


def test_what_stands_on_something_is_said_once():
    assert triples(measure_relations([TRAY, ON_TRAY])) == [(2, "on", 1)]


def test_the_upper_object_is_the_subject_whatever_the_order():
    first, second = dataclasses.replace(ON_TRAY, id=1), dataclasses.replace(TRAY, id=2)
    assert triples(measure_relations([first, second])) == [(1, "on", 2)]


def test_what_stands_inside_a_rim_is_on_the_tray():
    rimmed = thing(1, 0, 0.075, 1, (0.4, 0.05, 0.3))
    assert triples(measure_relations([rimmed, ON_TRAY])) == [(2, "on", 1)]


def test_neighbours_get_next_to_and_a_direction():
    found = measure_relations([thing(1, 0, 0, 1), thing(2, 0.11, 0, 1)])
    assert triples(found) == [(1, "next to", 2), (1, "to the left of", 2)]
    assert found[0].source is S.GEOMETRY
    assert found[0].offset == pytest.approx((-0.11, 0, 0))
    assert found[0].distance_m == pytest.approx(0.03)
    assert 0.5 <= found[0].score <= 1


def test_the_smaller_object_is_the_subject():
    large = thing(1, 0, 0, 1, (0.3, 0.1, 0.3))
    assert (2, "to the right of", 1) in triples(measure_relations([large, thing(2, 0.3, 0, 1)]))


@pytest.mark.parametrize(
    ("view", "predicate"),
    [
        (Viewpoint.CAMERA, "to the right of"),
        (Viewpoint.BACK, "to the left of"),
        (Viewpoint.LEFT, "behind"),
        (Viewpoint.RIGHT, "in front of"),
    ],
)
def test_views_turn_right(view, predicate):
    found = measure_relations([thing(1, 0.2, 0, 1), thing(2, 0, 0, 1)], viewpoint=view)
    assert (1, predicate, 2) in triples(found)


@pytest.mark.parametrize(
    ("view", "predicate"),
    [
        (Viewpoint.CAMERA, "behind"),
        (Viewpoint.BACK, "in front of"),
        (Viewpoint.LEFT, "to the left of"),
        (Viewpoint.RIGHT, "to the right of"),
    ],
)
def test_views_turn_far(view, predicate):
    found = measure_relations([thing(1, 0, 0, 1.2), thing(2, 0, 0, 1)], viewpoint=view)
    assert (1, predicate, 2) in triples(found)


@pytest.mark.parametrize("view", Viewpoint)
def test_no_view_changes_what_rests_on_what(view):
    assert triples(measure_relations([TRAY, ON_TRAY], viewpoint=view)) == [(2, "on", 1)]


def test_a_tilted_camera_does_not_mix_height_into_depth():
    # 45 degrees down: a step along the ground is as far down the image as into the scene.
    up = (0.0, -np.sqrt(0.5), -np.sqrt(0.5))
    step = 0.2 * np.array([0, -np.sqrt(0.5), np.sqrt(0.5)])
    far = thing(1, step[0], step[1], 1 + step[2], (0.05, 0.05, 0.05))
    near = thing(2, 0, 0, 1, (0.05, 0.05, 0.05))
    assert triples(measure_relations([far, near], up=up)) == [(1, "behind", 2)]


def test_intervals_along_gravity_are_preferred():
    ground = GroundExtent((0.0, -1.0, 0.0), (-0.2, 0.2), (0.85, 1.15), (-0.11, -0.09))
    tall = dataclasses.replace(TRAY.extent, size=(0.4, 0.3, 0.3), ground=ground)
    tray = dataclasses.replace(TRAY, extent=tall)
    assert triples(measure_relations([tray, ON_TRAY])) == [(2, "on", 1)]


def test_objects_without_depth_take_no_part():
    assert measure_relations([SceneObject(1, "poster", (0, 0, 9, 9)), TRAY]) == ()


def test_far_pairs_are_not_reported():
    row = [thing(i, 0.3 * i, 0, 1) for i in range(1, 9)]
    assert len({(r.subject_id, r.object_id) for r in measure_relations(row)}) == 0
    near = [thing(i, 0.15 * i, 0, 1) for i in range(1, 13)]
    pairs = {frozenset((r.subject_id, r.object_id)) for r in measure_relations(near)}
    assert len(pairs) <= 12 * RelationConfig().neighbours


def test_a_relation_at_the_edge_of_its_band_does_not_flicker():
    rng = np.random.default_rng(0)
    held, seen = frozenset(), []
    for offset in 0.031 + 0.003 * rng.standard_normal(60):
        found = measure_relations([thing(1, 0, 0, 1), thing(2, offset, 0, 1.005)], held=held)
        held = frozenset(triples(found))
        seen.append(any("of" in p for _, p, _ in held))
    assert sum(a != b for a, b in itertools.pairwise(seen)) <= 1
    assert seen[-1]


def test_left_does_not_turn_into_behind_by_noise():
    rng = np.random.default_rng(0)
    held, seen = frozenset(), set()
    for noise in 0.005 * rng.standard_normal(60):
        found = measure_relations([thing(1, 0, 0, 1), thing(2, 0.2, 0, 1.2 + noise)], held=held)
        held = frozenset(triples(found))
        seen.add(held)
    assert len(seen) == 1


def model(subject, predicate, target):
    return SceneRelation(subject, predicate, target, S.MODEL)


def merged(objects, *said):
    return merge_relations(said, measure_relations(objects), objects)


@pytest.mark.parametrize(
    ("predicate", "source"),
    [
        pytest.param("on", S.BOTH, id="agrees"),
        pytest.param("sitting on top of", S.BOTH, id="synonym agrees"),
        pytest.param("under", S.CONTRADICTED, id="refuted"),
        pytest.param("to the left of", S.MODEL, id="dead band"),
        pytest.param("made of", S.MODEL, id="not measured"),
    ],
)
def test_depth_judges_the_models_word(predicate, source):
    found = merged([TRAY, ON_TRAY], model(2, predicate, 1))
    assert (found[0].predicate, found[0].source) == (predicate, source)
    assert found[0].offset == pytest.approx((0.05, -0.06, 0))


def test_contains_is_judged_with_places_swapped():
    bowl, nut = thing(1, 0, 0, 1, (0.2, 0.1, 0.2)), thing(2, 0, 0, 1, (0.03, 0.03, 0.03))
    found = merged([bowl, nut], model(1, "contains", 2))
    assert [(r.predicate, r.source) for r in found] == [("contains", S.BOTH)]


def test_a_measured_relation_is_not_said_twice():
    found = merged([TRAY, ON_TRAY], model(2, "on", 1))
    assert [(r.predicate, r.source) for r in found] == [("on", S.BOTH)]


def test_the_inverse_of_the_models_word_is_not_said_again():
    objects = [thing(1, 0, 0, 1), thing(2, 0.15, 0, 1)]
    found = merged(objects, model(2, "to the right of", 1))
    assert [r.predicate for r in found if "of" in r.predicate] == ["to the right of"]


def test_a_contradicted_word_stands_beside_the_measured_one():
    found = merged([TRAY, ON_TRAY], model(2, "under", 1))
    assert {(r.predicate, r.source) for r in found} == {
        ("under", S.CONTRADICTED), ("on", S.GEOMETRY),
    }  # fmt: skip


def test_without_depth_the_models_word_stays_its_own():
    flat = SceneObject(3, "poster", (0, 0, 9, 9))
    found = merged([TRAY, flat], model(3, "behind", 1))
    assert (found[0].source, found[0].offset, found[0].distance_m) == (S.MODEL, None, None)


def test_a_word_about_objects_that_are_gone_is_dropped():
    assert merged([TRAY], model(1, "on", 7)) == ()


@pytest.mark.parametrize(
    ("predicate", "label"),
    [(label, label) for label in VSD_LABELS]
    + [
        ("On Top Of", "on"),
        ("inside", "in"),
        ("beneath", "under"),
        ("below", "under"),
        ("over", "above"),
        ("beside", "next to"),
        ("adjacent to", "next to"),
        ("at the right side of", "to the right of"),
        ("left of", "to the left of"),
        ("at the back of", "behind"),
        ("ahead of", "in front of"),
        ("is standing on", "on"),
        ("in_front_of", "in front of"),
        ("contains", None),
        ("facing", None),
        ("touching", None),
        ("", None),
        ("sitting", None),
    ],
)
def test_predicates_are_normalised(predicate, label):
    assert normalize_predicate(predicate) == label


def test_contains_resolves_with_places_swapped():
    assert resolve_predicate("contains") == ("in", True)


def test_a_configuration_that_makes_no_sense_is_refused():
    with pytest.raises(GraphError, match="hysteresis"):
        RelationConfig(hysteresis=0)
