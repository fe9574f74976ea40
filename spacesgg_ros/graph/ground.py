"""Which way is up, and the surface that things stand on.

A support plane makes an object's box usable: table pixels can be cut out of it, its height is
known down to the surface it stands on, and left/right/front/behind can be measured on the
ground plane, so that a tilted camera does not mix height into depth.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from spacesgg_ros.graph.types import BoxPx, GraphError, Intrinsics, Vector3

_GRID = 32
_HYPOTHESES = 256
_JUDGES = 512  # points that hypotheses are compared by; this many tell them apart
_FOOT_BESIDE = 0.35
_FOOT_ABOVE = 0.5
_FOOT_BELOW = 0.5
_MIN_POINTS = 60
_MIN_INLIERS = 0.2
_TOLERANCE_M = 0.008
_LARGE_REGION = 0.3
_TIGHTER = (1.0, 0.7, 0.5)
_MIN_UP_COSINE = 0.25  # an unknown "up" is at most 75 degrees off the image's: walls drop out
_MIN_GIVEN_UP_COSINE = 0.94


def depth_noise_m(z_m: np.ndarray) -> np.ndarray:
    """Standard deviation of a consumer RGB-D camera's reading at ``z_m`` metres.

    1.2 mm + 1.9 mm (z - 0.4)^2, fitted to structured-light cameras (Nguyen et al. 2012).
    """
    noise: np.ndarray = 0.0012 + 0.0019 * np.square(z_m - 0.4)
    return noise


@dataclass(frozen=True)
class SupportPlane:
    """``height(p) = normal . p + offset``, the signed height of a point above the plane.

    Attributes:
        normal: unit vector, up, camera optical frame.
        offset: the camera's height above the plane, metres.
        share: fraction of the sampled depth pixels that lie on it.
    """

    normal: Vector3
    offset: float
    share: float = 1.0


def unit_up(up: Vector3) -> Vector3:
    """``up`` at unit length.

    Raises:
        GraphError: it is not finite or has no length.
    """
    length = math.sqrt(sum(float(value) ** 2 for value in up))
    if not math.isfinite(length) or length < 1e-9:
        raise GraphError(f"'up' needs three finite values, not all 0; got {up}")
    return (float(up[0] / length), float(up[1] / length), float(up[2] / length))


def ground_axes(up: Vector3 | None) -> np.ndarray:
    """Rows right, forward, up: unit vectors in the camera's optical frame.

    ``forward`` is the optical axis laid on the ground plane; looking straight up or down, it
    is the image's upward direction. Without ``up`` the camera's own axes (x, z, -y).
    The array is shared between calls and read-only.
    """
    return _ground_axes(None if up is None else unit_up(up))


@functools.lru_cache(maxsize=64)
def _ground_axes(up: Vector3 | None) -> np.ndarray:
    axes = _build_axes(up)
    axes.setflags(write=False)
    return axes


def _build_axes(up: Vector3 | None) -> np.ndarray:
    if up is None:
        return np.array([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, -1.0, 0.0]])
    u = np.array(up)
    forward = np.array([0.0, 0.0, 1.0]) - u[2] * u
    if np.linalg.norm(forward) < 0.05:
        forward = np.array([0.0, -1.0, 0.0]) + u[1] * u
    forward /= np.linalg.norm(forward)
    return np.stack([np.cross(forward, u), forward, u])


def sample_points(
    depth_m: np.ndarray,
    intrinsics: Intrinsics,
    regions: Sequence[BoxPx] = (),
    grid: int = _GRID,
) -> np.ndarray:
    """Points of a lattice over the image or about the regions' feet, ``(n, 3)`` m, valid only.

    Args:
        regions: pixels of the image the intrinsics are for; each gets a lattice of its own
            about its lower edge, where what it stands on is seen. None: one over the image.
    """
    rows, columns = depth_m.shape
    camera = intrinsics.scaled_to(columns, rows)
    sx, sy = columns / intrinsics.width, rows / intrinsics.height
    boxes = np.array(regions, dtype=np.float64).reshape(-1, 4) * (sx, sy, sx, sy)
    area = np.prod(boxes[:, 2:] - boxes[:, :2], axis=1)
    # The table's own box would bring the floor back.
    boxes = boxes[area < _LARGE_REGION * rows * columns]
    if len(boxes):
        grid = max(8, grid // math.isqrt(len(boxes)))
        width, height = (boxes[:, 2:] - boxes[:, :2]).T
        boxes = np.stack(
            [
                boxes[:, 0] - _FOOT_BESIDE * width,
                boxes[:, 3] - _FOOT_ABOVE * height,
                boxes[:, 2] + _FOOT_BESIDE * width,
                boxes[:, 3] + _FOOT_BELOW * height,
            ],
            axis=1,
        )
    else:
        boxes = np.array([[0.0, 0.0, columns, rows]])
    step = (np.arange(grid) + 0.5) / grid
    u = (boxes[:, :1] + step * (boxes[:, 2:3] - boxes[:, :1])).clip(0, columns - 1).astype(np.intp)
    v = (boxes[:, 1:2] + step * (boxes[:, 3:] - boxes[:, 1:2])).clip(0, rows - 1).astype(np.intp)
    u, v = (a.ravel() for a in np.broadcast_arrays(u[:, None, :], v[:, :, None]))
    z = depth_m[v, u].astype(np.float64)
    valid = z > 0
    u, v, z = u[valid], v[valid], z[valid]
    return np.stack([(u - camera.cx) / camera.fx * z, (v - camera.cy) / camera.fy * z, z], axis=1)


def _refine(points: np.ndarray, inliers: np.ndarray) -> tuple[np.ndarray, float]:
    """Least-squares plane of the inliers, its normal towards the camera."""
    chosen = points[inliers]
    centre = chosen.mean(axis=0)
    centred = chosen - centre
    _, vectors = np.linalg.eigh(centred.T @ centred)
    normal = vectors[:, 0]
    offset = -float(normal @ centre)
    return (normal, offset) if offset > 0 else (-normal, -offset)


def _accept(normals: np.ndarray, up: Vector3 | None) -> np.ndarray:
    """Which ``(k, 3)`` normals can be those of a floor or a table top."""
    if up is None:
        plausible: np.ndarray = -normals[:, 1] > _MIN_UP_COSINE
        return plausible
    close: np.ndarray = normals @ np.array(unit_up(up)) > _MIN_GIVEN_UP_COSINE
    return close


def fit_support_plane(
    depth_m: np.ndarray,
    intrinsics: Intrinsics,
    *,
    up: Vector3 | None = None,
    regions: Sequence[BoxPx] = (),
    previous: SupportPlane | None = None,
) -> SupportPlane | None:
    """The widest plane that faces up, by a deterministic RANSAC over a coarse lattice.

    Args:
        depth_m: ``(h, w)`` metres, NaN where there is no reading.
        intrinsics: of the same view, at any resolution.
        up: against gravity in the optical frame; None: any plane that could be level for a
            camera tilted by up to 75 degrees.
        regions: boxes of the objects it should support, pixels of the intrinsics' image: a
            table is preferred to a floor that fills more of the image.
        previous: last frame's plane; where it still explains the image it is only refined.

    Returns:
        The plane, or None where no level plane holds a fifth of the lattice's readings.
    """
    points = sample_points(depth_m, intrinsics, regions)
    if len(points) < _MIN_POINTS:
        return None
    tolerance = np.maximum(_TOLERANCE_M, 3.0 * depth_noise_m(points[:, 2]))
    if previous is not None:
        heights = points @ np.array(previous.normal) + previous.offset
        inliers = np.abs(heights) < 2.0 * tolerance
        if inliers.mean() > 0.8 * previous.share:
            return _finish(points, inliers, tolerance, up, _TIGHTER[-1:])
    picks = np.random.default_rng(0).integers(0, len(points), (_HYPOTHESES, 3))
    a, b, c = points[picks[:, 0]], points[picks[:, 1]], points[picks[:, 2]]
    normals = np.cross(b - a, c - a)
    lengths = np.linalg.norm(normals, axis=1)
    good = lengths > 1e-5
    normals, a = normals[good] / lengths[good, None], a[good]
    offsets = -np.einsum("ij,ij->i", normals, a)
    flip = np.where(offsets < 0, -1.0, 1.0)
    normals, offsets = normals * flip[:, None], offsets * flip
    level = _accept(normals, up)
    if not level.any():
        return None
    normals, offsets = normals[level], offsets[level]
    # Truncated squares (MSAC, Torr and Zisserman 2000) rather than a count: a plane tilted so as
    # to catch a thin thing beside the table would count more points.
    planes = np.concatenate([normals, offsets[:, None]], axis=1)
    scaled = np.concatenate([points, np.ones((len(points), 1))], axis=1) / tolerance[:, None]
    miss = np.square(scaled[:: max(1, len(points) // _JUDGES)] @ planes.T)
    best = int(np.minimum(miss, 1.0, out=miss).sum(axis=0).argmin())
    return _finish(points, np.abs(scaled @ planes[best]) < 1.0, tolerance, up)


def _finish(
    points: np.ndarray,
    inliers: np.ndarray,
    tolerance: np.ndarray,
    up: Vector3 | None,
    tighter: Sequence[float] = _TIGHTER,
) -> SupportPlane | None:
    for tight in tighter:
        if inliers.sum() < _MIN_POINTS // 2:
            return None
        normal, offset = _refine(points, inliers)
        heights = np.abs(points @ normal + offset)
        inliers = heights < tight * tolerance
    share = float((heights < tolerance).mean())
    if share < _MIN_INLIERS or not _accept(normal[None], up)[0]:
        return None
    x, y, z = (float(value) for value in normal)
    return SupportPlane((x, y, z), offset, share)
