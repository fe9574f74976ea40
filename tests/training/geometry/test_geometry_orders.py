"""Layers near to far, and who is where seen from the four sides."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spacesgg_ros.graph.ground import ground_axes
from spacesgg_ros.graph.predicates import INVERSES
from spacesgg_ros.graph.samples import Samples
from spacesgg_ros.graph.types import Viewpoint
from spacesgg_ros.training.data.geometry.intervals import measure_spans
from spacesgg_ros.training.data.geometry.layers import group_layers
from spacesgg_ros.training.data.geometry.orders import find_gaps, pair_neighbours, tell_orders

NAN = np.nan
ROTATIONS = {
    # Rows right', forward', up' in (right, forward, up): the view algebra of the side views.
    "camera": [[1, 0, 0], [0, 1, 0], [0, 0, 1]],
    "left": [[0, -1, 0], [1, 0, 0], [0, 0, 1]],
    "right": [[0, 1, 0], [-1, 0, 0], [0, 0, 1]],
    "back": [[-1, 0, 0], [0, -1, 0], [0, 0, 1]],
}
LESS_MORE = (("to the left of", "to the right of"), ("in front of", "behind"), ("under", "above"))


def orders_of(low, high, band=0.0):
    low, high = np.array(low, float), np.array(high, float)
    bands = np.full(len(low), band)
    pairs = pair_neighbours(0.5 * (low + high), 16)
    return tell_orders(find_gaps(low, high, bands, pairs), 4)


@pytest.mark.parametrize(
    ("view", "first_to_second"),
    [
        ("camera", {"to the left of", "in front of", "above"}),
        ("left", {"to the right of", "in front of", "above"}),
        ("right", {"to the left of", "behind", "above"}),
        ("back", {"to the right of", "behind", "above"}),
    ],
)
def test_a_pair_seen_from_four_sides(view, first_to_second):
    # The mug is left of, nearer than and higher than the cat.
    mug, cat = ([-1, 1, 0.5], [-0.8, 1.2, 0.7]), ([0.4, 3, 0], [0.9, 3.4, 0.3])

    told = orders_of([mug[0], cat[0]], [mug[1], cat[1]])

    assert {o.predicate for o in told if o.view == view} == first_to_second
    assert all((o.subject, o.target) == (0, 1) for o in told)


def test_the_gap_is_the_distance_of_the_two_intervals():
    told = orders_of([[0, 0, 0], [3, 0, 0]], [[1, 1, 1], [4, 1, 1]])

    assert {(o.view, o.predicate, o.gap) for o in told} == {
        ("camera", "to the left of", 2.0),
        ("left", "in front of", 2.0),
        ("right", "behind", 2.0),
        ("back", "to the right of", 2.0),
    }


def test_every_pair_is_told_once_a_view_and_axis_and_never_both_ways():
    rng = np.random.default_rng(0)
    low = rng.uniform(-2, 2, (8, 3))

    told = orders_of(low, low + 0.2)

    axis_of = {p: axis for axis, pair in enumerate(LESS_MORE) for p in pair}
    keys = [(o.view, frozenset((o.subject, o.target)), axis_of[o.predicate]) for o in told]
    assert len(keys) == len(set(keys)) and {k[0] for k in keys} == set(ROTATIONS)
    assert told == tuple(sorted(told, key=lambda o: list(ROTATIONS).index(o.view)))


@pytest.mark.parametrize(("gap", "told"), [(0.02, 0), (0.029, 0), (0.031, 4)])
def test_a_gap_within_the_dead_band_orders_nothing(gap, told):
    assert len(orders_of([[0, 0, 0], [1 + gap, 0, 0]], [[1, 1, 1], [2, 1, 1]], 0.03)) == told


def test_intervals_that_meet_order_nothing():
    assert orders_of([[0, 0, 0], [0.9, 0.5, 0.2]], [[1, 1, 1], [2, 2, 2]]) == ()


def test_an_unknown_object_is_in_no_order():
    told = orders_of([[0, 0, 0], [NAN] * 3, [3, 0, 0]], [[1, 1, 1], [NAN] * 3, [4, 1, 1]])

    assert {(o.subject, o.target) for o in told} == {(0, 2)}


@pytest.mark.parametrize("up", [None, (0.0, -0.8, -0.6)])
@settings(max_examples=25)
@given(seed=st.integers(0, 10_000))
def test_orders_are_those_of_the_rotated_clouds(up, seed):
    """Rotate every point, measure again, order along the axes: nothing differs."""
    rng = np.random.default_rng(seed)
    points = rng.uniform(-3, 3, (4, 1, 3)) + rng.uniform(-0.4, 0.4, (4, 50, 3)) + (0, 0, 5)
    axes = ground_axes(up)

    def spans(frame):
        x, y, z = np.moveaxis(points, 2, 0)
        return measure_spans(Samples(np.stack([x / z, y / z]), z, z, np.ones(4)), frame, 8, 0.05)

    expected = set()
    for view, rotation in ROTATIONS.items():
        turned = spans(np.array(rotation) @ axes)
        for i in range(4):
            for j in range(i + 1, 4):
                for axis, (less, more) in enumerate(LESS_MORE):
                    if turned.seen_low[j, axis] - turned.seen_high[i, axis] > 1e-6:
                        expected.add((view, i, less, j))
                    if turned.seen_low[i, axis] - turned.seen_high[j, axis] > 1e-6:
                        expected.add((view, i, more, j))

    seen = spans(axes)
    gaps = find_gaps(
        seen.seen_low, seen.seen_high, np.full(4, 1e-6), pair_neighbours(seen.position, 16)
    )
    told = {(o.view, o.subject, o.predicate, o.target) for o in tell_orders(gaps, 4)}
    assert told == expected


def test_two_half_turns_are_none_and_the_sides_are_opposite():
    rng = np.random.default_rng(1)
    low = rng.uniform(-2, 2, (6, 3))
    told = orders_of(low, low + 0.1)
    by_view = {
        v.value: {(o.subject, o.target): o for o in told if o.view == v.value} for v in Viewpoint
    }
    flat = {
        view: {
            (o.subject, o.target, o.predicate)
            for o in told
            if o.view == view and o.predicate not in ("under", "above")
        }
        for view in by_view
    }
    for one, other in (("camera", "back"), ("left", "right")):
        assert {(s, t, INVERSES[p]) for s, t, p in flat[one]} == flat[other]


def test_few_objects_are_all_paired():
    assert len(pair_neighbours(np.random.default_rng(0).normal(size=(17, 3)), 16)) == 17 * 16 // 2


def test_many_objects_are_paired_with_their_nearest():
    line = np.stack([np.arange(50.0), np.zeros(50), np.zeros(50)], axis=1)

    pairs = pair_neighbours(line, 2)

    # The ends of the line reach two to one side; all others have a neighbour on each.
    assert {(a, b) for a, b in pairs.tolist() if b - a > 1} == {(0, 2), (47, 49)}
    assert len(pairs) == 49 + 2
    assert len(pair_neighbours(line, 16)) < 50 * 16


def test_layers_go_near_to_far_whatever_the_order_of_the_objects():
    assert group_layers(np.array([[5, 5.5, 6], [1, 1.5, 2], [3, 3.5, 4.0]])) == ((1,), (2,), (0,))


def test_an_object_is_in_one_layer_or_in_none():
    # A floor that spans two things, and something without depth.
    depth = np.array([[0.5, 2, 5], [1, 1.1, 1.2], [4, 4.1, 4.2], [NAN] * 3])

    layers = group_layers(depth)

    assert sorted(i for layer in layers for i in layer) == [0, 1, 2]
    assert 1 in layers[0] and 2 in layers[1]


def test_within_a_layer_the_nearer_comes_first():
    assert group_layers(np.array([[1.1, 1.6, 2.1], [1, 1.5, 2]])) == ((1, 0),)


def test_nothing_has_no_layers():
    assert group_layers(np.empty((0, 3))) == ()
