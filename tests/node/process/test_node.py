"""The node as a robot sees it: topics in, topics out, services, lifecycle."""

import re
import signal
import time
from pathlib import Path

import pytest

pytest.importorskip("rclpy", reason="needs the extra 'ros'")

from rcl_interfaces.srv import DescribeParameters
from sensor_msgs.msg import Image
from visualization_msgs.msg import MarkerArray

from spacesgg_ros.srv import DescribeRelation, QueryRelations

OK, WARN, ERROR = 0, 1, 2


def test_camera_topics_become_a_scene_graph_with_positions(bench):
    bench.start()
    bench.run_until_objects()
    graph = bench.graphs[-1]
    assert graph.header.frame_id == "camera_optical_frame"
    assert {o.label for o in graph.objects} == {"red mug", "blue box"}
    mug = next(o for o in graph.objects if o.label == "red mug")
    assert mug.position.z == pytest.approx(0.8, abs=0.05)
    assert mug.position.x < 0
    assert abs(mug.roi.x_offset - 64) < 8
    assert graph.model_id == "scripted"
    assert graph.has_depth
    assert any(r.source == r.SOURCE_BOTH for r in graph.relations) or graph.relations
    assert bench.stop() == 0


def test_a_graph_carries_the_stamp_of_its_image_and_the_next_number(bench):
    bench.start()
    sent = set()

    def frame():
        bench.send()
        sent.add(bench.stamp_ns)

    bench.run_until_objects(frame=frame)
    stamps = [g.header.stamp.sec * 10**9 + g.header.stamp.nanosec for g in bench.graphs]
    assert set(stamps) <= sent
    assert stamps == sorted(stamps)
    numbers = [g.sequence for g in bench.graphs]
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))


def test_graphs_come_at_camera_rate_while_the_model_is_slow(bench):
    bench.start(seconds=2.0)
    bench.run_until(lambda: len(bench.graphs) >= 40, "40 graphs", bench.send, limit_s=6)


def test_markers_and_picture_are_published_while_someone_listens(bench):
    bench.start()
    markers, pictures = [], []
    bench.node.create_subscription(MarkerArray, "scene_graph/markers", markers.append, 5)
    bench.node.create_subscription(Image, "scene_graph/image", pictures.append, 5)

    def names():
        newest = markers[-1].markers if markers else []
        return {m.text.split(" #")[0] for m in newest if m.ns == "labels"}

    bench.run_until(
        lambda: pictures and names() == {"red mug", "blue box"}, "markers and picture", bench.send
    )
    assert markers[0].markers[0].action == 3  # DELETEALL
    assert pictures[-1].width == 320
    assert pictures[-1].header.stamp.sec > 0


def test_a_query_is_answered_from_the_graph(bench):
    bench.start()
    bench.run_until_objects()
    answer = bench.call(bench.query, QueryRelations.Request(subject="mug", object="box"))
    assert answer.status == answer.OK, answer.text
    assert "mug" in answer.text
    assert {o.label for o in answer.objects} == {"red mug", "blue box"}
    assert answer.header.frame_id == "camera_optical_frame"
    request = QueryRelations.Request(subject="elephant")
    assert bench.call(bench.query, request).status == answer.UNKNOWN_SUBJECT
    request = QueryRelations.Request(subject="mug", viewpoint="moon")
    assert bench.call(bench.query, request).status == answer.INVALID_REQUEST
    request = QueryRelations.Request(subject="mug")
    request.max_age.nanosec = 1
    assert bench.call(bench.query, request).status == answer.STALE


def test_the_model_describes_and_classifies(bench):
    bench.start()
    bench.run_until_objects()
    request = DescribeRelation.Request(task=0, subject="mug", object="box")
    answer = bench.call(bench.describe, request)
    assert (answer.status, answer.text) == (answer.OK, "to the right of")
    assert answer.header.frame_id == "camera_optical_frame"
    request = DescribeRelation.Request(task=1, subject="mug", object="box")
    assert "red mug" in bench.call(bench.describe, request).text
    request = DescribeRelation.Request(task=2, question="How many?")
    assert "How many?" in bench.call(bench.describe, request).text
    request = DescribeRelation.Request(task=0, subject="elephant", object="box")
    assert bench.call(bench.describe, request).status == answer.UNKNOWN_SUBJECT


def test_a_description_is_bounded_in_time_and_blocks_nobody(bench):
    bench.start(seconds=0.05)
    bench.run_until_objects()
    bench.stop()
    bench.start(seconds=20.0)
    bench.graphs.clear()
    bench.run_until(lambda: bench.graphs, "a graph", bench.send)
    # The model is busy with its first keyframe for 20 s.
    request = DescribeRelation.Request(task=2, question="What is here?", timeout_s=0.6)
    future = bench.describe.call_async(request)
    before = len(bench.graphs)
    answer = bench.wait_for(future, frame=bench.send, limit_s=5)
    assert answer.status == answer.TIMEOUT
    assert 0.5 < answer.elapsed_s < 2.0
    assert len(bench.graphs) > before + 5


def test_the_lifecycle_is_obeyed(bench):
    bench.start(autostart="false")
    assert bench.state() == "unconfigured"
    assert bench.change_state("configure")
    assert bench.change_state("activate")
    bench.run_until_objects()
    assert bench.change_state("deactivate")
    bench.graphs.clear()
    bench.send()
    assert bench.state(frame=bench.send) == "inactive"
    answer = bench.call(bench.query, QueryRelations.Request())
    assert answer.status == answer.NO_GRAPH
    answer = bench.call(bench.describe, DescribeRelation.Request(subject="a", object="b"))
    assert answer.status == answer.NOT_ACTIVE
    assert bench.graphs == []
    assert bench.change_state("activate")
    bench.run_until_objects()
    assert bench.change_state("deactivate")
    assert bench.change_state("cleanup")
    assert bench.state() == "unconfigured"


def test_parameters_are_described_bounded_and_refused_with_the_reason(bench):
    bench.start()
    request = DescribeParameters.Request(names=["pairing_slop", "provider"])
    slop, provider = bench.call(bench.parameters, request).descriptors
    assert slop.floating_point_range[0].to_value == 1.0
    assert "cuda" in provider.additional_constraints
    result = bench.set_parameters(pairing_slop=5.0)
    assert not result.successful
    assert "pairing_slop" in result.reason
    assert "one of cpu" in bench.set_parameters(provider="npu").reason
    assert bench.set_parameters(pairing_slop=0.1).successful


def test_diagnostics_name_model_and_rates(bench):
    bench.start()
    bench.run_until_objects()
    bench.run_until(
        lambda: (
            bench.value("graph", "rate_hz") not in (None, "n/a") and bench.level("camera") == OK
        ),
        "an OK report with a rate",
        bench.send,
    )
    assert bench.value("model", "model_id") == "scripted"
    assert bench.value("model", "provider_used") == "cpu"
    assert bench.value("model", "state") in ("ready", "working")
    assert float(bench.value("camera", "image.rate_hz")) > 5
    assert float(bench.value("graph", "stage_ms.track")) > 0


def test_a_wrong_parameter_at_the_start_ends_with_the_reason(bench, capfd):
    bench.start(wait=False, provider="npu")
    assert bench.process.wait(30) == 2
    bench.process = None
    assert "one of cpu, cuda, tensorrt" in capfd.readouterr().err


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_an_interrupt_ends_the_node_cleanly_in_the_midst_of_work(name, bench, capfd):
    bench.start(seconds=30.0)
    bench.run_until(lambda: len(bench.graphs) > 3, "graphs", bench.send, rate=60)
    request = DescribeRelation.Request(task=2, question="What is here?")
    bench.describe.call_async(request)
    before = len(bench.graphs)
    bench.run_until(lambda: len(bench.graphs) > before + 3, "graphs", bench.send, rate=60)
    bench.process.send_signal(getattr(signal, name))
    deadline = time.monotonic() + 10
    while bench.process.poll() is None:
        assert time.monotonic() < deadline
        bench.stamp_ns += 16_000_000
        bench.send()
        bench.executor.spin_once(timeout_sec=0.01)
    assert bench.process.returncode == 0
    bench.process = None
    assert "Traceback" not in capfd.readouterr().err


def test_a_node_that_ended_leaves_no_shared_memory(bench):
    before = set(Path("/dev/shm").iterdir())
    bench.start()
    bench.run_until(lambda: bench.level("model") == OK, "the model")
    maps = Path(f"/proc/{bench.process.pid}/maps").read_text()
    own = {Path(p) for p in re.findall(r"/dev/shm/fastdds_[0-9a-f]+\b", maps)} - before
    assert own
    assert bench.stop() == 0
    assert not {p for p in own if p.exists()}


def test_a_target_frame_without_tf_is_said_and_the_graph_stays_in_the_camera_frame(bench):
    bench.start(target_frame="map")
    bench.run_until_objects()
    assert bench.graphs[-1].header.frame_id == "camera_optical_frame"
    bench.run_until(lambda: bench.says("graph", "'map'"), "the reason", bench.send)
    assert bench.level("graph") == WARN
