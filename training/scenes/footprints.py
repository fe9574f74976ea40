"""Footprints on the floor, as turned rectangles, and what of a top is level."""

from __future__ import annotations

import numpy as np

from .assets import Model

Rectangle = tuple[float, float, float, float, float]
"""``(x, y, half width, half depth, yaw)``, metres and radians."""


def footprint(model: Model, pose: np.ndarray) -> Rectangle:
    """``(x, y, half width, half depth, yaw)`` of an upright model."""
    scale = float(np.linalg.norm(pose[:3, 0]))
    half = model.size[:2] * scale / 2
    yaw = float(np.arctan2(pose[1, 0], pose[0, 0]))
    return float(pose[0, 3]), float(pose[1, 3]), float(half[0]), float(half[1]), yaw


def rectangles_meet(
    a: Rectangle,
    b: Rectangle,
    margin_m: float,
) -> bool:
    """Whether two turned rectangles come nearer than ``margin_m`` (separating axes)."""
    apart = float(np.hypot(a[0] - b[0], a[1] - b[1]))
    if apart > np.hypot(a[2], a[3]) + np.hypot(b[2], b[3]) + margin_m:
        return False
    corners_a, corners_b = corners_of(a), corners_of(b)
    for yaw in (a[4], a[4] + np.pi / 2, b[4], b[4] + np.pi / 2):
        axis = np.array([np.cos(yaw), np.sin(yaw)])
        on_a, on_b = corners_a @ axis, corners_b @ axis
        if on_a.max() + margin_m < on_b.min() or on_b.max() + margin_m < on_a.min():
            return False
    return True


def corners_of(rectangle: Rectangle) -> np.ndarray:
    """``(4, 2)`` corners in the world."""
    x, y, half_x, half_y, yaw = rectangle
    c, s = np.cos(yaw), np.sin(yaw)
    signs = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * (half_x, half_y)
    return signs @ np.array([[c, s], [-s, c]]) + (x, y)


def is_level_below(holder: Model, plane: float, at: np.ndarray, radius: float) -> bool:
    """Whether the level surface at ``plane`` is below a disc's middle and rim (model frame)."""
    wanted = [at] + [
        at + radius * np.array([np.cos(a), np.sin(a)]) for a in np.arange(4) * np.pi / 2
    ]
    covered = np.zeros(len(wanted), bool)
    probes = np.array(wanted)
    for part in holder.parts:
        corners = part.vertices[part.faces].astype(float)
        level = np.abs(corners[..., 2] - plane).max(1) < 0.012
        triangles = corners[level][:, :, :2]
        if not len(triangles):
            continue
        edges = np.roll(triangles, -1, axis=1) - triangles
        offsets = probes[None, None] - triangles[:, :, None]
        side = edges[:, :, None, 0] * offsets[..., 1] - edges[:, :, None, 1] * offsets[..., 0]
        covered |= ((side >= 0).all(1) | (side <= 0).all(1)).any(0)
    return bool(covered.all())
