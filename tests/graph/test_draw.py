import numpy as np
import pytest

from spacesgg_ros.graph import (
    Extent3D,
    RelationSource,
    SceneGraph,
    SceneObject,
    SceneRelation,
    annotate,
)

EXTENT = Extent3D((0, 0, 1), (0.1, 0.1, 0.1), 1, 1, 1, 0, 9)
OBJECTS = tuple(
    SceneObject(i, f"thing {i}", (60.0 * i, 40.0 * i, 60.0 * i + 90, 40.0 * i + 70), extent=EXTENT)
    for i in range(1, 9)
)
RELATIONS = tuple(
    SceneRelation(i, "next to", i % 8 + 1, source)
    for i, source in zip(range(1, 9), [*RelationSource] * 2, strict=True)
)
GRAPH = SceneGraph(1, "cam", 640, 480, OBJECTS, RELATIONS)
GREY = np.full((480, 640, 3), 90, np.uint8)


def test_the_picture_is_a_copy_with_boxes_on_it():
    picture = annotate(GREY, GRAPH)
    assert picture.shape == GREY.shape and picture.dtype == np.uint8
    assert (GREY == 90).all()
    assert (picture[50:70, 60] != 90).any()


def test_a_graph_without_objects_changes_nothing():
    assert (annotate(GREY, SceneGraph(1, "cam", 640, 480)) == GREY).all()


@pytest.mark.parametrize("size", [(1, 1), (0, 0), (48, 64), (1080, 1920)])
def test_any_image_size_is_drawn_on(size):
    assert annotate(np.zeros((*size, 3), np.uint8), GRAPH).shape == (*size, 3)


def test_a_read_only_picture_is_drawn_on():
    locked = GREY.copy()
    locked.setflags(write=False)
    assert (annotate(locked, GRAPH) != 90).any()


def test_odd_graphs_are_drawn():
    box = (-500.0, -500.0, 5000.0, 5000.0)
    objects = (SceneObject(1, "a" * 200, box), SceneObject(2, "größer", (5, 5, 5, 5)))
    relations = (
        SceneRelation(1, "on", 1, RelationSource.MODEL),
        SceneRelation(1, "on", 9, RelationSource.MODEL),
        SceneRelation(1, "on", 2, RelationSource.MODEL),
    )
    annotate(GREY, SceneGraph(1, "cam", 640, 480, objects, relations))
