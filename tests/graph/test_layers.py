import numpy as np
import pytest

from spacesgg_ros.graph import (
    Extent3D,
    RelationSource,
    SceneGraph,
    SceneObject,
    SceneRelation,
    assign_layers,
    enclosing_layers,
    layered_text,
    parse_graph,
)

NAN = float("nan")


@pytest.mark.parametrize(
    ("intervals", "layers"),
    [
        pytest.param([], [], id="no objects"),
        pytest.param([(1, 2)], [1], id="one object"),
        pytest.param([(2.0, 2.1), (0.5, 0.6), (1.2, 1.3)], [3, 1, 2], id="by depth"),
        pytest.param([(1, 1.2), (1.05, 1.25)], [1, 1], id="same depth"),
        pytest.param([(1, 1.2), (NAN, NAN), (2, 2.2)], [1, 0, 2], id="no depth"),
        pytest.param([(0.5, 3.0), (1, 1.1), (1.8, 1.9)], [2, 1, 2], id="enclosing table"),
        pytest.param([(1, 1), (1, 1), (2, 2)], [1, 1, 2], id="no width"),
    ],
)
def test_layers_are_numbered_near_to_far(intervals, layers):
    assert assign_layers(np.array(intervals).reshape(-1, 2)).tolist() == layers


def test_the_published_rule_in_order_of_depth():
    table, mug, bowl = (0.5, 3.0), (2.0, 2.1), (1.0, 1.1)
    assert enclosing_layers(np.array([table, mug, bowl])) == [[2, 0], [1, 0]]


def test_layers_do_not_depend_on_the_order_of_the_objects():
    rng = np.random.default_rng(0)
    low = rng.uniform(0.5, 3, 12)
    intervals = np.stack([low, low + rng.uniform(0.02, 1, 12)], 1)
    shuffle = rng.permutation(12)
    assert assign_layers(intervals[shuffle]).tolist() == assign_layers(intervals)[shuffle].tolist()


def thing(index, label, box, layer, depth=1.0):
    extent = Extent3D((0, 0, depth), (0.1, 0.1, 0.1), depth, depth, depth, 0, 9)
    return SceneObject(index, label, box, layer=layer, extent=extent)


def test_the_layered_description_reads_back():
    mug, tray = thing(1, "mug", (10, 10, 60, 60), 1), thing(2, "tray", (0, 40, 300, 200), 2)
    flat = SceneObject(3, "poster", (400, 0, 500, 90))
    on = SceneRelation(1, "on", 2, RelationSource.BOTH)
    text = layered_text(SceneGraph(1, "cam", 640, 480, (flat, tray, mug), (on,)))
    assert [line.split(":")[0] for line in text.split("\n")] == [
        "Layer 1", "Layer 2", "Without depth",
    ]  # fmt: skip
    graph = parse_graph(text)
    assert not graph.issues
    assert [(o.label, o.layer) for o in graph.objects][:2] == [("mug", 1), ("tray", 2)]
    assert [(r.subject, r.predicate, r.object) for r in graph.relations] == [(0, "on", 1)]
    assert text.startswith("Layer 1: The <ref>mug</ref><box>[[")
