"""TF where tf2_ros is installed: asked at the image's stamp, its errors said as reasons."""

import sys
from types import ModuleType, SimpleNamespace

import pytest

pytest.importorskip("rclpy", reason="needs the extra 'ros'")

from spacesgg_ros.node.transforms import NoTransforms, open_transforms


class TransformException(Exception):
    pass


@pytest.fixture
def tf(monkeypatch):
    """tf2_ros' interface with one known transform, 'camera' in 'map', at any time."""
    asked = []

    class Buffer:
        def lookup_transform(self, target, source, stamp, timeout):
            asked.append((target, source, stamp.nanoseconds, timeout.nanoseconds))
            if target != "map":
                raise TransformException(f"{target} does not exist")
            rotation = SimpleNamespace(x=0.0, y=0.0, z=1.0, w=0.0)
            shift = SimpleNamespace(x=1.0, y=2.0, z=3.0)
            return SimpleNamespace(transform=SimpleNamespace(rotation=rotation, translation=shift))

        def clear(self):
            asked.clear()

    module = ModuleType("tf2_ros")
    module.Buffer, module.TransformException = Buffer, TransformException
    module.TransformListener = lambda buffer, node: None
    monkeypatch.setitem(sys.modules, "tf2_ros", module)
    return asked


def test_a_transform_is_asked_for_at_the_stamp_of_the_image(tf):
    rotation, shift = open_transforms(None).look_up("map", "camera", 1234, 0.05)
    assert tf == [("map", "camera", 1234, 50_000_000)]
    assert rotation.diagonal().tolist() == [-1, -1, 1]
    assert shift.tolist() == [1, 2, 3]


def test_a_missing_transform_is_a_reason(tf):
    assert "moon does not exist" in open_transforms(None).look_up("moon", "camera", 1, 0.0)


def test_a_time_jump_clears_the_buffer(tf):
    source = open_transforms(None)
    source.look_up("map", "camera", 1, 0.0)
    source.reset()
    assert tf == []


def test_without_tf2_ros_the_node_goes_on(monkeypatch):
    monkeypatch.setitem(sys.modules, "tf2_ros", None)
    assert isinstance(open_transforms(None), NoTransforms)
