"""From boxes on a depth image to the objects' places and sizes in space.

A box holds more than its object: background above, the table below, maybe an occluder. The
object's own pixels are found first (cut off the support plane, then the heaviest depth cluster
under a weight that favours the box's middle); the numbers come from those alone.

All boxes of an image are lifted together, see :mod:`spacesgg_ros.graph.samples`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from spacesgg_ros.graph.boxes import box_area
from spacesgg_ros.graph.depth import align_depth, decode_depth, same_aspect
from spacesgg_ros.graph.ground import SupportPlane, depth_noise_m, ground_axes
from spacesgg_ros.graph.samples import (
    Samples,
    ascending,
    heaviest_run,
    nth,
    read_lattices,
    sample_boxes,
)
from spacesgg_ros.graph.types import (
    BoxPx,
    Extent3D,
    GraphError,
    GroundExtent,
    Intrinsics,
    Vector3,
)

__all__ = ["align_depth", "decode_depth", "lift_boxes", "transform_extent"]

# Lengths and shares were tuned on 240 rendered 640x480 frames (1226 objects, sensor noise) of
# scenes that no benchmark uses.
_MIN_SAMPLES = 8
_OUTSIDE_SHARE = 0.0025
_DEPTH_TAIL = 0.05
_MAX_RIM_M = 0.01
_FOOT_SHARE = 0.5
_FOOT_SHARE_STEEP = 0.8
_STEEP_SINE = 0.6
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


def _local_offsets(
    depth_m: np.ndarray, boxes: np.ndarray, camera: Intrinsics, plane: SupportPlane
) -> np.ndarray:
    """Offset ``(k,)`` of the plane raised to what each object stands on, if that is another one.

    Below the box's lower edge its support is seen. It is another object's top where it is level,
    above the plane, and the depth goes on from the box into it: at an occluder's rim it jumps.
    """
    rows, columns = depth_m.shape
    margin = 0.2 * (boxes[:, 2] - boxes[:, 0])
    first = np.clip(boxes[:, 0] + margin, 0, columns).astype(np.intp)
    last = np.ceil(np.clip(boxes[:, 2] - margin, 0, columns)).astype(np.intp)
    edge = np.ceil(np.clip(boxes[:, 3], 0, rows + 1)).astype(np.intp)
    thick = np.clip(_STRIP_SHARE * (boxes[:, 3] - boxes[:, 1]), 2, rows).astype(np.intp)
    seen = (last - first >= 3) & (edge + thick <= rows) & (edge >= thick)
    seen &= box_area(boxes) < _SUPPORT_IMAGE_SHARE * rows * columns
    size = np.stack([last - first, 2 * thick], axis=1) * seen[:, None]
    step = np.maximum(np.stack([(last - first) // 24, thick // 3], axis=1), 1)
    u, v, z = read_lattices(depth_m, np.stack([first, edge - thick], axis=1), size, step)
    if z.shape[1] == 0:
        return np.full(len(boxes), plane.offset)
    a, b, c = plane.normal
    above_edge, reading = v < edge[:, None], z > 0
    inside, inside_count = ascending(z, reading & above_edge)
    below, count = ascending(z, reading & ~above_edge)
    slopes = a / camera.fx * (u - camera.cx) + b / camera.fy * (v - camera.cy) + c
    heights, _ = ascending(plane.offset + z * slopes, reading & ~above_edge)
    depth = nth(below, count // 2)
    jump = np.abs(nth(inside, inside_count // 2) - depth)
    height = nth(heights, count // 2)
    low, high = (nth(heights, (share * count).astype(np.intp)) for share in (0.15, 0.85))
    on_another = (
        (np.minimum(inside_count, count) >= _MIN_SAMPLES)
        & (jump <= _SUPPORT_JUMP_M)
        & (height >= _MIN_STEP_M)
        & (high - low <= np.maximum(_LEVEL_M, 3.0 * depth_noise_m(depth)))
    )
    return plane.offset - np.where(on_another, height, 0.0)


def _off_plane(
    samples: Samples, normal: Vector3, offsets: np.ndarray, image_share: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Which samples ``(k, n)`` are the object's, and which objects ``(k,)`` are the support.

    Those that stand off the plane; those on it where the box is the plane's own (a table: wide
    in the image and mostly plane); all where the object is too flat to tell.
    """
    x, y = samples.rays
    a, b, c = normal
    heights = samples.z * (a * x + b * y + c) + offsets[:, None]
    tolerance = np.maximum(_PLANE_CUT_M, 2.5 * depth_noise_m(samples.z))
    above, on_plane = heights > tolerance, np.abs(heights) <= tolerance
    reading = samples.z > 0
    mostly_plane = on_plane.sum(axis=1) > _SUPPORT_PLANE_SHARE * reading.sum(axis=1)
    is_plane = (image_share > _SUPPORT_IMAGE_SHARE) & mostly_plane
    mass = samples.weights.sum(axis=1)
    flat = (samples.weights * above).sum(axis=1) < _ON_PLANE_SHARE * mass
    rest = np.where(flat[:, None], reading, above)
    return np.where(is_plane[:, None], on_plane, rest), is_plane


def _near_cluster(samples: Samples, gap_m: np.ndarray) -> np.ndarray:
    """Mask ``(k, n)`` of the depth cluster that each object's samples, sorted, form.

    Depths are split at gaps wider than ``gap_m`` ``(k,)`` and 2 %. A cluster counts by its weight
    and by how much of the samples' width and height in the image it spans, since an object
    reaches all four sides of its box. The heaviest wins, or the nearest one that counts at least
    four fifths as much: what lies behind an object shows through and around it.
    """
    z = samples.z
    reading = z > 0
    count, width = z.shape
    gaps = np.diff(z, axis=1) > np.maximum(gap_m[:, None], _RELATIVE_GAP * z[:, 1:])
    # The padding at the end of each row is a cluster without weight or span.
    opens = np.ones(z.shape, dtype=bool)
    opens[:, 1:] = gaps | (reading[:, 1:] != reading[:, :-1])
    starts = np.nonzero(opens.ravel())[0]
    first = np.nonzero(starts % width == 0)[0]
    row = starts // width
    mass = np.add.reduceat(samples.weights.ravel(), starts)
    for ray in samples.rays:
        padded = np.where(reading, ray, ray[:, :1]).ravel()
        low, high = np.minimum.reduceat(padded, starts), np.maximum.reduceat(padded, starts)
        whole = np.maximum.reduceat(high, first) - np.minimum.reduceat(low, first)
        mass *= (high - low) / np.maximum(whole, 1e-9)[row]
    good = np.nonzero(mass >= _NEARER_SHARE * np.maximum.reduceat(mass, first)[row])[0]
    chosen = good[np.searchsorted(good, first)]
    flat = np.arange(count * width).reshape(count, width)
    ends = np.append(starts[1:], count * width)
    cluster: np.ndarray = (flat >= starts[chosen, None]) & (flat < ends[chosen, None])
    return cluster


def lift_boxes(
    depth_m: np.ndarray,
    boxes_px: Sequence[BoxPx],
    intrinsics: Intrinsics,
    *,
    plane: SupportPlane | None = None,
    up: Vector3 | None = None,
) -> list[Extent3D | None]:
    """Robust 3D extents of the objects in boxes.

    Args:
        depth_m: ``(h, w)`` float metres, NaN where there is no reading; the same view as the
            colour image, at any resolution of the same aspect ratio.
        boxes_px: pixels of the colour image; the part outside is ignored. What lies in a smaller
            box is taken to be its object's, not the larger's, as long as a quarter of the
            larger's readings is left.
        intrinsics: of the colour image.
        plane: what the objects stand on, if known; what stands on another object is found to.
        up: against gravity, optical frame; the plane's normal if not given.

    Returns:
        For each box centre and size in the camera's optical frame, or None where the box is not
        finite or holds fewer than 8 sampled readings. The centre is the object's, not that of its
        visible surface.

    Raises:
        GraphError: the depth image's aspect ratio is not that of the intrinsics.
    """
    rows, columns = depth_m.shape
    if not same_aspect((columns, rows), (intrinsics.width, intrinsics.height)):
        raise GraphError(
            f"depth is {columns}x{rows}, the intrinsics are for {intrinsics.width}x"
            f"{intrinsics.height}: align_depth first"
        )
    sx, sy = columns / intrinsics.width, rows / intrinsics.height
    boxes = np.array(boxes_px, dtype=np.float64).reshape(-1, 4) * (sx, sy, sx, sy)
    boxes[~np.isfinite(boxes).all(axis=1)] = 0.0
    camera = intrinsics.scaled_to(columns, rows)
    extents: list[Extent3D | None] = [None] * len(boxes)
    samples = sample_boxes(depth_m, boxes, camera)
    index = np.nonzero((samples.z > 0).sum(axis=1) >= _MIN_SAMPLES)[0]
    if not len(index):
        return extents
    samples, boxes = samples.of(index), boxes[index]
    own, is_plane = samples.z > 0, np.zeros(len(index), dtype=bool)
    surface = None
    if plane is not None:
        up = plane.normal if up is None else up
        offsets = _local_offsets(depth_m, boxes, camera, plane)
        own, is_plane = _off_plane(
            samples, plane.normal, offsets, box_area(boxes) / (rows * columns)
        )
        surface = -offsets
    samples = samples.sorted(own)
    # A handle may stand off its body by a part of the object's own size.
    smaller = np.minimum(boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1]) / camera.fx
    depth = nth(samples.z, own.sum(axis=1) // 2)
    gap_m = np.clip(_GAP_SHARE * smaller * depth, _MIN_GAP_M, _MAX_GAP_M)
    cluster = _near_cluster(samples, np.where(is_plane, np.inf, gap_m))
    # Neighbours as far away stand beside it: split across, keep what holds the box's middle.
    across_m = np.maximum(_ACROSS_GAP_M, _ACROSS_GAP_SAMPLES * samples.stride * depth / camera.fx)
    kept = heaviest_run(
        samples.rays[0] * samples.z,
        np.where(cluster, samples.weights, 0.0),
        np.where(is_plane, np.inf, across_m),
    )
    enough = kept.sum(axis=1) >= _MIN_SAMPLES
    if not enough.any():
        return extents
    cut = np.stack([boxes[:, 0] <= 1, boxes[:, 2] >= columns - 1, boxes[:, 3] >= rows - 1], axis=1)
    measured = _measure(
        samples.of(enough),
        kept[enough],
        1.0 / camera.fx,
        None if surface is None else surface[enough],
        up,
        (cut & ~is_plane[:, None])[enough],
    )
    for i, extent in zip(index[enough], measured, strict=True):
        extents[i] = extent
    return extents


def _measure(
    samples: Samples,
    kept: np.ndarray,
    pixel_rad: float,
    surface: np.ndarray | None,
    up: Vector3 | None,
    cut: np.ndarray,
) -> list[Extent3D]:
    """Centre, size and depth statistics of objects from their own samples, sorted by depth.

    Args:
        kept: ``(k, n)`` which samples are the object's; at least one each.
        surface: ``(k,)`` height of what each stands on, None: unknown.
        cut: ``(k, 3)`` whether the image's left, right and lower edge cut the object off.
    """
    axes = ground_axes(up)
    points = np.stack([*(samples.rays * samples.z), samples.z], axis=1)
    points = _only(points, kept)
    count = kept.sum(axis=1)
    # Work along the line of sight on the ground: its far side is the one that is hidden.
    middle = (points @ (kept / count[:, None])[:, :, None])[:, :, 0] @ axes.T
    reach = np.hypot(middle[:, 0], middle[:, 1])
    azimuth = np.arctan2(middle[:, 0], middle[:, 1])
    sine_azimuth, cosine_azimuth = np.sin(azimuth), np.cos(azimuth)
    sine = np.abs(middle[:, 2]) / np.maximum(np.hypot(reach, middle[:, 2]), 1e-9)
    if up is None:
        sine = np.full(len(points), 0.5)
    across_axis = cosine_azimuth[:, None] * axes[0] - sine_azimuth[:, None] * axes[1]
    along_axis = sine_azimuth[:, None] * axes[0] + cosine_azimuth[:, None] * axes[1]
    # One row of samples, laid on the ground.
    z, _ = ascending(samples.z, kept)
    row = pixel_rad * samples.stride * nth(z, count // 2) / np.maximum(sine, 0.2)
    along = (along_axis[:, None] @ points)[:, 0]
    run = heaviest_run(along, kept.astype(np.float64), np.maximum(_ALONG_GAP_M, 3.0 * row))
    kept = np.where(run.sum(axis=1, keepdims=True) >= _MIN_SAMPLES, run, kept)
    points = _only(points, kept)
    z, count = ascending(samples.z, kept)
    median = nth(z, count // 2)
    spread = 1.4826 * nth(np.sort(np.abs(z - median[:, None]), axis=1), count // 2)
    tail = (_DEPTH_TAIL * count).astype(np.intp)
    # Half a turn about the vertical through c takes p to 2 c - p + 2 (up . p) up.
    half_turn = 2.0 * np.outer(axes[2], axes[2]) - np.eye(3)
    fixed = np.concatenate([axes, np.eye(3), half_turn])
    low, high = _intervals(fixed @ points)
    sight = np.stack([across_axis, along_axis], axis=1)
    (left, near), (right, far) = (ends.T for ends in _intervals(sight @ points))
    seen_bottom, top = low[:, 2], high[:, 2]
    bottom = seen_bottom if surface is None else _base(seen_bottom, top, sine, surface)
    # The far rim loses a row of samples: cameras drop readings at depth jumps.
    far = far + np.minimum(row, _MAX_RIM_M)
    # What the image cuts off is taken to be as wide as deep, as far as more is not seen.
    cut_left, cut_right, cut_low = cut[:, 0] & ~cut[:, 1], cut[:, 1] & ~cut[:, 0], cut[:, 2]
    cut_low = cut_low & ~cut[:, 0] & ~cut[:, 1]
    wide, deep = right - left, far - near
    left = np.where(cut_left, np.minimum(left, right - deep), left)
    right = np.where(cut_right, np.maximum(right, left + deep), right)
    near = np.where(cut_low, np.minimum(near, far - wide), near)
    hidden = _hidden_depth(right - left, far - near, top - bottom, sine)
    across, along = 0.5 * (left + right), 0.5 * (near + far + hidden)
    # The camera's own axes cut height and depth askew: what is highest is not above the foot's
    # middle in the image. So box the whole object: what is seen, its half turn, and its foot.
    twice = 2.0 * (across[:, None] * across_axis + along[:, None] * along_axis)
    foot = (bottom - seen_bottom)[:, None] * axes[2]
    first = np.minimum(low[:, 3:6], low[:, 6:] + twice) + np.minimum(foot, 0.0)
    last = np.maximum(high[:, 3:6], high[:, 6:] + twice) + np.maximum(foot, 0.0)
    # What is hidden lies behind on the ground too.
    shift = hidden[:, None] * np.stack([sine_azimuth, cosine_azimuth], axis=1)
    intervals = (
        (low[:, 0] + np.minimum(shift[:, 0], 0.0), high[:, 0] + np.maximum(shift[:, 0], 0.0)),
        (low[:, 1] + np.minimum(shift[:, 1], 0.0), high[:, 1] + np.maximum(shift[:, 1], 0.0)),
        (bottom, top),
    )
    right_forward_height = zip(*(_plain(np.stack(ends, axis=1)) for ends in intervals), strict=True)
    depths = _plain(np.stack([nth(z, tail), median, nth(z, count - 1 - tail), spread], axis=1))
    valid_px = (count * samples.stride**2).tolist()
    extents = []
    for position, size, (z_min, z_mid, z_max, z_spread), px, ground in zip(
        _plain(0.5 * (first + last)),
        _plain(last - first),
        depths,
        valid_px,
        right_forward_height,
        strict=True,
    ):
        on_ground = None if up is None else GroundExtent(up, *ground)
        extents.append(Extent3D(position, size, z_min, z_mid, z_max, z_spread, px, on_ground))
    return extents


def _plain(rows: np.ndarray) -> list[Any]:
    """Each row as a tuple of plain numbers."""
    return [tuple(row) for row in rows.tolist()]


def _only(points: np.ndarray, kept: np.ndarray) -> np.ndarray:
    """Points ``(k, 3, n)`` with those not in ``kept`` ``(k, n)`` replaced by the first kept one."""
    index = np.arange(len(points))
    first = points[index, :, kept.argmax(axis=1)]
    only: np.ndarray = np.where(kept[:, None], points, first[:, :, None])
    return only


def _intervals(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Ends ``(k, m)`` of intervals of the rows ``(k, m, n)``.

    Widened by what a uniform density's outermost samples leave out.
    """
    low, high = rows.min(axis=2), rows.max(axis=2)
    margin = (high - low) * _OUTSIDE_SHARE
    return low - margin, high + margin


def _hidden_depth(
    width: np.ndarray, visible: np.ndarray, height: np.ndarray, sine: np.ndarray
) -> np.ndarray:
    """How much further each object reaches than the camera sees, metres along the ground.

    Seen at an elevation whose sine is given, a box shows its whole top and hides nothing; an
    ellipsoid of that width and height hides its far side. An object is about as deep as it is
    wide, so nothing is added once that much is visible.
    """
    cotangent = np.sqrt(np.maximum(1.0 - sine * sine, 0.0)) / np.maximum(sine, 0.05)
    slope = height / np.maximum(width, 1e-9) * cotangent
    ellipsoid = 0.5 * width * (1.0 - 1.0 / np.hypot(1.0, slope))
    return np.minimum(ellipsoid, np.maximum(width - visible, 0.0))


def _base(bottom: np.ndarray, top: np.ndarray, sine: np.ndarray, surface: np.ndarray) -> np.ndarray:
    """Lower ends along up: the surface below, where the visible part reaches far enough down.

    From steeply above an object hides its own lower part, so that its foot is not expected to
    be seen; ``sine`` is that of the camera's elevation over it.
    """
    share = np.where(sine < _STEEP_SINE, _FOOT_SHARE, _FOOT_SHARE_STEEP)
    stands = bottom - surface < np.maximum(0.03, share * (top - surface))
    return np.where(stands, np.minimum(surface, top), bottom)


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
