"""RGB-D frames as an MCAP recording with compressed topics."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from spacesgg_ros.demo import DemoError
from spacesgg_ros.extras import require
from spacesgg_ros.graph.types import Intrinsics

IMAGE_TOPIC = "/camera/image/compressed"
DEPTH_TOPIC = "/camera/depth/compressed"
CAMERA_INFO_TOPIC = "/camera/camera_info"
_LARGEST_MM = np.iinfo(np.uint16).max


@dataclass(frozen=True)
class BagFrame:
    """One frame to record: ``rgb`` ``(H, W, 3)`` uint8, ``depth_m`` ``(H, W)`` metres, NaN or 0
    where there is no reading, at the colour image's resolution."""

    stamp_ns: int
    rgb: np.ndarray
    depth_m: np.ndarray


def write_bag(
    path: Path,
    frames: Iterable[BagFrame],
    intrinsics: Intrinsics,
    frame_id: str = "camera_optical_frame",
    jpeg_quality: int = 92,
) -> int:
    """Write ``frames`` to a new MCAP file and return how many there were.

    Colour is JPEG, depth 16-bit PNG in millimetres (0: no reading; beyond 65.5 m counts as
    none), each with the CameraInfo of an undistorted camera.

    Raises:
        DemoError: the file exists, or a frame has another size than the intrinsics.
    """
    if path.exists():
        raise DemoError(f"{path} exists already; choose another name or remove it")
    rosbag2 = require("rosbags.rosbag2", "demo")
    typesys = require("rosbags.typesys", "demo")
    store = typesys.get_typestore(typesys.Stores.ROS2_HUMBLE)
    count = 0
    with tempfile.TemporaryDirectory() as folder:
        bag = Path(folder) / "bag"
        with rosbag2.Writer(bag, version=9, storage_plugin=rosbag2.StoragePlugin.MCAP) as writer:
            topics = {
                topic: writer.add_connection(topic, kind, typestore=store)
                for topic, kind in (
                    (IMAGE_TOPIC, "sensor_msgs/msg/CompressedImage"),
                    (DEPTH_TOPIC, "sensor_msgs/msg/CompressedImage"),
                    (CAMERA_INFO_TOPIC, "sensor_msgs/msg/CameraInfo"),
                )
            }
            for frame in frames:
                for topic, message in _messages(store, frame, intrinsics, frame_id, jpeg_quality):
                    data = store.serialize_cdr(message, message.__msgtype__)
                    writer.write(topics[topic], frame.stamp_ns, data)
                count += 1
        if count == 0:
            raise DemoError("a recording needs at least one frame")
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(next(bag.glob("*.mcap")), path)
    return count


def _messages(
    store: Any, frame: BagFrame, intrinsics: Intrinsics, frame_id: str, jpeg_quality: int
) -> list[tuple[str, Any]]:
    size = (intrinsics.height, intrinsics.width)
    if frame.rgb.shape != (*size, 3) or frame.depth_m.shape != size:
        raise DemoError(
            f"colour {frame.rgb.shape} and depth {frame.depth_m.shape} must both have the "
            f"intrinsics' size {size[1]}x{size[0]}"
        )
    types = store.types
    stamp = types["builtin_interfaces/msg/Time"](*divmod(frame.stamp_ns, 1_000_000_000))
    header = types["std_msgs/msg/Header"](stamp, frame_id)
    compressed = types["sensor_msgs/msg/CompressedImage"]
    bgr = cv2.cvtColor(frame.rgb, cv2.COLOR_RGB2BGR)
    _, jpeg = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, jpeg_quality])
    millimetres = np.nan_to_num(frame.depth_m * 1000.0, nan=0.0, posinf=0.0, neginf=0.0)
    millimetres[(millimetres < 0) | (millimetres > _LARGEST_MM)] = 0
    smallest = [cv2.IMWRITE_PNG_COMPRESSION, 9, cv2.IMWRITE_PNG_STRATEGY, 0]
    _, png = cv2.imencode(".png", np.rint(millimetres).astype(np.uint16), smallest)
    return [
        (CAMERA_INFO_TOPIC, _camera_info(types, header, intrinsics)),
        (IMAGE_TOPIC, compressed(header, "jpeg", jpeg.ravel())),
        (DEPTH_TOPIC, compressed(header, "png", png.ravel())),
    ]


def _camera_info(types: Any, header: Any, k: Intrinsics) -> Any:
    """An undistorted camera (REP 104): K, R = identity, P = [K | 0]."""
    matrix = np.array([k.fx, 0, k.cx, 0, k.fy, k.cy, 0, 0, 1], np.float64)
    projection = np.array([k.fx, 0, k.cx, 0, 0, k.fy, k.cy, 0, 0, 0, 1, 0], np.float64)
    return types["sensor_msgs/msg/CameraInfo"](
        header=header,
        height=k.height,
        width=k.width,
        distortion_model="plumb_bob",
        d=np.zeros(5),
        k=matrix,
        r=np.eye(3).ravel(),
        p=projection,
        binning_x=0,
        binning_y=0,
        roi=types["sensor_msgs/msg/RegionOfInterest"](0, 0, 0, 0, False),
    )
