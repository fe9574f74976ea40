"""FrameLoop: messages to graphs on a thread of its own."""

import threading
import time
from types import SimpleNamespace

import numpy as np
import pytest

from spacesgg_ros.graph import LiveConfig, parse_graph
from spacesgg_ros.node.drops import Drop, DropCounters
from spacesgg_ros.node.frames import FrameLoop, FrameMessages, FrameOptions
from spacesgg_ros.node.transforms import NoTransforms
from spacesgg_ros.node.worker import Keyframe, KeyframeResult

MS = 1_000_000
RGB = np.random.default_rng(0).integers(0, 255, (48, 64, 3), dtype=np.uint8)
INFO = SimpleNamespace(width=64, height=48, k=(60.0, 0, 32.0, 0, 60.0, 24.0, 0, 0, 1))
TEXT = "<ref>mug</ref><box>[[300, 300, 700, 700]]</box>"


def image(array, encoding):
    height, width = array.shape[:2]
    return SimpleNamespace(
        height=height,
        width=width,
        encoding=encoding,
        is_bigendian=0,
        step=array.nbytes // height,
        data=array.tobytes(),
    )


def messages(stamp_ms, **changes):
    fields = dict(
        stamp_ns=stamp_ms * MS,
        frame_id="camera",
        image=image(RGB, "rgb8"),
        depth=image(np.full((48, 64), 900, np.uint16), "16UC1"),
        depth_frame_id="camera",
        info=INFO,
        epoch=0,
        arrival_s=time.monotonic(),
    )
    return FrameMessages(**{**fields, **changes})


class Rig:
    def __init__(self, options):
        self.drops, self.frames, self.keyframes = DropCounters(), [], []
        self.gate = threading.Event()
        self.gate.set()
        self.loop = FrameLoop(
            LiveConfig(), lambda: options, NoTransforms(), self.drops, self._take, self._key
        )

    def _take(self, frame):
        self.gate.wait(5)
        self.frames.append(frame)

    def _key(self, keyframe):
        self.keyframes.append(keyframe)

    def until(self, condition):
        deadline = time.monotonic() + 5
        while not condition():
            assert time.monotonic() < deadline, self.drops.counts()
            time.sleep(0.002)

    def run(self, frame):
        """Submit a frame and wait for its graph."""
        before = len(self.frames)
        self.loop.submit(frame)
        self.until(lambda: len(self.frames) > before)
        return self.frames[-1]


@pytest.fixture
def rig():
    rigs = []

    def make(**options):
        rigs.append(Rig(FrameOptions(**options)))
        return rigs[-1]

    yield make
    for made in rigs:
        made.gate.set()
        made.loop.stop()


def result(stamp_ms):
    generated = SimpleNamespace(graph=parse_graph(TEXT))
    keyframe = Keyframe(stamp_ms * MS, "camera", RGB, 0.0)
    return KeyframeResult(keyframe, generated, "m", 1.0, 1)


def test_a_frame_gives_a_graph_and_is_offered_to_the_model(rig):
    r = rig()
    frame = r.run(messages(100))
    assert (frame.graph.stamp_ns, frame.graph.frame_id) == (100 * MS, "camera")
    assert frame.has_depth
    r.until(lambda: r.keyframes)
    assert r.keyframes[0].stamp_ns == 100 * MS


def test_a_result_enters_the_next_graph_with_its_position(rig):
    r = rig()
    r.run(messages(100))
    r.loop.add_result(result(100))
    graph = r.run(messages(133)).graph
    assert [o.label for o in graph.objects] == ["mug"]
    assert graph.objects[0].extent.depth_median_m == pytest.approx(0.9, abs=1e-3)
    assert graph.model_id == "m"


def test_graphs_are_numbered_from_one(rig):
    r = rig()
    assert [r.run(messages(t)).graph.sequence for t in (1, 2, 3)] == [1, 2, 3]


def test_a_busy_loop_takes_the_newest_frame(rig):
    r = rig()
    r.gate.clear()
    r.loop.submit(messages(100))
    r.until(lambda: r.loop._slot is None)
    for stamp in (133, 166, 200):
        r.loop.submit(messages(stamp))
    r.gate.set()
    r.until(lambda: len(r.frames) == 2)
    assert r.frames[-1].graph.stamp_ns == 200 * MS
    assert r.drops.counts() == {Drop.FRAME_SUPERSEDED: 2}


def test_a_time_jump_starts_anew(rig):
    r = rig()
    r.run(messages(60_000))
    r.loop.add_result(result(60_000))
    assert r.run(messages(60_033)).graph.objects
    assert r.run(messages(10, epoch=1)).graph.objects == ()


FLAT = [
    ("no depth", dict(depth=None), None),
    ("no camera_info", dict(info=None), Drop.INFO_MISSING),
    ("another frame", dict(depth_frame_id="depth_optical"), Drop.DEPTH_NOT_ALIGNED),
    (
        "another aspect",
        dict(depth=image(np.ones((40, 64), np.uint16), "16UC1")),
        Drop.DEPTH_NOT_ALIGNED,
    ),
    (
        "unknown encoding",
        dict(depth=image(np.ones((48, 64), np.uint8), "8UC1")),
        Drop.DEPTH_BAD_IMAGE,
    ),
]


@pytest.mark.parametrize(("name", "changes", "reason"), FLAT, ids=[f[0] for f in FLAT])
def test_a_frame_without_usable_depth_is_a_2d_graph(rig, name, changes, reason):
    r = rig()
    assert not r.run(messages(100, **changes)).has_depth
    assert r.drops.counts() == ({reason: 1} if reason else {})


def test_depth_at_half_the_size_is_used(rig):
    r = rig()
    half = image(np.full((24, 32), 900, np.uint16), "16UC1")
    r.run(messages(100))
    r.loop.add_result(result(100))
    extent = r.run(messages(133, depth=half)).graph.objects[0].extent
    assert extent.depth_median_m == pytest.approx(0.9, abs=1e-3)


def test_a_bad_image_costs_one_frame(rig):
    r = rig()
    r.loop.submit(messages(100, image=image(RGB, "rgb565")))
    r.until(lambda: r.drops[Drop.FRAME_BAD_IMAGE])
    assert r.run(messages(133)).graph.stamp_ns == 133 * MS


def test_a_result_of_a_forgotten_image_is_counted(rig):
    r = rig()
    r.run(messages(60_000))
    r.loop.add_result(result(10))
    r.run(messages(60_033))
    assert r.drops[Drop.KEYFRAME_FORGOTTEN] == 1


def test_a_target_frame_without_tf_keeps_the_camera_frame_and_says_why(rig):
    frame = rig(target_frame="map").run(messages(100))
    assert frame.graph.frame_id == "camera"
    assert "tf2_ros" in frame.tf_problem


def test_an_unknown_up_is_said(rig):
    frame = rig(up_frame="base_link").run(messages(100))
    assert "up is not known: 'base_link' needs TF" in frame.tf_problem
