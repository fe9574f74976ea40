import struct

import cv2
import numpy as np
import pytest

from spacesgg_ros.demo import DemoError
from spacesgg_ros.demo.bag_writer import BagFrame, write_bag
from spacesgg_ros.demo.camera_images import decode_colour, decode_depth
from spacesgg_ros.demo.recording import Recording, find_topics

from .conftest import INTRINSICS, moving_blocks

IMAGE, COMPRESSED = "sensor_msgs/msg/Image", "sensor_msgs/msg/CompressedImage"
INFO = "sensor_msgs/msg/CameraInfo"


def pixels(raw, dtype, channels=()):
    return np.frombuffer(raw.data, dtype).reshape(raw.height, raw.width, *channels)


def test_a_written_bag_reads_back_in_order(blocks_bag):
    with Recording(blocks_bag) as recording:
        events = recording.load()
    assert [e.role for e in events[:3]] == ["camera_info", "image", "depth"]
    assert len(events) == 18
    assert events[0].time_ns == 1_000_000_000


def test_compressed_topics_become_raw_images(blocks_bag):
    frame = next(moving_blocks(1))
    with Recording(blocks_bag) as recording:
        _, image, depth = recording.load()[:3]
        frame_id, colour = recording.image(image)
        _, millimetres = recording.image(depth)
    assert (frame_id, colour.encoding, colour.step) == ("camera_optical_frame", "rgb8", 480)
    assert np.abs(pixels(colour, np.uint8, (3,)).astype(int) - frame.rgb).mean() < 3
    assert millimetres.encoding == "16UC1"
    assert pixels(millimetres, np.uint16)[60, 30] == 1000
    assert pixels(millimetres, np.uint16)[0, 0] == 0


def test_camera_info_survives(blocks_bag):
    with Recording(blocks_bag) as recording:
        info = recording.message(recording.load()[0])
    assert (info.width, info.height) == (160, 120)
    assert list(info.k) == [150, 0, 79.5, 0, 150, 59.5, 0, 0, 1]


def test_a_large_recording_is_not_loaded(blocks_bag):
    with Recording(blocks_bag) as recording:
        assert recording.load(limit_bytes=1000) is None


def test_a_missing_topic_lists_what_there_is(blocks_bag):
    with pytest.raises(DemoError, match=r"--depth-topic.*\n.*\n.*/camera/depth/compressed"):
        Recording(blocks_bag, depth="/nope")


def test_a_file_that_is_no_bag_is_named(tmp_path):
    path = tmp_path / "x.mcap"
    path.write_bytes(b"not a bag at all")
    with pytest.raises(DemoError, match="cannot read"):
        Recording(path)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(DemoError, match="no recording at"):
        Recording(tmp_path / "x.mcap")


def test_realsense_topics_are_found():
    topics = find_topics(
        {
            "/camera/depth/image_rect_raw": IMAGE,
            "/camera/depth/camera_info": INFO,
            "/camera/infra1/image_rect_raw": IMAGE,
            "/camera/color/camera_info": INFO,
            "/camera/color/image_raw": IMAGE,
            "/camera/aligned_depth_to_color/image_raw": IMAGE,
        }
    )
    assert topics.image == "/camera/color/image_raw"
    assert topics.depth == "/camera/aligned_depth_to_color/image_raw"
    assert topics.camera_info == "/camera/color/camera_info"


def test_a_bag_of_colour_only_has_no_depth():
    topics = find_topics({"/image": COMPRESSED, "/odom": "nav_msgs/msg/Odometry"})
    assert (topics.image, topics.depth, topics.camera_info) == ("/image", None, None)


def test_a_bag_without_images_says_so():
    with pytest.raises(DemoError, match=r"no colour image(.|\n)*/odom"):
        find_topics({"/odom": "nav_msgs/msg/Odometry"})


def test_a_topic_of_another_type_is_refused():
    with pytest.raises(DemoError, match="is a nav_msgs"):
        find_topics({"/odom": "nav_msgs/msg/Odometry"}, image="/odom")


def test_compressed_depth_of_millimetres_skips_its_header():
    depth = np.arange(12, dtype=np.uint16).reshape(3, 4)
    data = struct.pack("<iff", 0, 0, 0) + cv2.imencode(".png", depth)[1].tobytes()
    raw = decode_depth(data, "16UC1; compressedDepth png")
    assert raw.encoding == "16UC1"
    assert np.array_equal(pixels(raw, np.uint16), depth)


def test_compressed_depth_of_metres_is_dequantised():
    # inverse depth = A / z + B: with A=1000, B=0, a stored 500 is 2 m and a stored 0 no reading
    stored = np.array([[500, 1000, 0]], np.uint16)
    data = struct.pack("<iff", 1, 1000.0, 0.0) + cv2.imencode(".png", stored)[1].tobytes()
    raw = decode_depth(data, "32FC1; compressedDepth png")
    assert raw.encoding == "32FC1"
    assert np.allclose(pixels(raw, np.float32), [[2.0, 1.0, np.nan]], equal_nan=True)


@pytest.mark.parametrize("data", [b"", b"garbage"])
def test_bytes_that_are_no_image_are_refused(data):
    with pytest.raises(DemoError, match="not a JPEG or PNG"):
        decode_colour(data)


def test_an_eight_bit_depth_image_is_refused():
    png = cv2.imencode(".png", np.zeros((2, 2), np.uint8))[1]
    with pytest.raises(DemoError, match="16-bit"):
        decode_depth(png, "png")


def test_the_writer_refuses_a_depth_image_of_another_size(tmp_path):
    frame = BagFrame(0, np.zeros((120, 160, 3), np.uint8), np.zeros((10, 10), np.float32))
    with pytest.raises(DemoError, match="160x120"):
        write_bag(tmp_path / "x.mcap", [frame], INTRINSICS)


def test_the_writer_overwrites_nothing(blocks_bag):
    with pytest.raises(DemoError, match="exists already"):
        write_bag(blocks_bag, moving_blocks(1), INTRINSICS)
