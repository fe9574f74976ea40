"""Graphs in another frame."""

import numpy as np
import pytest

from spacesgg_ros.graph import (
    Extent3D,
    RelationSource,
    SceneGraph,
    SceneObject,
    SceneRelation,
)
from spacesgg_ros.node.transforms import NoTransforms, rotation_of, transform_graph

CUBE = Extent3D((1.0, 0.0, 2.0), (1.0, 1.0, 1.0), 1.5, 2.0, 2.5, 0.01, 100)
GRAPH = SceneGraph(
    1,
    "camera",
    640,
    480,
    (SceneObject(1, "crate", (0, 0, 9, 9), extent=CUBE), SceneObject(2, "cup", (0, 0, 5, 5))),
    (SceneRelation(1, "on", 2, RelationSource.GEOMETRY, offset=(1.0, 0.0, 0.0), distance_m=0.1),),
    up=(0.0, -1.0, 0.0),
)
QUARTER = np.sqrt(0.5)


def test_a_quaternion_becomes_its_rotation():
    turn = rotation_of(0, 0, QUARTER, QUARTER)  # 90 degrees about z
    np.testing.assert_allclose(turn @ [1, 0, 0], [0, 1, 0], atol=1e-12)
    np.testing.assert_allclose(rotation_of(0, 0, 2 * QUARTER, 2 * QUARTER), turn, atol=1e-12)
    np.testing.assert_array_equal(rotation_of(0, 0, 0, 0), np.eye(3))


def test_positions_offsets_and_up_turn_with_the_frame():
    moved = transform_graph(
        GRAPH, (rotation_of(0, 0, QUARTER, QUARTER), np.array([0, 0, 5])), "map"
    )
    assert moved.frame_id == "map"
    assert moved.objects[0].extent.position == pytest.approx((0, 1, 7))
    assert moved.relations[0].offset == pytest.approx((0, 1, 0))
    assert moved.up == pytest.approx((1, 0, 0))


def test_a_cube_turned_by_45_degrees_needs_a_larger_box():
    turn = rotation_of(0, 0, np.sin(np.pi / 8), np.cos(np.pi / 8))
    moved = transform_graph(GRAPH, (turn, np.zeros(3)), "map")
    assert moved.objects[0].extent.size == pytest.approx((np.sqrt(2), np.sqrt(2), 1.0))


def test_objects_without_a_position_stay():
    moved = transform_graph(GRAPH, (np.eye(3), np.ones(3)), "map")
    assert moved.objects[1] == GRAPH.objects[1]


def test_without_tf_the_reason_is_said():
    assert "tf2_ros is not installed" in NoTransforms().look_up("map", "camera", 1, 0.0)
    rotation, shift = NoTransforms().look_up("camera", "camera", 1, 0.0)
    assert (rotation == np.eye(3)).all() and not shift.any()
