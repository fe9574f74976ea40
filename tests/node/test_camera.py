"""The node's subscriptions, on a node that only remembers them."""

from types import SimpleNamespace

import pytest

pytest.importorskip("rclpy", reason="needs the extra 'ros'")

from spacesgg_ros.node.camera import CameraInput
from spacesgg_ros.node.drops import DropCounters
from spacesgg_ros.node.parameters import NodeParameters


class FakeNode:
    def __init__(self):
        self.topics = []

    def create_subscription(self, _type, topic, _callback, _qos):
        self.topics.append(topic)
        return SimpleNamespace(topic_name=topic)


def image(stamp_s):
    stamp = SimpleNamespace(sec=stamp_s, nanosec=0)
    return SimpleNamespace(header=SimpleNamespace(stamp=stamp, frame_id="camera"))


def test_switching_depth_on_waits_for_the_next_activation():
    """Else images would wait for a depth that nobody subscribed to."""
    node, frames = FakeNode(), []
    camera = CameraInput(node, NodeParameters(use_depth=False), DropCounters(), frames.append)
    camera.configure(NodeParameters(use_depth=True))
    camera._on_image(image(1))
    assert node.topics == ["image"]
    assert [frame.stamp_ns for frame in frames] == [10**9]
