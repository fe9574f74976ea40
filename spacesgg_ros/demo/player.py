"""A recorded camera: publishes a bag's RGB-D stream as a camera driver would.

Run as a process of its own: ``python -m spacesgg_ros.demo.player BAG``. Publishes raw
``sensor_msgs/Image`` with stamps of now, and writes one JSON object a second to standard output
(``{"published": 75}``), which the demo reads.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import select
import signal
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import rclpy
from builtin_interfaces.msg import Time
from rclpy.qos import HistoryPolicy, QoSProfile, ReliabilityPolicy
from rclpy.signals import SignalHandlerOptions
from sensor_msgs.msg import CameraInfo, Image, RegionOfInterest
from std_msgs.msg import Header

from spacesgg_ros.demo import DemoError
from spacesgg_ros.demo.playback import Due, Repeat, play_kept, play_stream
from spacesgg_ros.demo.recording import CameraEvent, Recording

COLOUR_TOPIC = "camera/color/image_raw"
DEPTH_TOPIC = "camera/aligned_depth_to_color/image_raw"
CAMERA_INFO_TOPIC = "camera/color/camera_info"

_LATEST_DELAY_S = 0.5
_QOS = QoSProfile(history=HistoryPolicy.KEEP_LAST, depth=5, reliability=ReliabilityPolicy.RELIABLE)


class CameraPlayer:
    """Publishes the events of a :class:`Recording` when they are due."""

    def __init__(self, node: rclpy.node.Node, recording: Recording, rate: float) -> None:
        self._recording = recording
        self._rate = rate
        self._publishers = {
            "image": node.create_publisher(Image, COLOUR_TOPIC, _QOS),
            "depth": node.create_publisher(Image, DEPTH_TOPIC, _QOS),
            "camera_info": node.create_publisher(CameraInfo, CAMERA_INFO_TOPIC, _QOS),
        }
        self.published = 0

    def wait_for_start(self, patience_s: float) -> Iterator[None]:
        """Yield until a line comes on standard input and somebody subscribes to the pictures, or
        until ``patience_s`` have passed."""
        until = time.monotonic() + patience_s
        told = False
        while time.monotonic() < until:
            told = told or _line_waits(0.05)
            if told and self._publishers["image"].get_subscription_count():
                break
            time.sleep(0.02)
            yield

    def play(self, repeat: Repeat) -> Iterator[None]:
        """Publish event after event, each at its time; yields after each and while it waits.

        A player that falls behind (a machine too slow for the recording) delays the rest: it
        leaves no frame out and never stamps a frame earlier than half a second ago.
        """
        start_ns = time.time_ns()
        for offset_ns, event in self._due_events(repeat):
            message = self._message(event)
            due_ns = start_ns + round(offset_ns / self._rate)
            while (wait_s := (due_ns - time.time_ns()) * 1e-9) > 0:
                time.sleep(min(wait_s, 0.05))
                yield
            if wait_s < -_LATEST_DELAY_S:
                start_ns -= round(wait_s * 1e9)
                due_ns -= round(wait_s * 1e9)
            message.header.stamp = Time(sec=due_ns // 10**9, nanosec=due_ns % 10**9)
            self._publishers[event.role].publish(message)
            self.published += event.role == "image"
            yield

    def _due_events(self, repeat: Repeat) -> Iterator[Due]:
        events = self._recording.load()
        if events is not None:
            return play_kept(events, repeat)
        once = Repeat.ONCE if repeat is Repeat.ONCE else Repeat.RESTART
        return play_stream(self._recording.events, once)

    def _message(self, event: CameraEvent) -> Any:
        if event.role == "camera_info":
            return _camera_info(self._recording.message(event))
        frame_id, image = self._recording.image(event)
        return Image(
            header=Header(frame_id=frame_id),
            height=image.height,
            width=image.width,
            encoding=image.encoding,
            is_bigendian=int(image.is_bigendian),
            step=image.step,
            data=image.data,
        )


def _camera_info(recorded: Any) -> CameraInfo:
    # ROS 1 wrote the matrices in capitals.
    names = "dkrp" if hasattr(recorded, "k") else "DKRP"
    d, k, r, p = (getattr(recorded, name) for name in names)
    roi = recorded.roi
    return CameraInfo(
        header=Header(frame_id=recorded.header.frame_id),
        height=recorded.height,
        width=recorded.width,
        distortion_model=recorded.distortion_model,
        d=[float(x) for x in d],
        k=[float(x) for x in k],
        r=[float(x) for x in r],
        p=[float(x) for x in p],
        binning_x=recorded.binning_x,
        binning_y=recorded.binning_y,
        roi=RegionOfInterest(
            x_offset=roi.x_offset,
            y_offset=roi.y_offset,
            height=roi.height,
            width=roi.width,
            do_rectify=bool(roi.do_rectify),
        ),
    )


def _line_waits(timeout_s: float) -> bool:
    """Whether standard input has something to read or has ended."""
    return bool(select.select([sys.stdin], [], [], timeout_s)[0])


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("bag", type=Path)
    parser.add_argument("--image-topic")
    parser.add_argument("--depth-topic")
    parser.add_argument("--camera-info-topic")
    parser.add_argument("--rate", type=float, default=1.0)
    parser.add_argument(
        "--wait",
        type=float,
        default=0.0,
        help="most seconds to wait for a line on standard input and a subscriber",
    )
    parser.add_argument("--repeat", choices=[r.name for r in Repeat], default=Repeat.ONCE.name)
    return parser.parse_args()


def main() -> int:
    """Play until the end, a signal, or the death of the parent; 3 if the bag cannot be played."""
    args = _arguments()
    parent = os.getppid()
    asked_to_stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: asked_to_stop.set())
    # Signals end the playing between two messages, not in the middle of one.
    rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
    node = rclpy.create_node("recorded_camera")
    try:
        with Recording(
            args.bag,
            image=args.image_topic,
            depth=args.depth_topic,
            camera_info=args.camera_info_topic,
        ) as recording:
            player = CameraPlayer(node, recording, args.rate)
            reported = 0.0
            steps = (player.wait_for_start(args.wait), player.play(Repeat[args.repeat]))
            for _ in itertools.chain(*steps):
                if asked_to_stop.is_set() or os.getppid() != parent:
                    break
                if time.monotonic() - reported > 1.0:
                    reported = time.monotonic()
                    print(json.dumps({"published": player.published}), flush=True)
            print(json.dumps({"published": player.published}), flush=True)
    except DemoError as error:
        print(error, file=sys.stderr)
        return 3
    finally:
        node.destroy_node()
        rclpy.try_shutdown()
    return 0


if __name__ == "__main__":
    sys.exit(main())
