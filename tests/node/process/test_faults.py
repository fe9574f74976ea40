"""What goes wrong on a robot: the node lives, counts it, says why, and recovers."""

import shutil

import pytest

pytest.importorskip("rclpy", reason="needs the extra 'ros'")

from spacesgg_ros.srv import DescribeRelation, QueryRelations

OK, WARN, ERROR = 0, 1, 2


def test_depth_stops(bench):
    bench.start()
    bench.run_until_objects()

    def no_depth():
        bench.send(depth=False)

    bench.run_until(
        lambda: len(bench.objects()) == 2 and not bench.graphs[-1].has_depth,
        "2D graphs that go on",
        no_depth,
    )
    assert not any(o.has_position for o in bench.objects())
    # It is a warning first, an error later.
    bench.run_until(lambda: bench.says("camera", "no depth"), "the warning", no_depth)
    bench.run_until(lambda: bench.level("camera") == ERROR, "the error", no_depth)
    bench.run_until_objects()
    bench.run_until(lambda: bench.level("camera") == OK, "the all-clear", bench.send)


def test_camera_info_is_missing(bench):
    bench.start()

    def no_info():
        bench.send(info=False)

    bench.run_until(lambda: len(bench.objects()) == 2, "2D graphs", no_info)
    bench.run_until(
        lambda: bench.drops("info_missing") and bench.says("camera", "no camera_info"),
        "the reason",
        no_info,
    )
    assert not bench.graphs[-1].has_depth
    bench.run_until_objects()


def test_stamps_come_out_of_order(bench):
    bench.start()
    bench.run_until_objects()

    def straggler():
        late = bench.stamp_ns - 120_000_000
        bench.send()
        bench.send(image={"stamp_ns": late}, depth={"stamp_ns": late - 1}, info=False)

    bench.run_until(lambda: bench.drops("frame_out_of_order") >= 3, "the count", straggler)
    assert bench.says("camera", "behind its predecessor")
    assert bench.drops("depth_out_of_order") >= 1
    bench.run_until_objects()


def test_a_bag_loops(bench):
    bench.start()
    bench.run_until_objects()
    first = {o.id for o in bench.objects()}
    bench.stamp_ns -= 60 * 10**9
    # A graph of the time before may still be on its way.
    bench.run_until(
        lambda: bench.graphs[-1].header.stamp.sec <= bench.stamp_ns // 10**9,
        "a graph of the new time line",
        bench.send,
    )
    bench.run_until_objects()
    assert not first & {o.id for o in bench.objects()}, "ids are never reused"
    bench.run_until(lambda: bench.value("camera", "time_jumps") == "1", "the jump", bench.send)


BAD_IMAGES = [
    ("zero bytes", {"data": b""}, "0 bytes of data"),
    ("wrong step", {"step": 100}, "step is 100"),
    ("unknown encoding", {"encoding": "rgb565"}, "unknown colour encoding 'rgb565'"),
    ("no size", {"width": 0, "height": 0}, "no pixels"),
]


def test_images_that_are_none(bench):
    """0 bytes, a wrong step, an unknown encoding, no size: each counted with its reason."""
    bench.start()
    bench.run_until_objects()
    for name, changes, words in BAD_IMAGES:
        before = bench.drops("frame_bad_image")
        bench.run_until(
            lambda before=before, words=words: (
                bench.drops("frame_bad_image") > before and bench.says("camera", words)
            ),
            name,
            lambda changes=changes: bench.send(image=changes),
        )
        assert bench.level("camera") >= WARN
        bench.run_until_objects()


def test_depth_images_that_are_none(bench):
    bench.start()
    bench.run_until_objects()
    for changes, words in (
        ({"data": b""}, "0 bytes"),
        ({"encoding": "8UC1"}, "8UC1"),
        ({"step": 3}, "step is 3"),
    ):
        bench.run_until(
            lambda words=words: bench.drops("depth_bad_image") and bench.says("camera", words),
            words,
            lambda changes=changes: bench.send(depth=changes),
        )
        assert not bench.graphs[-1].has_depth
        bench.run_until_objects()


def test_intrinsics_are_not_numbers(bench):
    bench.start()
    bad = {"k": [float("nan")] * 9}
    bench.run_until(
        lambda: bench.drops("info_invalid") and bench.says("camera", "intrinsics need finite"),
        "the reason",
        lambda: bench.send(info=bad),
    )
    assert not bench.graphs[-1].has_depth
    bench.run_until_objects()


def test_the_camera_is_four_times_as_fast(bench):
    bench.start()
    bench.run_until_objects()

    def burst():
        for _ in range(4):
            bench.stamp_ns += 10_000_000
            bench.send()

    bench.graphs.clear()
    bench.run_until(lambda: len(bench.graphs) > 60, "graphs under load", burst)
    assert bench.state(frame=burst) == "active"
    bench.run_until_objects()
    newest = bench.graphs[-1].header.stamp
    age_ns = bench.stamp_ns - newest.sec * 10**9 - newest.nanosec
    assert age_ns < 0.5e9, "the newest image is described, not one of a backlog"


def test_deactivate_during_a_generation(bench):
    bench.start(seconds=20.0)
    bench.run_until(lambda: bench.value("model", "state") == "working", "a generation", bench.send)
    assert bench.change_state("deactivate", frame=bench.send, limit_s=3)
    bench.run_until(
        lambda: bench.value("camera", "skipped.keyframe_after_deactivate") not in (None, "0"),
        "the discarded result",
    )
    bench.graphs.clear()
    bench.run_until(lambda: bench.value("model", "state") == "ready", "rest", bench.send)
    assert bench.graphs == []
    assert bench.change_state("activate")
    bench.run_until(lambda: bench.graphs, "graphs again", bench.send)


def test_two_hundred_queries_at_once(bench):
    bench.start()
    bench.run_until_objects()
    bench.run_until(bench.query.service_is_ready, "the service")
    futures = [bench.query.call_async(QueryRelations.Request(subject="mug")) for _ in range(200)]
    before = len(bench.graphs)
    bench.run_until(lambda: all(f.done() for f in futures), "200 answers", bench.send, limit_s=10)
    assert {f.result().status for f in futures} == {QueryRelations.Response.OK}
    bench.run_until(lambda: len(bench.graphs) > before, "graphs meanwhile", bench.send)


def test_two_hundred_descriptions_at_once(bench):
    """More than the model can do: all are answered, with a text or with why not."""
    bench.start()
    bench.run_until_objects()
    request = DescribeRelation.Request(task=0, subject="mug", object="box")
    bench.run_until(bench.describe.service_is_ready, "the service")
    futures = [bench.describe.call_async(request) for _ in range(200)]
    bench.run_until(lambda: all(f.done() for f in futures), "200 answers", bench.send, limit_s=15)
    statuses = [f.result().status for f in futures]
    assert statuses.count(DescribeRelation.Response.OK) >= 8
    assert set(statuses) <= {
        DescribeRelation.Response.OK,
        DescribeRelation.Response.MODEL_NOT_READY,
    }


@pytest.mark.parametrize("fault", ["missing", "corrupt"])
def test_the_model_folder_is(fault, bench, tmp_path):
    folder = tmp_path / "model"
    if fault == "corrupt":
        folder.mkdir()
        (folder / "config.json").write_text("{ not json")
    bench.start(model=str(folder))
    bench.run_until(lambda: bench.level("model") == ERROR, "the error", bench.send)
    assert bench.says("model", str(folder))
    assert bench.state() == "active"
    bench.run_until(lambda: bench.graphs, "graphs without objects", bench.send)
    answer = bench.call(bench.query, QueryRelations.Request(), frame=bench.send)
    assert answer.text
    # The operator corrects the parameter.
    shutil.rmtree(folder, ignore_errors=True)
    assert bench.set_parameters(model="scripted").successful
    for transition in ("deactivate", "cleanup", "configure", "activate"):
        assert bench.change_state(transition)
    bench.run_until_objects()
    bench.run_until(lambda: bench.level("model") == OK, "the all-clear", bench.send)
