"""Graphs in another frame, by TF at the image's stamp. TF is used where tf2_ros is installed."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Protocol

import numpy as np

from spacesgg_ros.graph import SceneGraph, Vector3, transform_extent

if TYPE_CHECKING:
    from rclpy.node import Node

Pose = tuple[np.ndarray, np.ndarray]
"""Rotation ``(3, 3)`` and translation ``(3,)`` in metres: ``p_target = R @ p_source + t``."""


class PoseSource(Protocol):
    """Where a frame was at a moment."""

    def look_up(self, target: str, source: str, stamp_ns: int, timeout_s: float) -> Pose | str:
        """The pose of ``source`` in ``target``, or why there is none."""
        ...

    def reset(self) -> None:
        """Forget everything: time jumped."""
        ...


class NoTransforms:
    """Stands in where tf2_ros is not installed."""

    def look_up(self, target: str, source: str, stamp_ns: int, timeout_s: float) -> Pose | str:
        if target == source:
            return np.eye(3), np.zeros(3)
        return f"'{target}' needs TF, and tf2_ros is not installed: positions stay in '{source}'"

    def reset(self) -> None:
        pass


class BufferedTransforms:
    """tf2_ros' buffer, asked at the image's own stamp, never at "latest"."""

    def __init__(self, node: Node) -> None:
        # Looked for here: PyPI has no tf2_ros, and the node works without.
        import tf2_ros
        from rclpy.duration import Duration
        from rclpy.time import Time

        self._error = tf2_ros.TransformException
        self._duration, self._time = Duration, Time
        self._buffer = tf2_ros.Buffer()
        self._listener = tf2_ros.TransformListener(self._buffer, node)

    def look_up(self, target: str, source: str, stamp_ns: int, timeout_s: float) -> Pose | str:
        try:
            stamped = self._buffer.lookup_transform(
                target, source, self._time(nanoseconds=stamp_ns), self._duration(seconds=timeout_s)
            )
        except self._error as error:
            return f"no TF from '{source}' to '{target}' at the image's stamp: {error}"
        rotation, shift = stamped.transform.rotation, stamped.transform.translation
        return (
            rotation_of(rotation.x, rotation.y, rotation.z, rotation.w),
            np.array([shift.x, shift.y, shift.z]),
        )

    def reset(self) -> None:
        # tf2's Python buffer does not notice that a bag looped; old transforms would answer.
        self._buffer.clear()


def open_transforms(node: Node) -> PoseSource:
    """tf2_ros' buffer where it is installed, else a source that says it is not."""
    try:
        return BufferedTransforms(node)
    except ImportError:
        return NoTransforms()


def rotation_of(x: float, y: float, z: float, w: float) -> np.ndarray:
    """Rotation matrix of a quaternion; normalised first. All zero counts as no rotation."""
    q = np.array([x, y, z, w], dtype=np.float64)
    norm = np.linalg.norm(q)
    x, y, z, w = q / norm if norm > 0 else (0.0, 0.0, 0.0, 1.0)
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
            [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
            [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
        ]
    )


def transform_graph(graph: SceneGraph, pose: Pose, frame_id: str) -> SceneGraph:
    """The same graph with positions, sizes and offsets along the axes of ``frame_id``.

    Sizes stay enclosing boxes (``|R| @ size``); depths stay along the optical axis.
    """
    rotation, translation = pose
    objects = tuple(
        item
        if item.extent is None
        else dataclasses.replace(item, extent=transform_extent(item.extent, rotation, translation))
        for item in graph.objects
    )
    relations = tuple(
        item
        if item.offset is None
        else dataclasses.replace(item, offset=_rotate(rotation, item.offset))
        for item in graph.relations
    )
    return dataclasses.replace(
        graph,
        frame_id=frame_id,
        objects=objects,
        relations=relations,
        up=None if graph.up is None else _rotate(rotation, graph.up),
    )


def _rotate(rotation: np.ndarray, vector: Vector3) -> Vector3:
    x, y, z = rotation @ np.array(vector)
    return float(x), float(y), float(z)
