"""Scene graphs of held-out frames against the truth, as text and as the node reports them."""

from __future__ import annotations

from spacesgg_ros.graph import LiveSceneGraph, decode_box
from spacesgg_ros.graph.types import TextGraph
from spacesgg_ros.vlm import SceneGraphModel

from .frames import TestFrame
from .matching import Labelled, Triplet
from .scores import FrameScore, score_frame


def evaluate_graph(model: SceneGraphModel, frame: TestFrame) -> FrameScore:
    """Let the model write the frame's graph, as the node does, and score it."""
    written = model.write_graph(frame.rgb)
    graph = written.graph
    return score_frame(
        frame.record,
        text_objects(graph, frame.record["width"], frame.record["height"]),
        [(r.subject, r.predicate, r.object) for r in graph.relations],
        measure_triplets(frame, graph),
        valid=not graph.issues and written.finish_reason == "eos",
        tokens=written.token_count,
        milliseconds=written.stage_ms["total"],
    )


def text_objects(graph: TextGraph, width: int, height: int) -> list[Labelled]:
    """Labels and pixel boxes of a parsed text."""
    return [(o.label, decode_box(o.box, width, height)) for o in graph.objects]


def measure_triplets(frame: TestFrame, text: TextGraph) -> list[Triplet]:
    """The relations that the node would publish for this frame."""
    live = LiveSceneGraph()
    live.update(frame.at(1))
    live.add_keyframe(1, text)
    graph = live.update(frame.at(2))
    place: dict[int, Labelled] = {o.id: (o.label, o.box_px) for o in graph.objects}
    return [(place[r.subject_id], r.predicate, place[r.object_id]) for r in graph.relations]
