"""The node's outputs: graph, markers and annotated image, published from the frame thread."""

from __future__ import annotations

import dataclasses
import time
from collections import deque

from rclpy.lifecycle import LifecycleNode
from rclpy.qos import QoSProfile
from sensor_msgs.msg import Image
from visualization_msgs.msg import MarkerArray

from spacesgg_ros import msg as interfaces
from spacesgg_ros.graph import annotate
from spacesgg_ros.node.camera import RELIABILITY
from spacesgg_ros.node.diagnostics import RateMeter, Status, now_s, percentiles
from spacesgg_ros.node.frames import FrameGraph
from spacesgg_ros.node.markers import MarkerWriter
from spacesgg_ros.node.messages import graph_to_message, header_of, rgb_to_message
from spacesgg_ros.node.parameters import NodeParameters

_OUTPUT_DEPTH = 5


class GraphOutput:
    """Lifecycle publishers: they send while the node is active only."""

    def __init__(self, node: LifecycleNode, parameters: NodeParameters) -> None:
        self._node = node
        qos = QoSProfile(
            depth=_OUTPUT_DEPTH, reliability=RELIABILITY[parameters.output_reliability]
        )
        publisher = node.create_lifecycle_publisher
        self._graphs = publisher(interfaces.SceneGraph, "scene_graph", qos)
        self._markers = publisher(MarkerArray, "scene_graph/markers", qos)
        self._images = publisher(Image, "scene_graph/image", qos)
        self._marker_writer = MarkerWriter()
        self._marker_listeners = 0
        self.start()

    def start(self) -> None:
        """A new activation."""
        self._marker_writer.reset()
        self._meter = RateMeter()
        self._latencies_ms: deque[float] = deque(maxlen=100)
        self._ages_ms: deque[float] = deque(maxlen=100)
        self._publish_ms: deque[float] = deque(maxlen=100)
        self.latest: FrameGraph | None = None

    def close(self) -> None:
        for publisher in (self._graphs, self._markers, self._images):
            self._node.destroy_publisher(publisher)

    def publish(self, frame: FrameGraph, parameters: NodeParameters) -> None:
        """Called on the frame thread, for each frame."""
        started = time.perf_counter()
        stage_ms = dict(frame.graph.stage_ms)
        if self._publish_ms:
            stage_ms["publish"] = self._publish_ms[-1]  # of the frame before: this one is not done
        graph = dataclasses.replace(frame.graph, stage_ms=stage_ms)
        self._graphs.publish(graph_to_message(graph, frame.has_depth))
        self.latest = frame
        self._publish_markers(frame, parameters)
        if parameters.publish_image and self._images.get_subscription_count():
            # Boxes are drawn from pixels, distances from the camera's own frame.
            picture = annotate(frame.rgb, frame.camera_graph)
            self._images.publish(rgb_to_message(picture, header_of(frame.camera_graph)))
        now = now_s()
        self._publish_ms.append(1e3 * (time.perf_counter() - started))
        self._latencies_ms.append(1e3 * (now - frame.arrival_s))
        age_ns = self._node.get_clock().now().nanoseconds - frame.graph.stamp_ns
        self._ages_ms.append(age_ns / 1e6)
        self._meter.tick(now)

    def _publish_markers(self, frame: FrameGraph, parameters: NodeParameters) -> None:
        listeners = self._markers.get_subscription_count() if parameters.publish_markers else 0
        if listeners:
            if listeners > self._marker_listeners:
                self._marker_writer.reset()
            markers = self._marker_writer.write_markers(frame.graph, parameters.marker_lifetime)
            self._markers.publish(markers)
        self._marker_listeners = listeners

    def report(self, status: Status) -> None:
        """Rate, ages, sizes and stage times of what was published."""
        frame, now = self.latest, now_s()
        status.put("rate_hz", self._meter.rate_hz(now))
        for name, values in (
            ("latency_ms", self._latencies_ms),  # since the image reached the node
            ("age_ms", self._ages_ms),  # since the image's stamp, by the ROS clock
        ):
            p50, p95 = percentiles(list(values))
            status.put(f"{name}.p50", p50)
            status.put(f"{name}.p95", p95)
        status.put("sequence", frame.graph.sequence if frame else None)
        status.put("objects", len(frame.graph.objects) if frame else None)
        status.put("relations", len(frame.graph.relations) if frame else None)
        status.put("has_depth", frame.has_depth if frame else None)
        status.put("frame_id", frame.graph.frame_id if frame else None)
        keyframe_ns = frame.graph.keyframe_stamp_ns if frame else 0
        age_s = (frame.graph.stamp_ns - keyframe_ns) / 1e9 if frame and keyframe_ns else None
        status.put("keyframe_age_s", age_s)
        for stage, ms in (frame.graph.stage_ms if frame else {}).items():
            status.put(f"stage_ms.{stage}", ms)
        status.put("stage_ms.publish", percentiles(list(self._publish_ms))[0])
