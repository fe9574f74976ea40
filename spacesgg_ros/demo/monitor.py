"""Listens to the node: graphs, diagnostics, the camera's pictures; asks its query service."""

from __future__ import annotations

import contextlib
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import numpy as np
import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.qos import QoSProfile, qos_profile_sensor_data
from rclpy.signals import SignalHandlerOptions
from sensor_msgs.msg import Image

from spacesgg_ros.demo.graph_messages import graph_from_message
from spacesgg_ros.demo.questions import describe
from spacesgg_ros.demo.statistics import Answer, GraphStatistics, NodeReport
from spacesgg_ros.graph.query import QueryStatus
from spacesgg_ros.graph.types import SceneGraph
from spacesgg_ros.msg import SceneGraph as SceneGraphMessage
from spacesgg_ros.node.images import read_colour
from spacesgg_ros.srv import QueryRelations
from spacesgg_ros.viewer import Question

_PICTURES_KEPT = 16

GraphListener = Callable[[SceneGraph, np.ndarray | None], None]
"""Called in the monitor's thread with each graph and its picture, if that is wanted and here."""


class Monitor:
    """A ROS node of its own in a thread of its own. Start before use, stop after."""

    def __init__(self, domain_id: int, image_topic: str) -> None:
        self.statistics = GraphStatistics()
        self.report = NodeReport()
        self.lock = threading.Lock()
        """Held while ``statistics`` and ``report`` change; hold it to read more than one value."""
        self.on_graph: GraphListener | None = None
        self._context = rclpy.Context()
        # The demo itself reacts to signals: it has children to stop first.
        rclpy.init(
            context=self._context,
            domain_id=domain_id,
            signal_handler_options=SignalHandlerOptions.NO,
        )
        self._node = rclpy.create_node("scene_graph_monitor", context=self._context)
        self._node.create_subscription(
            SceneGraphMessage, "scene_graph", self._take_graph, QoSProfile(depth=10)
        )
        self._node.create_subscription(
            DiagnosticArray, "/diagnostics", self._take_diagnostics, QoSProfile(depth=10)
        )
        self._client: Any = self._node.create_client(QueryRelations, "query_relations")
        self._image_topic = image_topic
        self._image_subscription: rclpy.subscription.Subscription | None = None
        self._wants_pictures: Callable[[], bool] = lambda: False
        self._pictures: OrderedDict[int, np.ndarray] = OrderedDict()
        self._node.create_timer(0.5, self._follow_wish)
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self._node)
        self._thread = threading.Thread(target=self._spin, daemon=True)

    def start(self) -> None:
        """Begin to listen."""
        self._thread.start()

    def stop(self) -> None:
        """Stop listening; statistics stay readable."""
        self._executor.shutdown(timeout_sec=2.0)
        if self._thread.is_alive():
            self._thread.join(timeout=5.0)
        self._node.destroy_node()
        rclpy.try_shutdown(context=self._context)

    def hears_node(self) -> bool:
        """Whether the node's graphs would arrive: discovery takes seconds on a busy machine."""
        return self._node.count_publishers("scene_graph") > 0

    def feed_pictures(self, listener: GraphListener, wanted: Callable[[], bool]) -> None:
        """Hand every graph to ``listener``, with its picture while ``wanted()``.

        Nobody who looks, nobody who pays: the images are subscribed to only then.
        """
        self.on_graph = listener
        self._wants_pictures = wanted

    def ask(self, question: Question, timeout_s: float = 3.0) -> Answer:
        """Call the node's query_relations service, from any thread but the monitor's own."""
        words = describe(question)
        if not self._client.service_is_ready():
            return Answer(words, False, "the node does not offer query_relations (yet)")
        done = threading.Event()
        future = self._client.call_async(
            QueryRelations.Request(
                subject=question.subject,
                predicate=question.predicate,
                object=question.object,
                viewpoint=question.viewpoint,
            )
        )
        future.add_done_callback(lambda _: done.set())
        if not done.wait(timeout_s):
            future.cancel()
            return Answer(words, False, f"the node did not answer within {timeout_s:.0f} s")
        reply: Any = future.result()
        return Answer(
            words,
            reply.status == QueryStatus.OK,
            reply.text,
            tuple(item.id for item in reply.objects),
        )

    def _spin(self) -> None:
        with contextlib.suppress(ExternalShutdownException):
            self._executor.spin()

    def _take_graph(self, message: SceneGraphMessage) -> None:
        graph = graph_from_message(message)
        with self.lock:
            self.statistics.add(graph, time.time_ns())
        if self.on_graph is not None:
            self.on_graph(graph, self._pictures.get(graph.stamp_ns))

    def _take_diagnostics(self, message: DiagnosticArray) -> None:
        with self.lock:
            for status in message.status:
                level = status.level[0] if isinstance(status.level, bytes) else status.level
                values = {item.key: item.value for item in status.values}
                self.report.update(status.name, level, status.message, values)

    def _take_image(self, message: Image) -> None:
        rgb = read_colour(message)
        if not isinstance(rgb, np.ndarray):
            return  # the node counts and explains what it cannot read
        stamp = message.header.stamp
        self._pictures[stamp.sec * 1_000_000_000 + stamp.nanosec] = rgb
        while len(self._pictures) > _PICTURES_KEPT:
            self._pictures.popitem(last=False)

    def _follow_wish(self) -> None:
        wanted = self._wants_pictures()
        if wanted and self._image_subscription is None:
            self._image_subscription = self._node.create_subscription(
                Image, self._image_topic, self._take_image, qos_profile_sensor_data
            )
        elif not wanted and self._image_subscription is not None:
            self._node.destroy_subscription(self._image_subscription)
            self._image_subscription = None
            self._pictures.clear()
