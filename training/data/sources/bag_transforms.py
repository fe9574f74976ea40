"""Where a frame was at a moment, from the transforms recorded in a bag."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass, field
from typing import Any

import numpy as np

_NS = 1_000_000_000
_REACH_NS = _NS // 10
"""How far before the first or after the last transform of a frame one is still taken."""


@dataclass
class _Edge:
    parent: str
    stamps: list[int] = field(default_factory=list)
    poses: list[np.ndarray] = field(default_factory=list)  # (7,): x y z, then quaternion x y z w
    fixed: bool = False


class TransformTree:
    """Frames by their parents. Poses are ``(7,)``: x y z in metres and a unit quaternion."""

    def __init__(self) -> None:
        self._edges: dict[str, _Edge] = {}

    def add_message(self, message: Any, fixed: bool) -> None:
        """Take in a ``tf2_msgs/msg/TFMessage``. ``fixed``: it came by ``/tf_static``."""
        for item in message.transforms:
            move, turn = item.transform.translation, item.transform.rotation
            pose = np.array([move.x, move.y, move.z, turn.x, turn.y, turn.z, turn.w], np.float64)
            stamp = item.header.stamp
            stamp_ns = int(stamp.sec) * _NS + int(stamp.nanosec)
            self.add(item.header.frame_id, item.child_frame_id, stamp_ns, pose, fixed)

    def add(self, parent: str, child: str, stamp_ns: int, pose: np.ndarray, fixed: bool) -> None:
        """Take in the pose of ``child`` in ``parent``; what is no rotation is left out."""
        length = np.linalg.norm(pose[3:])
        if not (np.isfinite(pose).all() and length > 0.5):
            return
        pose = np.concatenate([pose[:3], pose[3:] / length])
        parent, child = parent.lstrip("/"), child.lstrip("/")
        edge = self._edges.get(child)
        if edge is None or fixed or edge.parent != parent:
            self._edges[child] = _Edge(parent, [stamp_ns], [pose], fixed)
            return
        at = bisect_left(edge.stamps, stamp_ns)
        edge.stamps.insert(at, stamp_ns)
        edge.poses.insert(at, pose)

    def look_up(self, frame: str, stamp_ns: int) -> tuple[str, np.ndarray] | None:
        """The topmost frame above ``frame`` and ``(4, 4)`` frame-to-topmost at that moment.

        Between two recorded poses it goes straight, and by the normalised mean of the
        quaternions. None where nothing is known of the frame, or not of that moment.
        """
        frame = frame.lstrip("/")
        matrix, seen = np.eye(4), {frame}
        if frame not in self._edges:
            return None
        while (edge := self._edges.get(frame)) is not None:
            pose = _pose_at(edge, stamp_ns)
            if pose is None or edge.parent in seen:
                return None
            matrix = _to_matrix(pose) @ matrix
            frame = edge.parent
            seen.add(frame)
        return frame, matrix


def _pose_at(edge: _Edge, stamp_ns: int) -> np.ndarray | None:
    if edge.fixed:
        return edge.poses[-1]
    at = bisect_left(edge.stamps, stamp_ns)
    if at < len(edge.stamps) and edge.stamps[at] == stamp_ns:
        return edge.poses[at]
    if at in (0, len(edge.stamps)):
        nearest = min(at, len(edge.stamps) - 1)
        near = abs(edge.stamps[nearest] - stamp_ns) <= _REACH_NS
        return edge.poses[nearest] if near else None
    before, after = edge.stamps[at - 1], edge.stamps[at]
    share = (stamp_ns - before) / (after - before)
    first, second = edge.poses[at - 1], edge.poses[at]
    if first[3:] @ second[3:] < 0:  # q and -q turn alike: take the short way
        second = np.concatenate([second[:3], -second[3:]])
    mean = (1 - share) * first + share * second
    return np.concatenate([mean[:3], mean[3:] / np.linalg.norm(mean[3:])])


def _to_matrix(pose: np.ndarray) -> np.ndarray:
    x, y, z, w = pose[3:]
    matrix = np.eye(4)
    matrix[:3, 3] = pose[:3]
    matrix[:3, :3] = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
        [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
        [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
    ]
    return matrix
