"""A camera and an operator in the test's process, the node in one of its own.

Each test has its own ROS domain, claimed by a local port for as long as it runs, so that tests
may run side by side. Nothing here sleeps for a fixed time: everything waits for a condition.
"""

import array
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

rclpy = pytest.importorskip("rclpy", reason="needs the extra 'ros'")

from builtin_interfaces.msg import Time
from diagnostic_msgs.msg import DiagnosticArray
from lifecycle_msgs.srv import ChangeState, GetState
from rcl_interfaces.srv import DescribeParameters, SetParametersAtomically
from rclpy.executors import SingleThreadedExecutor
from rclpy.parameter import Parameter
from rclpy.qos import QoSProfile
from sensor_msgs.msg import CameraInfo, Image

from spacesgg_ros.msg import SceneGraph
from spacesgg_ros.node.main import use_shared_memory_profile
from spacesgg_ros.srv import DescribeRelation, QueryRelations

SCRIPT = Path(__file__).with_name("scripted_node.py")
WIDTH, HEIGHT = 320, 240
FRAME = "camera_optical_frame"
LIMIT_S = 30.0
TRANSITIONS = {"configure": 1, "cleanup": 2, "activate": 3, "deactivate": 4}
_FIRST_PORT, _DOMAINS = 47100, range(20, 100)


def scene():
    """``(H, W, 3)`` uint8 RGB and ``(H, W)`` uint16 mm: a red and a blue patch on a wall."""
    rng = np.random.default_rng(0)
    rgb = rng.integers(90, 150, (HEIGHT, WIDTH, 3), dtype=np.uint8)
    depth = np.full((HEIGHT, WIDTH), 1500, np.uint16)
    # The square pad adds 40 rows above: row = y * 320 / 999 - 40.
    red, blue = (64, 112, (200, 40, 40), 800), (192, 256, (40, 40, 200), 900)
    for left, right, colour, millimetres in (red, blue):
        rgb[88:152, left:right] = rgb[88:152, left:right] // 4 + np.array(colour, np.uint8) // 2
        depth[88:152, left:right] = millimetres
    return rgb, depth


class Bench:
    """Publishes a camera, keeps what the node says, calls its services."""

    def __init__(self, domain):
        self.domain = domain
        self.context = rclpy.Context()
        rclpy.init(context=self.context, domain_id=domain)
        self.node = rclpy.create_node("bench", context=self.context)
        self.executor = SingleThreadedExecutor(context=self.context)
        self.executor.add_node(self.node)
        qos = QoSProfile(depth=10)
        self._image = self.node.create_publisher(Image, "image", qos)
        self._depth = self.node.create_publisher(Image, "depth", qos)
        self._info = self.node.create_publisher(CameraInfo, "camera_info", qos)
        self.graphs = []
        self.status = {}
        self.node.create_subscription(SceneGraph, "scene_graph", self.graphs.append, 50)
        self.node.create_subscription(DiagnosticArray, "/diagnostics", self._on_report, 10)
        many = QoSProfile(depth=500)
        client = self.node.create_client
        self.query = client(QueryRelations, "query_relations", qos_profile=many)
        self.describe = client(DescribeRelation, "describe_relation", qos_profile=many)
        self.parameters = client(DescribeParameters, "scene_graph/describe_parameters")
        self._change = client(ChangeState, "scene_graph/change_state")
        self._set = client(SetParametersAtomically, "scene_graph/set_parameters_atomically")
        # The last one: see _meet.
        self._state = client(GetState, "scene_graph/get_state")
        self.rgb, self.depth_mm = scene()
        self.stamp_ns = time.time_ns()
        self.process = None

    def start(self, *arguments, seconds=0.05, model="scripted", wait=True, **parameters):
        """Start the node; ``wait``: until its services are there."""
        self.graphs.clear()
        self.status.clear()
        command = [sys.executable, str(SCRIPT), "--seconds", str(seconds), "--ros-args"]
        values = {"model": model, "stale_warn": 0.4, "stale_error": 1.0, **parameters}
        for name, value in values.items():
            command += ["-p", f"{name}:={value}"]
        environment = {**os.environ, "ROS_DOMAIN_ID": str(self.domain)}
        self.process = subprocess.Popen([*command, *arguments], env=environment)
        if wait:
            self._meet()

    def _meet(self):
        """Until the node can answer.

        A client sees a service before the service knows whom to answer, and an answer of that
        moment is lost. Clients are announced in the order they were made: who can answer the last
        can answer all.
        """
        self.run_until(self._state.service_is_ready, "the node")
        asked = []

        def is_answered():
            if time.monotonic() >= 1 + (asked[-1][0] if asked else 0):
                asked.append((time.monotonic(), self._state.call_async(GetState.Request())))
            return any(future.done() for _, future in asked)

        self.run_until(is_answered, "the node's state")

    def stop(self):
        """Interrupt the node as an operator would; its exit code."""
        self.process.send_signal(signal.SIGINT)
        code = self.process.wait(LIMIT_S)
        self.process = None
        return code

    def close(self):
        # This side first, and the node gently: Fast DDS has crashed where a participant ended
        # just after its peer was killed, and a killed node leaves its shared memory behind.
        self.executor.shutdown()
        self.node.destroy_node()
        self.context.try_shutdown()
        if self.process is None:
            return
        try:
            self.stop()
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(LIMIT_S)

    # --- time passes ---------------------------------------------------------------------------

    def run_until(self, condition, what, frame=None, rate=20.0, limit_s=LIMIT_S):
        """Spin, and send a camera frame by ``frame()`` at ``rate``, until ``condition()``."""
        deadline, next_frame = time.monotonic() + limit_s, time.monotonic()
        while not (result := condition()):
            assert time.monotonic() < deadline, f"{what} did not come; {self.status}"
            code = self.process.poll() if self.process else None
            assert code is None, f"the node ended with {code} before {what} came"
            if frame and time.monotonic() >= next_frame:
                next_frame += 1 / rate
                self.stamp_ns += round(1e9 / rate)
                frame()
            self.executor.spin_once(timeout_sec=0.005 if frame else 0.05)
        return result

    def wait_for(self, future, what="an answer", **options):
        self.run_until(future.done, what, **options)
        return future.result()

    def call(self, client, request, **options):
        self.run_until(client.service_is_ready, "the service")
        return self.wait_for(client.call_async(request), **options)

    # --- the camera ----------------------------------------------------------------------------

    def send(self, image=True, depth=True, info=True):
        """One frame at ``stamp_ns``. False leaves a message out, a dict changes its fields."""
        if info is not False:
            k = [300.0, 0.0, 159.5, 0.0, 300.0, 119.5, 0.0, 0.0, 1.0]
            self._publish(self._info, CameraInfo(width=WIDTH, height=HEIGHT, k=k), info)
        if image is not False:
            self._publish(self._image, pixels(self.rgb, "rgb8"), image)
        if depth is not False:
            self._publish(self._depth, pixels(self.depth_mm, "16UC1"), depth)

    def _publish(self, publisher, message, changes):
        message.header.frame_id = FRAME
        stamp_ns = self.stamp_ns
        for name, value in (changes if isinstance(changes, dict) else {}).items():
            if name == "stamp_ns":
                stamp_ns = value
            else:
                setattr(message, name, value)
        message.header.stamp = Time(sec=stamp_ns // 10**9, nanosec=stamp_ns % 10**9)
        publisher.publish(message)

    # --- what the node says --------------------------------------------------------------------

    def _on_report(self, message):
        for status in message.status:
            values = {item.key: item.value for item in status.values}
            level = int.from_bytes(status.level, "little")
            self.status[status.name.split(": ")[-1]] = (level, status.message, values)

    def level(self, part):
        return self.status.get(part, (None,))[0]

    def says(self, part, words):
        """Whether the newest report about ``part`` has the words in its message."""
        return part in self.status and words in self.status[part][1]

    def value(self, part, key):
        return self.status.get(part, (0, "", {}))[2].get(key)

    def drops(self, reason):
        return int(self.value("camera", f"drops.{reason}") or 0)

    def objects(self):
        """Objects of the newest graph."""
        return self.graphs[-1].objects if self.graphs else []

    def run_until_objects(self, **options):
        """Send good frames until graphs made from now on have both objects, with positions."""
        self.graphs.clear()
        options.setdefault("frame", self.send)
        self.run_until(
            lambda: len(self.objects()) == 2 and all(o.has_position for o in self.objects()),
            "a graph with two placed objects",
            **options,
        )

    # --- the operator --------------------------------------------------------------------------

    def change_state(self, name, **options):
        request = ChangeState.Request()
        request.transition.id = TRANSITIONS[name]
        return self.call(self._change, request, **options).success

    def state(self, **options):
        return self.call(self._state, GetState.Request(), **options).current_state.label

    def set_parameters(self, **values):
        request = SetParametersAtomically.Request(
            parameters=[Parameter(n, value=v).to_parameter_msg() for n, v in values.items()]
        )
        return self.call(self._set, request).result


def pixels(array_, encoding):
    data = array.array("B")
    data.frombytes(memoryview(np.ascontiguousarray(array_)).cast("B"))
    step = array_.nbytes // array_.shape[0]
    return Image(height=HEIGHT, width=WIDTH, encoding=encoding, step=step, data=data)


@pytest.fixture
def domain():
    """A ROS domain that no other test on this machine uses."""
    with socket.socket() as claim:
        for number in np.random.default_rng(os.getpid()).permutation(_DOMAINS):
            try:
                claim.bind(("127.0.0.1", _FIRST_PORT + int(number)))
            except OSError:
                continue
            yield int(number)
            return
        pytest.fail("no ROS domain is free")


@pytest.fixture
def bench(domain, monkeypatch):
    monkeypatch.setenv("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
    use_shared_memory_profile()
    bench = Bench(domain)
    yield bench
    bench.close()
