"""Recordings as other tools make them: raw topics, SQLite, ROS 1."""

import numpy as np
import pytest

from spacesgg_ros.demo.recording import Recording

rosbag1 = pytest.importorskip("rosbags.rosbag1")
rosbag2 = pytest.importorskip("rosbags.rosbag2")
typesys = pytest.importorskip("rosbags.typesys")

SECOND = 1_000_000_000


def raw_image(store, encoding, pixels, seconds, **header):
    types = store.types
    stamp = types["builtin_interfaces/msg/Time"](seconds, 5)
    return types["sensor_msgs/msg/Image"](
        types["std_msgs/msg/Header"](stamp=stamp, frame_id="cam", **header),
        pixels.shape[0],
        pixels.shape[1],
        encoding,
        0,
        pixels.strides[0],
        pixels.view(np.uint8).ravel(),
    )


BGR = np.arange(24, dtype=np.uint8).reshape(2, 4, 3)
METRES = np.array([[1.5, np.nan]], np.float32)


def test_raw_topics_of_a_sqlite_bag_are_passed_on_unchanged(tmp_path):
    store = typesys.get_typestore(typesys.Stores.ROS2_HUMBLE)
    kind = "sensor_msgs/msg/Image"
    with rosbag2.Writer(tmp_path / "bag", version=9) as writer:
        for topic, encoding, pixels in (("/rgb", "bgr8", BGR), ("/depth", "32FC1", METRES)):
            connection = writer.add_connection(topic, kind, typestore=store)
            message = raw_image(store, encoding, pixels, seconds=7)
            writer.write(connection, 9 * SECOND, store.serialize_cdr(message, kind))
    with Recording(tmp_path / "bag") as recording:
        events = {event.role: event for event in recording.load()}
        frame_id, colour = recording.image(events["image"])
        _, depth = recording.image(events["depth"])
    assert recording.topics.camera_info is None
    assert events["image"].time_ns == 7 * SECOND + 5
    assert (frame_id, colour.encoding, colour.step) == ("cam", "bgr8", 12)
    assert colour.data.tobytes() == BGR.tobytes()
    assert (depth.encoding, depth.data.tobytes()) == ("32FC1", METRES.tobytes())


def test_a_ros_1_bag_plays_too(tmp_path):
    store = typesys.get_typestore(typesys.Stores.ROS1_NOETIC)
    kind = "sensor_msgs/msg/Image"
    path = tmp_path / "old.bag"
    with rosbag1.Writer(path) as writer:
        connection = writer.add_connection("/rgb", kind, typestore=store)
        message = raw_image(store, "bgr8", BGR, seconds=7, seq=3)
        writer.write(connection, 9 * SECOND, store.serialize_ros1(message, kind))
    with Recording(path) as recording:
        (event,) = recording.load()
        assert event.time_ns == 7 * SECOND + 5
        assert recording.image(event)[1].data.tobytes() == BGR.tobytes()


def test_without_a_stamp_the_recording_time_counts(tmp_path):
    store = typesys.get_typestore(typesys.Stores.ROS2_HUMBLE)
    kind = "sensor_msgs/msg/Image"
    message = raw_image(store, "bgr8", BGR, seconds=0)
    message.header.stamp.nanosec = 0
    with rosbag2.Writer(tmp_path / "bag", version=9) as writer:
        connection = writer.add_connection("/rgb", kind, typestore=store)
        writer.write(connection, 9 * SECOND, store.serialize_cdr(message, kind))
    with Recording(tmp_path / "bag") as recording:
        assert recording.load()[0].time_ns == 9 * SECOND
