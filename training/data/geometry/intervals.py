"""What depth says of each object: the interval it fills along every axis, from its own pixels.

With a mask its pixels are known. With a box alone the foreground is found: what lies in a smaller
box is that object's, and of the rest the heaviest run of depths counts, weighted towards the box's
middle. Nothing is drawn at random, and the ends are those of a share of the readings, so that
neither a leaking mask nor a flying pixel moves them.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from spacesgg_ros.graph.samples import Samples, heaviest_run, sample_boxes
from spacesgg_ros.graph.types import Intrinsics
from spacesgg_ros.training.data.grounded import GroundedObject
from spacesgg_ros.training.data.sources.masks import MaskError, Rle, read_counts

_GOLDEN = 0.5 * (5.0**0.5 - 1.0)
_GAP_SHARE = 0.02
_RANGE_STRIDE = 8
_RANGE_TAIL = 0.05


@dataclass(frozen=True)
class Spans:
    """Robust intervals of ``k`` objects; NaN in every row without enough readings.

    Attributes:
        depth: ``(k, 3)`` near end, median, far end along the optical axis.
        position: ``(k, 3)`` median x, y, z in the optical frame.
        low, high: ``(k, 3)`` ends along x, y, z of the optical frame.
        seen_low, seen_high: ``(k, 3)`` ends along right, forward and up.
        readings: ``(k,)`` samples that the numbers rest on.
    """

    depth: np.ndarray
    position: np.ndarray
    low: np.ndarray
    high: np.ndarray
    seen_low: np.ndarray
    seen_high: np.ndarray
    readings: np.ndarray

    @property
    def known(self) -> np.ndarray:
        """``(k,)`` whether an object was measured."""
        return np.isfinite(self.depth[:, 0])


def sample_objects(
    depth: np.ndarray, objects: Sequence[GroundedObject], camera: Intrinsics, most: int
) -> Samples:
    """At most ``most`` readings of each object's own pixels, evenly spread.

    Args:
        depth: ``(H, W)`` on the image's grid, NaN for no reading.
        camera: intrinsics of that grid.

    Returns:
        ``k`` rows in the order of ``objects``, NaN where there is nothing more.

    Raises:
        MaskError: a mask is broken or of another size than the image.
    """
    masked = [i for i, thing in enumerate(objects) if thing.mask is not None]
    boxed = [i for i, thing in enumerate(objects) if thing.mask is None]
    pixels = np.full((len(objects), most), -1)
    pixels[masked] = choose_pixels([objects[i].mask for i in masked], depth.shape, most)
    u, v = np.divmod(pixels, depth.shape[0])
    z = np.where(pixels >= 0, depth[v, u], np.float32(np.nan))
    rays = np.stack([(u - camera.cx) / camera.fx, (v - camera.cy) / camera.fy]).astype(np.float32)
    if boxed:
        found = _sample_foreground(depth, objects, camera).of(np.array(boxed))
        width = min(found.z.shape[1], most)
        z[boxed, :width] = found.z[:, :width]
        rays[:, boxed, :width] = found.rays[:, :, :width]
    return Samples(rays, z, (z > 0).astype(np.float32), np.ones(len(objects)))


def choose_pixels(masks: Sequence[Rle], shape: tuple[int, ...], most: int) -> np.ndarray:
    """At most ``most`` pixels inside each mask, evenly spread, from the runs alone.

    One pixel of each of ``most`` equal stretches of a mask; which one follows the golden ratio,
    so that a stretch as long as a column does not give one row again and again.

    Args:
        masks: ``k`` run lengths.
        shape: ``(H, W)`` that the masks must have.

    Returns:
        ``(k, most)`` positions ``column * H + row``, ascending, -1 after the last.

    Raises:
        MaskError: broken runs or another size.
    """
    runs = [_even(read_counts(mask)) for mask in masks]
    for mask in masks:
        if tuple(mask["size"]) != tuple(shape):
            raise MaskError(f"a mask of {tuple(mask['size'])} on an image of {tuple(shape)} (h, w)")
    if not runs:
        return np.empty((0, most), np.int64)
    # All masks one after another: run and rank of a pixel are looked up at once.
    counts = np.concatenate(runs)
    ends, inside = np.cumsum(counts)[1::2], np.cumsum(counts[1::2])
    total = inside[np.cumsum([len(run) // 2 for run in runs]) - 1]
    before = np.concatenate([[0], total[:-1]])
    area = (total - before)[:, None]
    index = np.arange(most)
    start, stop = index * area // most, (index + 1) * area // most
    spread = start + (_golden(most) * (stop - start)).astype(np.int64)
    few = area <= most
    rank = np.where(few, index, spread) + before[:, None]
    chosen = ~few | (index < area)
    run = np.searchsorted(inside, np.where(chosen, rank, 0), side="right")
    first = np.arange(len(runs))[:, None] * (shape[0] * shape[1])
    shift = np.append(ends - inside, 0)  # no pixel at all is beyond the last run
    return np.where(chosen, rank + shift[run] - first, -1)


def _even(runs: np.ndarray) -> np.ndarray:
    """Runs that end with one inside, maybe of no pixel."""
    return np.append(runs, 0) if len(runs) % 2 else runs


@functools.lru_cache(maxsize=8)
def _golden(count: int) -> np.ndarray:
    """``(count,)`` in 0..1, any stretch of which is spread evenly; shared, not to be written."""
    return (np.arange(count) * _GOLDEN) % 1.0


def measure_spans(samples: Samples, axes: np.ndarray, least: int, tail: float) -> Spans:
    """Intervals of every object at once.

    Args:
        samples: of the objects' own pixels.
        axes: ``(3, 3)`` rows right, forward, up in the optical frame.
        least: fewer readings than these say nothing.
        tail: share of the readings beyond each end.
    """
    count = (samples.z > 0).sum(axis=1)
    known = count >= least
    points = np.concatenate([samples.rays * samples.z, samples.z[None]])
    # The rotated clouds of the side and back views have these intervals too, turned round.
    seen = np.tensordot(axes.astype(points.dtype), points, axes=1)
    ordered = np.sort(np.concatenate([points, seen]), axis=2)
    last = np.maximum(count - 1, 0)
    first = np.minimum((tail * count).astype(np.intp), last)
    middle = np.where(known, count // 2, 0)
    row = np.arange(len(count))
    ends = np.stack([ordered[:, row, at] for at in (first, middle, last - first)])
    ends[:, :, ~known] = np.nan
    low, median, high = ends.transpose(0, 2, 1).astype(np.float64)
    return Spans(
        depth=np.stack([low[:, 2], median[:, 2], high[:, 2]], axis=1),
        position=median[:, :3],
        low=low[:, :3],
        high=high[:, :3],
        seen_low=low[:, 3:],
        seen_high=high[:, 3:],
        readings=count,
    )


def _sample_foreground(
    depth: np.ndarray, objects: Sequence[GroundedObject], camera: Intrinsics
) -> Samples:
    """Readings of every box, reduced to its foreground."""
    boxes = np.array([thing.box_px for thing in objects], dtype=np.float64)
    samples = sample_boxes(depth, boxes, camera)
    coarse = depth[::_RANGE_STRIDE, ::_RANGE_STRIDE]
    seen = np.sort(coarse[coarse > 0])
    if not len(seen):
        return samples
    # A share of the picture's depth, so that it means the same in any unit.
    first = int(_RANGE_TAIL * len(seen))
    gap = max(_GAP_SHARE * float(seen[-1 - first] - seen[first]), 1e-6 * float(seen[-1]))
    own = heaviest_run(samples.z, samples.weights, np.full(len(boxes), gap))
    kept = np.argsort(~own, axis=1, kind="stable")  # readings first, in their order
    z = np.take_along_axis(np.where(own, samples.z, np.nan), kept, axis=1)
    rays = np.take_along_axis(samples.rays, np.broadcast_to(kept, samples.rays.shape), axis=2)
    return Samples(rays, z, (z > 0).astype(np.float64), samples.stride)
