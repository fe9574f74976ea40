"""Readings sampled from many boxes of a depth image at once, and array helpers over them.

``k`` boxes with ``n`` samples at most are arrays of shape ``(k, n)``, padded with NaN: a camera's
rate leaves no time for array calls per box.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from spacesgg_ros.graph.boxes import box_area
from spacesgg_ros.graph.types import Intrinsics

_MAX_SAMPLES = 400
_SMALLER_SHARE = 1.0
_LEFT_SHARE = 0.25


@dataclass
class Samples:
    """Readings of ``k`` boxes.

    Attributes:
        rays: ``(2, k, n)`` x and y of the line of sight at depth 1.
        z: ``(k, n)`` metres along the optical axis, NaN where there is no reading.
        weights: ``(k, n)``, largest mid-box, 0 where there is no reading.
        stride: ``(k,)`` pixels from one sample to the next.
    """

    rays: np.ndarray
    z: np.ndarray
    weights: np.ndarray
    stride: np.ndarray

    def of(self, boxes: np.ndarray) -> Samples:
        """Those of some boxes only."""
        return Samples(self.rays[:, boxes], self.z[boxes], self.weights[boxes], self.stride[boxes])

    def sorted(self, own: np.ndarray) -> Samples:
        """Those of the mask ``own`` ``(k, n)``, by ascending depth."""
        z = np.where(own, self.z, np.nan)
        order = np.argsort(z, axis=1)[:, : int(own.sum(axis=1).max())]
        flat = order + np.arange(len(z))[:, None] * z.shape[1]
        z = z.ravel()[flat]
        weights = np.where(z > 0, self.weights.ravel()[flat], 0.0)
        return Samples(self.rays.reshape(2, -1)[:, flat], z, weights, self.stride)


def read_lattices(
    depth_m: np.ndarray, corner: np.ndarray, size: np.ndarray, step: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Columns, rows and readings ``(k, n)`` of a lattice in each rectangle; NaN: no reading.

    Args:
        corner, size, step: ``(k, 2)`` whole pixels, across and down; a rectangle without an area
            has no readings, the others lie inside the image.
    """
    across, down = (-(-size // step)).T
    count = across * down
    index = np.arange(count.max(initial=0))
    v, u = np.divmod(index, np.maximum(across, 1)[:, None])
    u, v = corner[:, :1] + u * step[:, :1], corner[:, 1:] + v * step[:, 1:]
    rows, columns = depth_m.shape
    z = depth_m[np.minimum(v, rows - 1), np.minimum(u, columns - 1)].astype(np.float64)
    z[~((z > 0) & (index < count[:, None]))] = np.nan
    return u, v, z


def sample_boxes(depth_m: np.ndarray, boxes: np.ndarray, camera: Intrinsics) -> Samples:
    """Readings of the boxes ``(k, 4)``, those outside other, smaller boxes if that leaves some."""
    rows, columns = depth_m.shape
    corner = np.clip(np.floor(boxes[:, :2]), 0, (columns, rows)).astype(np.intp)
    end = np.clip(np.ceil(boxes[:, 2:]), 0, (columns, rows)).astype(np.intp)
    size = np.maximum(end - corner, 0)
    stride = np.ceil(np.sqrt(size.prod(axis=1) / _MAX_SAMPLES)).astype(np.intp).clip(1)
    u, v, z = read_lattices(depth_m, corner, size, np.stack([stride, stride], axis=1))
    smaller = box_area(boxes) < _SMALLER_SHARE * size.prod(axis=1)[:, None]
    meet = (np.maximum(corner[:, None], corner) < np.minimum(end[:, None], end)).all(axis=2)
    taken = smaller & meet & ~np.eye(len(boxes), dtype=bool)
    for i in np.nonzero(taken.any(axis=1))[0]:
        (left, top), (right, bottom) = corner[taken[i]].T[..., None], end[taken[i]].T[..., None]
        hidden = (u[i] >= left) & (u[i] < right) & (v[i] >= top) & (v[i] < bottom)
        kept = np.where(hidden.any(axis=0), np.nan, z[i])
        if (kept > 0).sum() >= _LEFT_SHARE * (z[i] > 0).sum():
            z[i] = kept
    width, height = np.maximum(size, 1).T[..., None]
    across = np.abs((2.0 * (u - corner[:, :1]) + 1.0) / width - 1.0)
    down = np.abs((2.0 * (v - corner[:, 1:]) + 1.0) / height - 1.0)
    rays = np.stack([(u - camera.cx) / camera.fx, (v - camera.cy) / camera.fy])
    return Samples(rays, z, np.where(z > 0, (1.1 - across) * (1.1 - down), 0.0), stride)


def nth(values: np.ndarray, index: np.ndarray) -> np.ndarray:
    """One value ``(k,)`` of each row of ``(k, n)``."""
    chosen: np.ndarray = values[np.arange(len(values)), index]
    return chosen


def ascending(values: np.ndarray, mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Each row's values of the mask, sorted, NaN after them, and their number ``(k,)``."""
    return np.sort(np.where(mask, values, np.nan), axis=1), mask.sum(axis=1)


def heaviest_run(values: np.ndarray, weights: np.ndarray, gap: np.ndarray) -> np.ndarray:
    """Mask ``(k, n)`` of the heaviest run without a gap ``(k,)`` of each row's values.

    Only values with a weight count. They are counted in bins of two thirds of the gap, which is
    faster than sorting them: an empty bin is a gap.
    """
    counts = weights > 0
    low = np.where(counts, values, np.inf).min(axis=1, keepdims=True)
    bins = np.where(counts, (values - low) * (1.5 / gap)[:, None], 0.0).astype(np.intp)
    shape = len(values), int(bins.max()) + 1
    start = np.arange(shape[0])[:, None] * shape[1]
    flat = bins + start
    mass = np.bincount(flat.ravel(), weights.ravel(), math.prod(shape)).reshape(shape)
    run = np.cumsum(mass == 0, axis=1) + start
    run_mass = np.bincount(run.ravel(), mass.ravel(), math.prod(shape)).reshape(shape)
    best = run_mass.argmax(axis=1)[:, None] + start
    mask: np.ndarray = counts & (run.ravel()[flat] == best)
    return mask
