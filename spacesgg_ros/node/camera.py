"""The node's inputs: subscriptions of one activation, paired and handed to the frame loop."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from typing import Any

from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CameraInfo, CompressedImage, Image

from spacesgg_ros.node.diagnostics import RateMeter, Staleness, Status, judge_input, now_s
from spacesgg_ros.node.drops import DropCounters
from spacesgg_ros.node.frames import FrameMessages
from spacesgg_ros.node.messages import stamp_to_ns
from spacesgg_ros.node.pairing import FramePairer, Pair, PairingConfig
from spacesgg_ros.node.parameters import NodeParameters

RELIABILITY = {
    "best_effort": ReliabilityPolicy.BEST_EFFORT,
    "reliable": ReliabilityPolicy.RELIABLE,
}
_INFO_DEPTH = 5


def pairing_config(parameters: NodeParameters) -> PairingConfig:
    return PairingConfig(
        use_depth=parameters.use_depth,
        slop_ns=round(parameters.pairing_slop * 1e9),
        queue_size=parameters.pairing_queue,
        depth_timeout_ns=round(parameters.depth_timeout * 1e9),
        jump_ns=round(parameters.time_jump * 1e9),
    )


class CameraInput:
    """Subscribes while the node is active. All of it runs on the executor's thread.

    Args:
        submit: gets the messages of each moment; must not wait.
    """

    def __init__(
        self,
        node: Node,
        parameters: NodeParameters,
        drops: DropCounters,
        submit: Callable[[FrameMessages], None],
    ) -> None:
        self._node = node
        self._submit = submit
        self._pairer: FramePairer[Any] = FramePairer(pairing_config(parameters), drops)
        self._uses_depth = parameters.use_depth
        self._info: CameraInfo | None = None
        self.image_meter, self.depth_meter, self.info_meter = (RateMeter() for _ in range(3))
        self._active_since_s = now_s()
        qos = QoSProfile(
            depth=parameters.image_queue_depth,
            reliability=RELIABILITY[parameters.image_reliability],
        )
        # Best effort fits publishers of either kind; the newest calibration is enough.
        info_qos = QoSProfile(depth=_INFO_DEPTH, reliability=ReliabilityPolicy.BEST_EFFORT)
        self._subscriptions = [
            self._subscribe("image", parameters.image_transport, self._on_image, qos),
        ]
        if parameters.use_depth:
            self._subscriptions += [
                self._subscribe("depth", parameters.depth_transport, self._on_depth, qos),
                node.create_subscription(CameraInfo, "camera_info", self._on_info, info_qos),
            ]

    def _subscribe(
        self, topic: str, transport: str, callback: Callable[[Any], None], qos: QoSProfile
    ) -> Any:
        if transport == "raw":
            return self._node.create_subscription(Image, topic, callback, qos)
        # As image_transport does: remap the base topic, then append the transport.
        base = self._node.resolve_topic_name(topic)
        return self._node.create_subscription(CompressedImage, f"{base}/{transport}", callback, qos)

    def close(self) -> None:
        """Unsubscribe."""
        for subscription in self._subscriptions:
            self._node.destroy_subscription(subscription)
        self._subscriptions = []

    def configure(self, parameters: NodeParameters) -> None:
        """Take over changed parameters, from the next image on.

        What is subscribed to stays: images would wait for a depth that is not listened to.
        """
        config = pairing_config(parameters)
        self._pairer.config = dataclasses.replace(config, use_depth=self._uses_depth)

    @property
    def resets(self) -> int:
        """Jumps back in time so far."""
        return self._pairer.resets

    def _on_image(self, message: Any) -> None:
        now = now_s()
        self.image_meter.tick(now)
        stamp_ns = stamp_to_ns(message.header.stamp)
        self._hand_on(self._pairer.add_image(stamp_ns, message, round(now * 1e9)), now)

    def _on_depth(self, message: Any) -> None:
        now = now_s()
        self.depth_meter.tick(now)
        stamp_ns = stamp_to_ns(message.header.stamp)
        self._hand_on(self._pairer.add_depth(stamp_ns, message, round(now * 1e9)), now)

    def _on_info(self, message: CameraInfo) -> None:
        self.info_meter.tick(now_s())
        self._info = message

    def _hand_on(self, pairs: list[Pair[Any]], arrival_s: float) -> None:
        for pair in pairs:
            depth = pair.depth
            self._submit(
                FrameMessages(
                    stamp_ns=pair.stamp_ns,
                    frame_id=pair.image.header.frame_id,
                    image=pair.image,
                    depth=depth,
                    depth_frame_id="" if depth is None else depth.header.frame_id,
                    info=self._info,
                    epoch=self._pairer.resets,
                    arrival_s=arrival_s,
                )
            )

    def report(self, status: Status, parameters: NodeParameters) -> None:
        """Rates, ages and silences of the inputs."""
        staleness = Staleness(parameters.stale_warn, parameters.stale_error)
        flat = "objects are 2D (use_depth: false if the camera has no depth)"
        inputs = [("image", self.image_meter, "no graph is published")]
        if self._uses_depth:
            inputs += [("depth", self.depth_meter, flat), ("camera_info", self.info_meter, flat)]
        topics = [subscription.topic_name for subscription in self._subscriptions]
        for (what, meter, consequence), topic in zip(inputs, topics, strict=False):
            # A calibration stays true when its topic falls silent.
            known = what == "camera_info" and self._info is not None
            judge_input(
                status,
                what,
                topic,
                meter,
                Staleness(math.inf, math.inf) if known else staleness,
                self._active_since_s,
                now_s(),
                consequence,
                publishers=self._node.count_publishers(topic),
            )
        status.put("time_jumps", self._pairer.resets)
        status.put("waits_for_depth", self._pairer.waits_for_depth)
