import json

import pytest

from spacesgg_ros.graph import (
    Extent3D,
    GraphError,
    GroundExtent,
    RelationSource,
    SceneGraph,
    SceneObject,
    SceneRelation,
    graph_from_dict,
    graph_to_dict,
)

GROUND = GroundExtent((0.0, -1.0, 0.0), (0.0, 0.1), (0.9, 1.1), (-0.1, 0.0))
EXTENT = Extent3D((0.0, 0.1, 1.0), (0.1, 0.2, 0.3), 0.9, 1.0, 1.1, 0.01, 123, GROUND)
GRAPH = SceneGraph(
    5,
    "cam",
    640,
    480,
    (SceneObject(1, "mug", (1.0, 2.0, 3.0, 4.0), 0.9, 1, EXTENT, 4), SceneObject(2, "a", (0,) * 4)),
    (SceneRelation(1, "on", 2, RelationSource.BOTH, 0.7, (0.1, 0.2, 0.3), 0.0),),
    7,
    4,
    "tiny",
    {"lift": 1.5},
    (0.0, -1.0, 0.0),
)


def test_a_graph_survives_json():
    assert graph_from_dict(json.loads(json.dumps(graph_to_dict(GRAPH)))) == GRAPH


def test_keys_are_field_names_and_sources_words():
    data = graph_to_dict(GRAPH)
    assert data["relations"][0]["source"] == "both"
    assert data["objects"][0]["extent"]["position"] == [0.0, 0.1, 1.0]
    assert data["objects"][1]["extent"] is None


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"colour": 1}, id="unknown key"),
        pytest.param({"objects": [{"id": 1}]}, id="missing key"),
        pytest.param({"objects": 3}, id="no list"),
        pytest.param({"relations": [{"source": "guess"}]}, id="unknown source"),
    ],
)
def test_what_is_no_graph_is_refused(change):
    with pytest.raises(GraphError, match="not a scene graph"):
        graph_from_dict({**graph_to_dict(GRAPH), **change})
