"""The camera path on its own thread: a pair of messages in, the graph of that image out.

The executor's thread only receives and pairs. This thread converts, tracks, lifts and measures,
so that services and lifecycle transitions answer however fast the camera is. It is the one
owner of the :class:`LiveSceneGraph`. No ROS.
"""

from __future__ import annotations

import dataclasses
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from spacesgg_ros.graph import (
    GraphError,
    LiveConfig,
    LiveSceneGraph,
    RGBDFrame,
    SceneGraph,
    Vector3,
)
from spacesgg_ros.graph.depth import same_aspect
from spacesgg_ros.node.drops import Drop, DropCounters
from spacesgg_ros.node.images import Refusal, read_colour, read_depth, read_intrinsics
from spacesgg_ros.node.transforms import PoseSource, transform_graph
from spacesgg_ros.node.worker import Keyframe, KeyframeResult


@dataclass(frozen=True)
class FrameMessages:
    """The messages of one moment. ``epoch``: rises when time jumped back."""

    stamp_ns: int
    frame_id: str
    image: Any
    depth: Any | None
    depth_frame_id: str
    info: Any | None
    epoch: int
    arrival_s: float


@dataclass(frozen=True)
class FrameOptions:
    """What of the node's parameters this thread uses; may change between frames."""

    wants_depth: bool = True
    target_frame: str = ""
    up_frame: str = ""
    tf_timeout_s: float = 0.05


@dataclass(frozen=True)
class FrameGraph:
    """A finished frame.

    Attributes:
        graph: as published, in the target frame where there is one.
        camera_graph: the same in the camera's optical frame, for queries.
        rgb: ``(H, W, 3)`` uint8, the image they describe.
        has_depth: depth and intrinsics were used.
        tf_problem: why ``graph`` is not in the frame asked for, or up is not known; else empty.
        arrival_s: monotonic time the image reached the node.
    """

    graph: SceneGraph
    camera_graph: SceneGraph
    rgb: np.ndarray
    has_depth: bool
    tf_problem: str
    arrival_s: float


class FrameLoop:
    """Runs one activation: made at activate, stopped at deactivate.

    Args:
        options: asked at each frame.
        on_graph: gets each finished frame, on this thread.
        on_keyframe: is offered each image for the model, on this thread; must not wait.
    """

    def __init__(
        self,
        config: LiveConfig,
        options: Callable[[], FrameOptions],
        transforms: PoseSource,
        drops: DropCounters,
        on_graph: Callable[[FrameGraph], None],
        on_keyframe: Callable[[Keyframe], None],
    ) -> None:
        self._live = LiveSceneGraph(config)
        self._options = options
        self._transforms = transforms
        self._drops = drops
        self._on_graph = on_graph
        self._on_keyframe = on_keyframe
        self._wake = threading.Condition()
        self._slot: FrameMessages | None = None
        self._results: deque[KeyframeResult] = deque()
        self._stopping = False
        self._epoch = 0
        self._sequence = 0
        self._thread = threading.Thread(target=self._run, name="frames", daemon=True)
        self._thread.start()

    def submit(self, frame: FrameMessages) -> None:
        """Hand over the newest frame; one that still waits is superseded. Never waits."""
        with self._wake:
            if self._slot is not None:
                self._drops.add(Drop.FRAME_SUPERSEDED)
            self._slot = frame
            self._wake.notify()

    def add_result(self, result: KeyframeResult) -> None:
        """Hand over what the model wrote; it is used with the next frame. Never waits."""
        with self._wake:
            self._results.append(result)

    def stop(self, wait_s: float = 1.0) -> None:
        """End the thread after the frame it is at."""
        with self._wake:
            self._stopping = True
            self._wake.notify()
        if threading.current_thread() is not self._thread:
            self._thread.join(wait_s)

    @property
    def alive(self) -> bool:
        """False once the thread has ended, whatever ended it."""
        return self._thread.is_alive()

    def _run(self) -> None:
        while True:
            with self._wake:
                while self._slot is None and not self._stopping:
                    self._wake.wait()
                if self._stopping:
                    return
                frame, self._slot = self._slot, None
                results, self._results = self._results, deque()
            if frame is not None:
                self._process(frame, results)

    def _process(self, frame: FrameMessages, results: deque[KeyframeResult]) -> None:
        if frame.epoch != self._epoch:
            self._epoch = frame.epoch
            self._live.reset()
            self._transforms.reset()
        started = time.perf_counter()
        rgb = read_colour(frame.image)
        if isinstance(rgb, Refusal):
            self._drops.add(rgb.reason, rgb.detail)
            self._use_results(results)
            return
        rgbd = self._complete(frame, rgb)
        converted = time.perf_counter()
        self._use_results(results)
        options = self._options()
        up, up_problem = self._find_up(frame, options)
        try:
            graph = self._live.update(rgbd, up)
        except GraphError as error:
            self._drops.add(Drop.FRAME_REFUSED, str(error))
            return
        self._sequence += 1
        stage_ms = {"convert": 1e3 * (converted - started), **graph.stage_ms}
        graph = dataclasses.replace(graph, sequence=self._sequence, stage_ms=stage_ms)
        published, problem = self._to_target(graph, options)
        problem = "; ".join(filter(None, (problem, up_problem)))
        has_depth = rgbd.depth_m is not None and rgbd.intrinsics is not None
        self._on_graph(FrameGraph(published, graph, rgb, has_depth, problem, frame.arrival_s))
        self._on_keyframe(Keyframe(frame.stamp_ns, frame.frame_id, rgb, frame.arrival_s))

    def _use_results(self, results: deque[KeyframeResult]) -> None:
        for result in results:
            stamp_ns = result.keyframe.stamp_ns
            if not self._live.add_keyframe(stamp_ns, result.generated.graph, result.model_id):
                self._drops.add(
                    Drop.KEYFRAME_FORGOTTEN,
                    "time jumped, or the model took longer than keyframe_memory",
                )

    def _complete(self, frame: FrameMessages, rgb: np.ndarray) -> RGBDFrame:
        """The frame with whatever of depth and intrinsics can be used; what cannot is counted."""
        height, width = rgb.shape[:2]
        depth_m: np.ndarray | None = None
        intrinsics = None
        if self._options().wants_depth:
            camera = read_intrinsics(frame.info, width, height)
            if isinstance(camera, Refusal):
                self._drops.add(camera.reason, camera.detail)
            else:
                intrinsics = camera
        if frame.depth is not None:
            depth = read_depth(frame.depth)
            if not isinstance(depth, Refusal):
                depth = _check_alignment(frame, depth, width, height)
            if isinstance(depth, Refusal):
                self._drops.add(depth.reason, depth.detail)
            else:
                depth_m = depth
        return RGBDFrame(frame.stamp_ns, frame.frame_id, rgb, depth_m, intrinsics)

    def _find_up(self, frame: FrameMessages, options: FrameOptions) -> tuple[Vector3 | None, str]:
        if not options.up_frame:
            return None, ""
        pose = self._transforms.look_up(
            options.up_frame, frame.frame_id, frame.stamp_ns, options.tf_timeout_s
        )
        if isinstance(pose, str):
            return None, f"up is not known: {pose}"
        x, y, z = pose[0].T @ np.array([0.0, 0.0, 1.0])
        return (float(x), float(y), float(z)), ""

    def _to_target(self, graph: SceneGraph, options: FrameOptions) -> tuple[SceneGraph, str]:
        if not options.target_frame:
            return graph, ""
        pose = self._transforms.look_up(
            options.target_frame, graph.frame_id, graph.stamp_ns, options.tf_timeout_s
        )
        if isinstance(pose, str):
            return graph, pose
        return transform_graph(graph, pose, options.target_frame), ""


def _check_alignment(
    frame: FrameMessages, depth_m: np.ndarray, width: int, height: int
) -> np.ndarray | Refusal:
    """Depth must be registered to colour: the same frame, and the same field of view."""
    rows, columns = depth_m.shape
    if frame.depth_frame_id and frame.depth_frame_id != frame.frame_id:
        return Refusal(
            Drop.DEPTH_NOT_ALIGNED,
            f"depth is in frame '{frame.depth_frame_id}', colour in '{frame.frame_id}': use the "
            "camera's registered depth (aligned_depth_to_color, depth_registered)",
        )
    if not same_aspect((columns, rows), (width, height)):
        return Refusal(
            Drop.DEPTH_NOT_ALIGNED,
            f"depth is {columns}x{rows}, colour {width}x{height}: another field of view; use the "
            "camera's registered depth",
        )
    return depth_m
