"""RGB-D recordings (MCAP, rosbag2 SQLite, rosbag1) as a stream of camera events."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from spacesgg_ros.demo import DemoError
from spacesgg_ros.demo.camera_images import RawImage, bytes_array, decode_colour, decode_depth
from spacesgg_ros.extras import require

IMAGE_TYPES = ("sensor_msgs/msg/Image", "sensor_msgs/msg/CompressedImage")
CAMERA_INFO_TYPE = "sensor_msgs/msg/CameraInfo"
ROLES = ("image", "depth", "camera_info")

_KEEP_IN_MEMORY_BYTES = 256 * 2**20
_STAMP = {True: struct.Struct("<iI"), False: struct.Struct(">iI")}


@dataclass(frozen=True)
class TopicNames:
    """The three topics of an RGB-D camera inside a bag; ``depth`` may be missing (None)."""

    image: str
    depth: str | None
    camera_info: str | None


@dataclass(frozen=True)
class CameraEvent:
    """One recorded message. ``time_ns``: its header stamp, or when it was recorded if that is 0.

    ``data`` is the serialised message; ``role`` one of :data:`ROLES`.
    """

    time_ns: int
    role: str
    topic: str
    message_type: str
    data: bytes


class Recording:
    """A bag, opened for reading the three topics of one RGB-D camera.

    Topics that are not named are found by type and name. Use as a context manager.

    Raises:
        DemoError: no such file, not a bag, or no such topics; the message lists what there is.
    """

    def __init__(self, path: Path, **topics: str | None) -> None:
        rosbags = require("rosbags.highlevel", "demo")
        rosbag_types = require("rosbags.typesys", "demo")
        if not path.exists():
            raise DemoError(f"no recording at {path}; give a .mcap, .db3 or .bag file or a folder")
        default_types = rosbag_types.get_typestore(rosbag_types.Stores.ROS2_HUMBLE)
        try:
            self._reader = rosbags.AnyReader([path], default_typestore=default_types)
            self._reader.open()
        except (rosbags.AnyReaderError, OSError, ValueError, struct.error) as error:
            raise DemoError(f"cannot read {path} as a bag: {error}") from error
        self.path = path
        self.available = {c.topic: c.msgtype for c in self._reader.connections}
        try:
            self.topics = find_topics(self.available, **topics)
        except DemoError:
            self.close()
            raise
        wanted = {name: role for role, name in vars(self.topics).items() if name}
        self._roles = wanted
        self._connections = [c for c in self._reader.connections if c.topic in wanted]

    def __enter__(self) -> Recording:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        if self._reader.stack is not None:
            self._reader.close()

    @property
    def image_count(self) -> int:
        """Colour images in the recording."""
        return sum(c.msgcount for c in self._connections if self._roles[c.topic] == "image")

    def events(self) -> Iterator[CameraEvent]:
        """All events of the three topics in recorded order."""
        for connection, recorded_ns, data in self._reader.messages(self._connections):
            stamp = self._header_stamp(bytes(data[:12]))
            yield CameraEvent(
                stamp or recorded_ns,
                self._roles[connection.topic],
                connection.topic,
                connection.msgtype,
                data,
            )

    def load(self, limit_bytes: int = _KEEP_IN_MEMORY_BYTES) -> list[CameraEvent] | None:
        """All events sorted by time, or None where the recording is larger than ``limit_bytes``."""
        total = 0
        events = []
        for event in self.events():
            total += len(event.data)
            if total > limit_bytes:
                return None
            events.append(event)
        return sorted(events, key=lambda event: event.time_ns)

    def message(self, event: CameraEvent) -> Any:
        """The recorded message itself, with the attributes of its ROS type."""
        return self._reader.deserialize(event.data, event.message_type)

    def image(self, event: CameraEvent) -> tuple[str, RawImage]:
        """``(frame_id, image)`` of an image or depth event, decompressed if need be.

        Raises:
            DemoError: the recorded image cannot be decoded.
        """
        message = self.message(event)
        frame_id = message.header.frame_id
        if event.message_type == "sensor_msgs/msg/Image":
            raw = RawImage(
                message.height,
                message.width,
                message.encoding,
                bool(message.is_bigendian),
                message.step,
                bytes_array(message.data),
            )
        elif event.role == "depth":
            raw = decode_depth(message.data, message.format)
        else:
            raw = decode_colour(message.data)
        return frame_id, raw

    def _header_stamp(self, head: bytes) -> int:
        """The stamp of a serialised message that starts with a Header, in ns, without decoding.

        CDR: 4 bytes of encapsulation (the second one's lowest bit: little endian), then
        sec and nanosec. ROS 1: seq, secs, nsecs, always little endian.
        """
        if len(head) < 12:
            return 0
        little = not self._reader.is2 or bool(head[1] & 1)
        seconds, nanoseconds = _STAMP[little].unpack_from(head, 4)
        return int(seconds) * 1_000_000_000 + int(nanoseconds)


def find_topics(
    available: Mapping[str, str],
    image: str | None = None,
    depth: str | None = None,
    camera_info: str | None = None,
) -> TopicNames:
    """The camera's topics among ``available`` (name to type); named ones are checked.

    Colour is preferred over other pictures, depth aligned with colour over unaligned, and the
    camera_info next to the colour image. A bag without depth or camera_info gives None there.

    Raises:
        DemoError: a named topic is missing or of the wrong type, or there is no colour image.
    """
    for name, types, option in (
        (image, IMAGE_TYPES, "--image-topic"),
        (depth, IMAGE_TYPES, "--depth-topic"),
        (camera_info, (CAMERA_INFO_TYPE,), "--camera-info-topic"),
    ):
        if name is None:
            continue
        if name not in available:
            raise DemoError(f"{option}: no topic {name} in the bag. {_listing(available)}")
        if available[name] not in types:
            raise DemoError(
                f"{option}: {name} is a {available[name]}; expected {' or '.join(types)}"
            )
    images = [name for name, kind in available.items() if kind in IMAGE_TYPES]
    depths = [name for name in images if "depth" in name]
    colours = [name for name in images if name not in depths and "infra" not in name]
    infos = [name for name, kind in available.items() if kind == CAMERA_INFO_TYPE]

    if image is None:
        image = _best(colours, ("color", "colour", "rgb", "image_rect", "left"))
    if image is None:
        raise DemoError(
            f"no colour image in the bag; name it by --image-topic. {_listing(available)}"
        )
    if depth is None:
        depth = _best(depths, ("aligned", "registered"))
    if camera_info is None:
        near = [name for name in infos if "depth" not in name] or infos
        camera_info = max(near, key=lambda name: _shared_prefix(name, image or ""), default=None)
    return TopicNames(image, depth, camera_info)


def _best(names: list[str], hints: tuple[str, ...]) -> str | None:
    """The name with the most hints; on a draw the first."""
    return max(names, key=lambda name: sum(hint in name for hint in hints), default=None)


def _shared_prefix(a: str, b: str) -> int:
    """How many leading name parts two topics share."""
    count = 0
    for left, right in zip(a.split("/"), b.split("/"), strict=False):
        if left != right:
            break
        count += 1
    return count


def _listing(available: Mapping[str, str]) -> str:
    if not available:
        return "The bag has no topics at all."
    width = max(map(len, available))
    lines = [f"  {name:<{width}}  {kind}" for name, kind in sorted(available.items())]
    return "\n".join(["Its topics:", *lines])
