"""Graphs as messages, markers and diagnostics."""

import pytest

pytest.importorskip("rclpy", reason="needs the extra 'ros'")
pytest.importorskip("spacesgg_ros.msg", reason="needs the compiled messages")

import numpy as np
from std_msgs.msg import Header

from spacesgg_ros.graph import (
    Extent3D,
    QueryStatus,
    RelationSource,
    SceneGraph,
    SceneObject,
    SceneRelation,
)
from spacesgg_ros.msg import SceneRelation as RelationMessage
from spacesgg_ros.node.describe import DescribeStatus, DescribeTask
from spacesgg_ros.node.diagnostics import (
    DropReporter,
    Level,
    RateMeter,
    Staleness,
    Status,
    judge_input,
    to_message,
)
from spacesgg_ros.node.drops import Drop, DropCounters
from spacesgg_ros.node.markers import MarkerWriter
from spacesgg_ros.node.messages import (
    duration_to_ns,
    graph_to_message,
    ns_to_duration,
    ns_to_stamp,
    rgb_to_message,
    stamp_to_ns,
)
from spacesgg_ros.srv import DescribeRelation, QueryRelations

EXTENT = Extent3D((0.1, 0.2, 0.9), (0.08, 0.1, 0.08), 0.86, 0.9, 0.94, 0.003, 512)
MUG = SceneObject(3, "mug", (10.4, 20.0, 60.2, 90.0), 0.8, 2, EXTENT, 1_500_000_000)
FLAT = SceneObject(4, "poster", (-5.0, 0.0, 700.0, 90.0))
EDGE = SceneRelation(3, "on", 4, RelationSource.BOTH, 0.7, offset=(0.0, -0.1, 0.0), distance_m=0.02)


def graph(*objects, relations=()):
    return SceneGraph(
        2_000_000_000, "camera", 640, 480, objects, relations, 7, 1_500_000_000, "m", {"track": 2.5}
    )


def test_a_graph_keeps_all_it_says():
    message = graph_to_message(graph(MUG, FLAT, relations=(EDGE,)), True)
    assert stamp_to_ns(message.header.stamp) == 2_000_000_000
    assert stamp_to_ns(message.keyframe_stamp) == 1_500_000_000
    assert (message.sequence, message.model_id, message.has_depth) == (7, "m", True)
    assert (message.stage_times[0].stage, message.stage_times[0].milliseconds) == ("track", 2.5)
    mug = message.objects[0]
    assert (mug.id, mug.label, mug.layer, mug.has_position) == (3, "mug", 2, True)
    assert (mug.position.x, mug.size.y, mug.valid_depth_pixels) == (0.1, 0.1, 512)
    assert duration_to_ns(mug.confirmed_age) == 500_000_000
    edge = message.relations[0]
    assert (edge.subject_id, edge.predicate, edge.object_id, edge.source) == (3, "on", 4, 3)
    assert edge.has_measurement and edge.distance == pytest.approx(0.02)


def test_an_object_without_depth_is_there_without_a_position():
    message = graph_to_message(graph(FLAT), False).objects[0]
    assert not message.has_position
    assert (message.roi.x_offset, message.roi.width, message.roi.height) == (0, 640, 90)


def test_a_box_covers_the_pixels_it_touches():
    roi = graph_to_message(graph(MUG), True).objects[0].roi
    assert (roi.x_offset, roi.y_offset, roi.width, roi.height) == (10, 20, 51, 70)


@pytest.mark.parametrize("ns", [0, 1, 999_999_999, 1_000_000_000, 1_700_000_000_123_456_789])
def test_times_survive(ns):
    assert stamp_to_ns(ns_to_stamp(ns)) == ns
    assert duration_to_ns(ns_to_duration(ns)) == ns


def test_a_picture_is_copied_row_by_row():
    rgb = np.arange(24, dtype=np.uint8).reshape(2, 4, 3)
    message = rgb_to_message(rgb[:, ::-1], Header())
    assert (message.step, message.encoding) == (12, "rgb8")
    assert bytes(message.data) == rgb[:, ::-1].tobytes()


def test_the_constants_of_graph_and_messages_are_equal():
    for source in RelationSource:
        assert getattr(RelationMessage, f"SOURCE_{source.name}") == source
    for status in QueryStatus:
        assert getattr(QueryRelations.Response, status.name) == status
    for status in DescribeStatus:
        assert getattr(DescribeRelation.Response, status.name) == status
    for task in DescribeTask:
        assert getattr(DescribeRelation.Request, task.name) == task


def actions(markers):
    return [(m.action, m.ns, m.id) for m in markers.markers]


def test_markers_start_clean_keep_their_ids_and_are_deleted():
    writer = MarkerWriter()
    first = actions(writer.write_markers(graph(MUG), 1.0))
    assert first == [(3, "", 0), (0, "objects", 3), (0, "labels", 3)]
    assert actions(writer.write_markers(graph(MUG), 1.0)) == first[1:]
    gone = actions(writer.write_markers(graph(), 1.0))
    assert gone == [(2, "labels", 3), (2, "objects", 3)]
    assert actions(writer.write_markers(graph(), 1.0)) == []


def test_markers_live_as_long_as_asked_and_stand_where_the_object_is():
    cube = MarkerWriter().write_markers(graph(MUG), 1.5).markers[1]
    assert (cube.lifetime.sec, cube.lifetime.nanosec) == (1, 500_000_000)
    assert (cube.pose.position.z, cube.scale.y) == (0.9, 0.1)
    assert cube.header.frame_id == "camera"


def test_an_edge_is_an_arrow_with_its_words():
    other = SceneObject(4, "tray", (0, 0, 9, 9), extent=EXTENT)
    markers = MarkerWriter().write_markers(graph(MUG, other, relations=(EDGE,)), 1.0).markers
    texts = {m.ns: m.text for m in markers}
    assert texts["predicates"] == "on"
    assert sum(m.ns == "relations" for m in markers) == 1


def meter(*times):
    made = RateMeter()
    for t in times:
        made.tick(t)
    return made


@pytest.mark.parametrize(
    ("times", "now", "level", "says"),
    [
        ((), 0.5, Level.OK, ""),
        ((), 2.0, Level.WARN, "since activation"),
        ((), 9.0, Level.ERROR, "since activation"),
        ((8.0, 8.5), 9.0, Level.OK, ""),
        ((7.0, 7.5), 9.0, Level.WARN, "for 1.5 s"),
        ((1.0,), 9.0, Level.ERROR, "for 8.0 s"),
    ],
)
def test_a_silent_input_warns_first_and_is_an_error_later(times, now, level, says):
    status = Status("camera")
    judge_input(
        status, "depth", "/depth", meter(*times), Staleness(1.0, 5.0), 0.0, now, "objects are 2D", 1
    )
    assert status.level is level
    assert says in "".join(status.sentences)


@pytest.mark.parametrize(("publishers", "says"), [(0, "remap 'depth'"), (2, "compare QoS")])
def test_a_silent_input_says_where_to_look(publishers, says):
    status = Status("camera")
    judge_input(status, "depth", "/depth", meter(), Staleness(1.0, 5.0), 0.0, 9.0, "so", publishers)
    assert says in status.sentences[0]


def test_rates_are_of_the_last_seconds_and_unknown_before():
    assert meter().rate_hz(1.0) is None
    assert meter(0.0, 0.1, 0.2).rate_hz(0.2) == pytest.approx(10.0)
    assert meter(0.0, 0.1, 0.2).rate_hz(60.0) == 0.0


def test_a_risen_counter_warns_once_and_stays_listed():
    drops = DropCounters()
    reporter = DropReporter(drops)
    drops.add(Drop.FRAME_BAD_IMAGE, "step is 3")
    drops.add(Drop.KEYFRAME_SUPERSEDED)
    first, second = Status("camera"), Status("camera")
    reporter.report(first)
    reporter.report(second)
    assert first.level is Level.WARN
    assert first.sentences == ["1 frame_bad_image (step is 3)"]
    assert second.level is Level.OK
    assert second.values["drops.frame_bad_image"] == "1"
    assert second.values["skipped.keyframe_superseded"] == "1"
    assert {key.split(".")[1] for key in second.values} == {reason.value for reason in Drop}


def test_a_report_says_unknown_not_zero():
    status = Status("graph")
    status.put("rate_hz", None)
    status.say(Level.WARN, "one")
    status.say(Level.OK, "two")
    message = to_message([status], "node", Header()).status[0]
    assert (message.level, message.message) == (b"\x01", "one; two")
    assert message.values[0].value == "n/a"
