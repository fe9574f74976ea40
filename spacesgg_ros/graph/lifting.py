"""From a box on a depth image to an object's place and size in space.

A box holds more than its object: background above, the table below, maybe an occluder. The
object's own pixels are found first (cut off the support plane, then the heaviest depth cluster
under a weight that favours the box's middle); the numbers come from those alone.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from spacesgg_ros.graph.depth import align_depth, decode_depth, same_aspect
from spacesgg_ros.graph.ground import SupportPlane, depth_noise_m, ground_axes
from spacesgg_ros.graph.types import (
    BoxPx,
    Extent3D,
    GraphError,
    GroundExtent,
    Intrinsics,
    Vector3,
)

__all__ = ["align_depth", "decode_depth", "lift_box", "transform_extent"]

# Lengths and shares were tuned on 240 rendered 640x480 frames (1226 objects, sensor noise) of
# scenes that no benchmark uses.
_MAX_SAMPLES = 400
_MIN_SAMPLES = 8
_TRIM = 0.0025
_DEPTH_TAIL = 0.05
_MAX_RIM_M = 0.01
_FOOT_SHARE = 0.5
_FOOT_SHARE_STEEP = 0.8
_STEEP_SINE = 0.6
_SMALLER_SHARE = 1.0
_LEFT_SHARE = 0.25
_MIN_GAP_M = 0.02
_MAX_GAP_M = 0.12
_GAP_SHARE = 0.25
_ACROSS_GAP_M = 0.008
_ALONG_GAP_M = 0.03
_ACROSS_GAP_SAMPLES = 3.0
_RELATIVE_GAP = 0.02
_NEARER_SHARE = 0.8
_ON_PLANE_SHARE = 0.1
_PLANE_CUT_M = 0.005
_STRIP_SHARE = 0.15
_LEVEL_M = 0.01
_SUPPORT_JUMP_M = 0.05
_MIN_STEP_M = 0.012
_SUPPORT_IMAGE_SHARE = 0.3
_SUPPORT_PLANE_SHARE = 0.3


@dataclass(frozen=True)
class _Patch:
    """Valid pixels of a box: points ``(n, 3)`` metres and weights ``(n,)``, largest mid-box."""

    points: np.ndarray
    weights: np.ndarray
    pixels_per_sample: int


def _sample(
    depth_m: np.ndarray, box_px: BoxPx, camera: Intrinsics, others: Sequence[BoxPx]
) -> _Patch | None:
    rows, columns = depth_m.shape
    if not all(math.isfinite(value) for value in box_px):
        return None
    x0, y0 = max(math.floor(box_px[0]), 0), max(math.floor(box_px[1]), 0)
    x1, y1 = min(math.ceil(box_px[2]), columns), min(math.ceil(box_px[3]), rows)
    if x1 <= x0 or y1 <= y0:
        return None
    stride = max(1, math.ceil(math.sqrt((x1 - x0) * (y1 - y0) / _MAX_SAMPLES)))
    patch = depth_m[y0:y1:stride, x0:x1:stride]
    valid = patch > 0
    v, u = np.nonzero(_without(valid, (x0, y0, x1, y1), stride, others))
    if len(v) < _MIN_SAMPLES:
        return None
    z = patch[v, u].astype(np.float64)
    u, v = x0 + u * stride, y0 + v * stride
    points = np.empty((len(z), 3))
    points[:, 0] = (u - camera.cx) / camera.fx * z
    points[:, 1] = (v - camera.cy) / camera.fy * z
    points[:, 2] = z
    across = np.abs(2.0 * (u + 0.5 - x0) / (x1 - x0) - 1.0)
    down = np.abs(2.0 * (v + 0.5 - y0) / (y1 - y0) - 1.0)
    return _Patch(points, (1.1 - across) * (1.1 - down), stride * stride)


def _without(
    valid: np.ndarray, box: tuple[int, int, int, int], stride: int, others: Sequence[BoxPx]
) -> np.ndarray:
    """The valid samples outside the smaller ones of the other boxes, if enough are left."""
    x0, y0, x1, y1 = box
    mine = (x1 - x0) * (y1 - y0)
    kept = valid
    for a, b, c, d in others:
        left, top = max(math.floor(a), x0), max(math.floor(b), y0)
        right, bottom = min(math.ceil(c), x1), min(math.ceil(d), y1)
        if right <= left or bottom <= top or (c - a) * (d - b) >= _SMALLER_SHARE * mine:
            continue
        if kept is valid:
            kept = valid.copy()
        rows = slice((top - y0 + stride - 1) // stride, (bottom - y0 + stride - 1) // stride)
        columns = slice((left - x0 + stride - 1) // stride, (right - x0 + stride - 1) // stride)
        kept[rows, columns] = False
    return kept if kept.sum() >= _LEFT_SHARE * valid.sum() else valid


def _local_support(
    depth_m: np.ndarray, box_px: BoxPx, camera: Intrinsics, plane: SupportPlane
) -> SupportPlane:
    """The plane raised to what the object stands on, if that is another object.

    Below the box's lower edge its support is seen. It is another object's top where it is level,
    above the plane, and the depth goes on from the box into it: at an occluder's rim it jumps.
    """
    rows, columns = depth_m.shape
    x0, y0, x1, y1 = box_px
    margin = 0.2 * (x1 - x0)
    first, last = max(int(x0 + margin), 0), min(math.ceil(x1 - margin), columns)
    edge, thick = math.ceil(y1), max(2, int(_STRIP_SHARE * (y1 - y0)))
    if last - first < 3 or edge + thick > rows or edge < thick:
        return plane
    across, down = max(1, (last - first) // 24), max(1, thick // 3)
    strip = depth_m[edge - thick : edge + thick : down, first:last:across]
    v, u = np.nonzero(strip > 0)
    z = strip[v, u].astype(np.float64)
    inside = int(np.searchsorted(v, -(-thick // down)))  # rows ascend
    if min(inside, len(z) - inside) < _MIN_SAMPLES:
        return plane
    below = z[inside:]
    if abs(_middle(z[:inside]) - _middle(below)) > _SUPPORT_JUMP_M:
        return plane
    u, v = first + u[inside:] * across, edge - thick + v[inside:] * down
    (a, b, c), n = plane.normal, len(below)
    slopes = a / camera.fx * (u - camera.cx) + b / camera.fy * (v - camera.cy) + c
    heights = np.sort(plane.offset + below * slopes)
    height, uneven = float(heights[n // 2]), heights[int(0.85 * n)] - heights[int(0.15 * n)]
    if height < _MIN_STEP_M or uneven > max(_LEVEL_M, 3.0 * float(depth_noise_m(below[0]))):
        return plane
    return replace(plane, offset=plane.offset - height)


def _middle(values: np.ndarray) -> float:
    """The upper median."""
    return float(np.partition(values, len(values) // 2)[len(values) // 2])


def _off_plane(patch: _Patch, plane: SupportPlane, image_share: float) -> tuple[np.ndarray, bool]:
    """Which points are the object's, and whether it is the support itself.

    Those that stand off the plane; those on it where the box is the plane's own (a table: wide
    in the image and mostly plane); all where the object is too flat to tell.
    """
    heights = patch.points @ np.array(plane.normal) + plane.offset
    tolerance = np.maximum(_PLANE_CUT_M, 2.5 * depth_noise_m(patch.points[:, 2]))
    above: np.ndarray = heights > tolerance
    on_plane: np.ndarray = np.abs(heights) <= tolerance
    if image_share > _SUPPORT_IMAGE_SHARE and on_plane.mean() > _SUPPORT_PLANE_SHARE:
        return on_plane, True
    if patch.weights[above].sum() < _ON_PLANE_SHARE * patch.weights.sum():
        return np.ones(len(heights), dtype=bool), False
    return above, False


def _near_cluster(points: np.ndarray, weights: np.ndarray, gap_m: float) -> np.ndarray:
    """Indices of the depth cluster that the object's pixels form, by ascending depth.

    Sorted depths are split at gaps wider than ``gap_m`` and 2 %. A cluster counts by its weight
    and by how much of the points' width and height in the image it spans, since an object
    reaches all four sides of its box. The heaviest wins, or the nearest one that counts at least
    four fifths as much: what lies behind an object shows through and around it.
    """
    order = np.argsort(points[:, 2])
    ordered = points[order]
    z = ordered[:, 2]
    gaps = z[1:] - z[:-1] > np.maximum(gap_m, _RELATIVE_GAP * z[1:])
    if not gaps.any():
        return order
    starts = np.concatenate([[0], np.nonzero(gaps)[0] + 1])
    image = ordered[:, :2] / ordered[:, 2:]
    low = np.minimum.reduceat(image, starts, axis=0)
    high = np.maximum.reduceat(image, starts, axis=0)
    spans = (high - low) / np.maximum(high.max(axis=0) - low.min(axis=0), 1e-9)
    mass = np.add.reduceat(weights[order], starts) * spans.prod(axis=1)
    chosen = int(np.argmax(mass >= _NEARER_SHARE * mass.max()))
    ends = np.append(starts[1:], len(points))
    cluster: np.ndarray = order[starts[chosen] : ends[chosen]]
    return cluster


def _heaviest_run(values: np.ndarray, weights: np.ndarray | None, gap: float) -> np.ndarray | None:
    """Mask of the heaviest run of values without a gap, None where all of them are one run.

    Values are counted in bins of two thirds of the gap, which is faster than sorting them: an
    empty bin is a gap.
    """
    low = values.min()
    bins = ((values - low) * (1.5 / gap)).astype(np.intp)
    mass = np.bincount(bins)
    if mass.all():
        return None
    if weights is not None:
        mass = np.bincount(bins, weights)
    run = np.cumsum(mass == 0)[bins]
    mask: np.ndarray = run == np.bincount(run, weights).argmax()
    return mask


def _intervals(rows: np.ndarray) -> np.ndarray:
    """Robust ``(k, 2)`` intervals of the rows of ``(k, n)``.

    The outer quarter of a percent is cut off on both sides, and a uniform density's loss by
    that is given back.
    """
    count = rows.shape[1]
    cut = int(_TRIM * count)
    ordered = np.partition(rows, (cut, count - 1 - cut), axis=1)
    low, high = ordered[:, cut], ordered[:, count - 1 - cut]
    margin = (high - low) * (_TRIM / (1.0 - 2.0 * _TRIM))
    return np.stack([low - margin, high + margin], axis=1)


def _hidden_depth(width: float, visible: float, height: float, sine: float) -> float:
    """How much further an object reaches than the camera sees, metres along the ground.

    Seen at an elevation whose sine is given, a box shows its whole top and hides nothing; an
    ellipsoid of that width and height hides its far side. An object is about as deep as it is
    wide, so nothing is added once that much is visible.
    """
    if width <= 0 or visible >= width:
        return 0.0
    cotangent = math.sqrt(max(1.0 - sine * sine, 0.0)) / max(sine, 0.05)
    half = 0.5 * width
    ellipsoid = half * (1.0 - 1.0 / math.hypot(1.0, height / width * cotangent))
    return min(ellipsoid, width - visible)


def lift_box(
    depth_m: np.ndarray,
    box_px: BoxPx,
    intrinsics: Intrinsics,
    *,
    plane: SupportPlane | None = None,
    up: Vector3 | None = None,
    others: Sequence[BoxPx] = (),
) -> Extent3D | None:
    """Robust 3D extent of the object in a box.

    Args:
        depth_m: ``(h, w)`` float metres, NaN where there is no reading; the same view as the
            colour image, at any resolution of the same aspect ratio.
        box_px: pixels of the colour image; the part outside is ignored.
        intrinsics: of the colour image.
        plane: what the objects stand on, if known; what stands on another object is found to.
        up: against gravity, optical frame; the plane's normal if not given.
        others: boxes of the other objects, colour pixels. What lies in a smaller one is taken
            to be its object's, not this one's, as long as a quarter of the readings is left.

    Returns:
        Centre and size in the camera's optical frame, or None where the box is not finite or holds
        fewer than 8 sampled readings. The centre is the object's, not that of its visible surface.

    Raises:
        GraphError: the depth image's aspect ratio is not that of the intrinsics.
    """
    rows, columns = depth_m.shape
    if (columns, rows) != (intrinsics.width, intrinsics.height):
        if not same_aspect((columns, rows), (intrinsics.width, intrinsics.height)):
            raise GraphError(
                f"depth is {columns}x{rows}, the intrinsics are for {intrinsics.width}x"
                f"{intrinsics.height}: align_depth first"
            )
        sx, sy = columns / intrinsics.width, rows / intrinsics.height
        box_px = (box_px[0] * sx, box_px[1] * sy, box_px[2] * sx, box_px[3] * sy)
        others = [(a * sx, b * sy, c * sx, d * sy) for a, b, c, d in others]
        intrinsics = intrinsics.scaled_to(columns, rows)
    patch = _sample(depth_m, box_px, intrinsics, others)
    if patch is None:
        return None
    if up is None and plane is not None:
        up = plane.normal
    points, weights = patch.points, patch.weights
    if plane is not None:
        area = (box_px[2] - box_px[0]) * (box_px[3] - box_px[1])
        if area < _SUPPORT_IMAGE_SHARE * rows * columns:
            plane = _local_support(depth_m, box_px, intrinsics, plane)
        own, is_plane = _off_plane(patch, plane, area / (rows * columns))
        points, weights = points[own], weights[own]
        if is_plane:
            points = points[np.argsort(points[:, 2])]
            return _measure(points, patch.pixels_per_sample, 1.0 / intrinsics.fx, plane, up)
    # A handle may stand off its body by a part of the object's own size.
    smaller = min(box_px[2] - box_px[0], box_px[3] - box_px[1]) / intrinsics.fx
    depth = _middle(points[:, 2])
    gap_m = min(max(_GAP_SHARE * smaller * depth, _MIN_GAP_M), _MAX_GAP_M)
    cluster = _near_cluster(points, weights, gap_m)
    points, weights = points[cluster], weights[cluster]
    # Neighbours as far away stand beside it: split across, keep what holds the box's middle.
    stride = math.sqrt(patch.pixels_per_sample)
    across_m = max(_ACROSS_GAP_M, _ACROSS_GAP_SAMPLES * stride * depth / intrinsics.fx)
    kept = _heaviest_run(points[:, 0], weights, across_m)
    points = points if kept is None else points[kept]
    if len(points) < _MIN_SAMPLES:
        return None
    cut = (box_px[0] <= 1, box_px[2] >= columns - 1, box_px[3] >= rows - 1)
    return _measure(points, patch.pixels_per_sample, 1.0 / intrinsics.fx, plane, up, cut)


def _measure(
    points: np.ndarray,
    pixels_per_sample: int,
    pixel_rad: float,
    plane: SupportPlane | None,
    up: Vector3 | None,
    cut: tuple[bool, bool, bool] = (False, False, False),
) -> Extent3D:
    """Centre, size and depth statistics of an object's own points, sorted by depth.

    ``cut``: whether the image's left, right and lower edge cut the object off.
    """
    axes = ground_axes(up)
    # Work along the line of sight on the ground: its far side is the one that is hidden.
    middle = axes @ points.mean(axis=0)
    reach = math.hypot(middle[0], middle[1])
    sine_azimuth, cosine_azimuth = (middle[0] / reach, middle[1] / reach) if reach else (0.0, 1.0)
    elevation = -middle[2] / max(float(np.linalg.norm(middle)), 1e-9) if up is not None else 0.5
    sine = abs(float(elevation))
    turn = [
        [cosine_azimuth, -sine_azimuth, 0.0],
        [sine_azimuth, cosine_azimuth, 0.0],
        [0.0, 0.0, 1.0],
    ]
    sight_axes = np.array(turn) @ axes
    # Half a turn about the vertical through c takes p to 2 c - p + 2 (up . p) up.
    half_turn = 2.0 * np.outer(axes[2], axes[2]) - np.eye(3)
    rows = np.concatenate([sight_axes, axes[:2], np.eye(3), half_turn]) @ points.T
    # One row of samples, laid on the ground.
    row = pixel_rad * math.sqrt(pixels_per_sample) * float(points[len(points) // 2, 2])
    row /= max(sine, 0.2)
    run = _heaviest_run(rows[1], None, max(_ALONG_GAP_M, 3.0 * row))
    if run is not None and run.sum() >= _MIN_SAMPLES:
        rows = rows[:, run]
    z, count = rows[7], rows.shape[1]
    median = float(z[count // 2])
    spread = 1.4826 * float(np.partition(np.abs(z - median), count // 2)[count // 2])
    tail = int(_DEPTH_TAIL * count)
    intervals = _intervals(rows)
    (left, right), (near, far), (seen_bottom, top) = intervals[:3]
    bottom = seen_bottom
    if plane is not None and up is not None:
        bottom = _base(float(bottom), float(top), sine, plane)
    # The far rim loses a row of samples: cameras drop readings at depth jumps.
    far = far + min(row, _MAX_RIM_M)
    # What the image cuts off is taken to be as wide as deep, as far as more is not seen.
    if cut[0] and not cut[1]:
        left = min(left, right - (far - near))
    elif cut[1] and not cut[0]:
        right = max(right, left + (far - near))
    elif cut[2] and not cut[0]:
        near = min(near, far - (right - left))
    hidden = _hidden_depth(right - left, far - near, top - bottom, sine)
    across, along = 0.5 * (left + right), 0.5 * (near + far + hidden)
    # The camera's own axes cut height and depth askew: what is highest is not above the foot's
    # middle in the image. So box the whole object: what is seen, its half turn, and its foot.
    twice = 2.0 * (across * sight_axes[0] + along * sight_axes[1])
    foot = (bottom - seen_bottom) * axes[2]
    low = np.minimum(intervals[5:8, 0], intervals[8:, 0] + twice) + np.minimum(foot, 0.0)
    high = np.maximum(intervals[5:8, 1], intervals[8:, 1] + twice) + np.maximum(foot, 0.0)
    centre, sizes = 0.5 * (low + high), high - low
    extent = Extent3D(
        (float(centre[0]), float(centre[1]), float(centre[2])),
        (float(sizes[0]), float(sizes[1]), float(sizes[2])),
        float(z[tail]),
        median,
        float(z[count - 1 - tail]),
        spread,
        count * pixels_per_sample,
    )
    if up is None:
        return extent
    r, f = intervals[3], intervals[4]
    shift_r, shift_f = hidden * sine_azimuth, hidden * cosine_azimuth
    return replace(
        extent,
        ground=GroundExtent(
            (float(up[0]), float(up[1]), float(up[2])),
            (float(r[0] + min(shift_r, 0.0)), float(r[1] + max(shift_r, 0.0))),
            (float(f[0] + min(shift_f, 0.0)), float(f[1] + max(shift_f, 0.0))),
            (float(bottom), float(top)),
        ),
    )


def _base(bottom: float, top: float, sine: float, plane: SupportPlane) -> float:
    """Lower end of an object along up: the plane, if its visible part reaches far enough down.

    From steeply above an object hides its own lower part, so that its foot is not expected to
    be seen; ``sine`` is that of the camera's elevation over it.
    """
    surface = -plane.offset
    share = _FOOT_SHARE if sine < _STEEP_SINE else _FOOT_SHARE_STEEP
    if bottom - surface < max(0.03, share * (top - surface)):
        return min(surface, top)
    return bottom


def transform_extent(extent: Extent3D, rotation: np.ndarray, translation: np.ndarray) -> Extent3D:
    """The extent in another frame, ``p' = rotation p + translation``.

    The axis-aligned box around a rotated box has size ``|R| size`` (absolute value of every
    element); ``|R size|`` would make a cube seen under 45 degrees 0 wide. Where the extent
    along gravity is known, that tighter box is the one rotated. Depth figures stay those along
    the camera's axis; ``ground`` is dropped, since its axes start at the camera.

    Args:
        rotation: ``(3, 3)`` proper rotation.
        translation: ``(3,)`` metres.

    Raises:
        GraphError: shapes are wrong or ``rotation`` is not orthonormal.
    """
    matrix, shift = np.asarray(rotation, dtype=np.float64), np.asarray(translation, np.float64)
    if matrix.shape != (3, 3) or shift.shape != (3,) or not np.isfinite(shift).all():
        raise GraphError(
            f"a transform needs a (3, 3) rotation and a finite (3,) translation; got "
            f"{matrix.shape} and {shift.shape}"
        )
    if not np.allclose(matrix @ matrix.T, np.eye(3), atol=1e-3):
        raise GraphError(f"rotation is not orthonormal: {matrix.tolist()}")
    position = matrix @ np.array(extent.position) + shift
    size = np.abs(matrix) @ np.array(extent.size)
    if extent.ground is not None:
        g = extent.ground
        spans = np.array([b - a for a, b in (g.right, g.forward, g.height)])
        size = np.minimum(size, np.abs(matrix @ ground_axes(g.up).T) @ spans)
    return replace(
        extent,
        position=(float(position[0]), float(position[1]), float(position[2])),
        size=(float(size[0]), float(size[1]), float(size[2])),
        ground=None,
    )
