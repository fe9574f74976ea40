import io
import json
from types import SimpleNamespace as Message

from rich.console import Console

from spacesgg_ros.demo.graph_messages import graph_from_message
from spacesgg_ros.demo.statistics import (
    Answer,
    GraphStatistics,
    NodeReport,
    percentile,
    summarize,
)
from spacesgg_ros.demo.terminal import progress_line, render
from spacesgg_ros.graph.types import (
    Extent3D,
    RelationSource,
    SceneGraph,
    SceneObject,
    SceneRelation,
)

MS = 1_000_000
MUG = SceneObject(
    1, "[red]mug", (1, 2, 3, 4), extent=Extent3D((0, 0, 1), (0.1, 0.1, 0.1), 0.9, 1, 1.1, 0.01, 50)
)
PLATE = SceneObject(2, "plate", (5, 6, 7, 8))


def graph(index, keyframe=0, objects=(MUG, PLATE)):
    """Graph ``index`` of a 10 Hz camera."""
    relation = SceneRelation(1, "on", 2, RelationSource.BOTH, distance_m=0.0)
    return SceneGraph(
        stamp_ns=1000 * MS + index * 100 * MS,
        frame_id="camera",
        width=640,
        height=480,
        objects=objects,
        relations=(relation,) if objects else (),
        sequence=index + 1,
        keyframe_stamp_ns=keyframe,
        model_id="tabletop",
        stage_ms={"track": 2.0},
    )


def run(count, age_ms=20, **kwargs):
    statistics = GraphStatistics()
    for index in range(count):
        item = graph(index, **kwargs)
        statistics.add(item, item.stamp_ns + age_ms * MS)
    return statistics


def test_rate_and_age_follow_the_stamps():
    statistics = run(11)
    assert statistics.rate_hz == 10.0
    assert statistics.recent_age_ms(50) == 20.0


def test_the_recent_rate_falls_when_graphs_stop():
    statistics = run(11)
    last = graph(10).stamp_ns
    assert round(statistics.recent_rate_hz(last + 50 * MS), 1) == 10.0
    assert statistics.recent_rate_hz(last + 2000 * MS) < 5
    assert statistics.recent_rate_hz(last + 20_000 * MS) == 0.0


def test_keyframes_are_counted_once():
    statistics = run(3, keyframe=5)
    statistics.add(graph(3, keyframe=6), graph(3).stamp_ns)
    assert statistics.model_keyframes == 2


def test_graphs_published_before_listening_count_as_published():
    statistics = GraphStatistics()
    statistics.add(graph(4), graph(4).stamp_ns)
    assert (statistics.graphs, statistics.published) == (1, 5)


def test_percentiles_are_nearest_rank():
    values = [float(v) for v in range(1, 101)]
    assert (percentile(values, 50), percentile(values, 95)) == (50.0, 95.0)
    assert percentile([7.0], 95) == 7.0
    assert percentile([], 50) is None


def test_what_normal_work_skips_is_no_drop():
    report = NodeReport()
    values = {"skipped.keyframe_superseded": "300", "drops.frame_bad_image": "2", "drops.x": "0"}
    report.update("scene_graph: camera", 0, "ok", values)
    assert report.drops == {"frame_bad_image": 2}
    assert report.skipped == {"keyframe_superseded": 300}
    assert report.frames_left_out == 2


def test_a_model_that_cannot_be_loaded_is_reported():
    report = NodeReport()
    report.update("scene_graph: camera", 2, "no image", {})
    assert report.model_failure == ""
    report.update("scene_graph: model", 2, "cannot be loaded: no folder", {"state": "failed"})
    assert report.model_failure == "cannot be loaded: no folder"


def test_the_summary_is_json_and_complete():
    report = NodeReport()
    report.update("m", 0, "ok", {"runtime": "onnx", "provider_used": "cpu", "precision": "int8"})
    answer = Answer("mug on plate?", True, "The mug is on the plate.", (1, 2))
    summary = summarize(run(11, keyframe=5), report, 12, answer).to_dict()
    assert json.loads(json.dumps(summary)) == {
        "ok": True,
        "frames_in": 12,
        "graphs_out": 11,
        "graphs_received": 11,
        "model_keyframes": 1,
        "rate_hz": 10.0,
        "age_ms": {"p50": 20.0, "p95": 20.0},
        "objects": 2,
        "relations": 1,
        "labels": ["[red]mug", "plate"],
        "drops": {},
        "skipped": {},
        "query": {
            "question": "mug on plate?",
            "ok": True,
            "text": "The mug is on the plate.",
            "object_ids": [1, 2],
        },
        "model": "tabletop",
        "provider": "onnx cpu int8",
        "problem": "",
    }


def test_a_run_without_a_keyframe_is_not_ok():
    assert not summarize(run(3), NodeReport(), 3, None).ok
    assert not summarize(GraphStatistics(), NodeReport(), 0, None).ok


def test_the_last_graph_with_objects_is_summed_up():
    statistics = run(3, keyframe=5)
    statistics.add(graph(3, keyframe=5, objects=()), graph(3).stamp_ns)
    assert summarize(statistics, NodeReport(), 4, None).objects == 2


def shown(statistics, report=None, answer=None):
    console = Console(width=100, record=True, file=io.StringIO())
    console.print(render(statistics, report or NodeReport(), answer, graph(3).stamp_ns))
    return console.export_text()


def test_the_terminal_shows_objects_relations_and_the_answer():
    text = shown(run(3, keyframe=5), answer=Answer("mug?", True, "It is there."))
    assert "1.00" in text
    assert "model + depth" in text
    assert "It is there." in text


def test_labels_are_shown_as_they_are_not_as_markup():
    assert "[red]mug" in shown(run(1))


def test_the_terminal_waits_for_the_first_graph():
    report = NodeReport()
    report.update("m", 0, "ok", {"state": "loading"})
    assert "the model is loading" in shown(GraphStatistics(), report)
    assert "loading" in progress_line(GraphStatistics(), report, 0)


def test_a_progress_line_needs_no_terminal():
    line = progress_line(run(11, keyframe=5), NodeReport(), graph(10).stamp_ns)
    assert line == "11 graphs, 10.0 Hz, age 20 ms, 1 keyframes read, 2 objects, 1 relations"


def time(ns):
    return Message(sec=ns // 10**9, nanosec=ns % 10**9)


def test_a_message_becomes_the_graph_it_was_made_from():
    item = Message(
        id=7, label="mug", score=0.5, layer=2, confirmed_age=time(10**9), has_position=True,
        roi=Message(x_offset=1, y_offset=2, width=3, height=4),
        position=Message(x=1.0, y=2.0, z=3.0), size=Message(x=0.1, y=0.2, z=0.3),
        depth_min=1.0, depth_median=2.0, depth_max=3.0, depth_spread=0.1, valid_depth_pixels=9,
    )  # fmt: skip
    edge = Message(
        subject_id=7, predicate="on", object_id=8, source=3, score=1.0, has_measurement=False
    )
    message = Message(
        header=Message(stamp=time(5 * 10**9), frame_id="camera"), sequence=4,
        keyframe_stamp=time(4 * 10**9), image_width=640, image_height=480, objects=[item],
        relations=[edge], model_id="m", stage_times=[Message(stage="lift", milliseconds=2.0)],
    )  # fmt: skip
    got = graph_from_message(message)
    assert (got.stamp_ns, got.keyframe_stamp_ns, got.stage_ms) == (
        5 * 10**9,
        4 * 10**9,
        {"lift": 2},
    )
    assert got.objects[0].box_px == (1, 2, 4, 6)
    assert got.objects[0].extent.position == (1.0, 2.0, 3.0)
    assert got.objects[0].confirmed_stamp_ns == 4 * 10**9
    assert got.relations[0].source is RelationSource.BOTH
    assert got.relations[0].distance_m is None
