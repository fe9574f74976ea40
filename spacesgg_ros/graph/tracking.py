"""Boxes followed from frame to frame by sparse optical flow, and matched to new detections.

Images here are small grey ones (:func:`shrink_grey`); boxes are in pixels of the full image.
"""

from __future__ import annotations

import functools
import itertools
from collections import deque
from dataclasses import dataclass, field

import cv2
import numpy as np

from spacesgg_ros.graph.boxes import box_iou

_WINDOW = (11, 11)
_LEVELS = 2  # of a camera frame; a hop over several frames takes one more
_CRITERIA = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 10, 0.03)
_POINTS = 10
_MIN_POINTS = 5
_MAX_ROUND_TRIP_PX = 0.7
_MAX_SCALE_STEP = 1.12


def shrink_grey(rgb: np.ndarray, max_width: int = 320) -> tuple[np.ndarray, float]:
    """Grey image of at most ``max_width`` columns.

    Args:
        rgb: ``(H, W, 3)`` uint8.

    Returns:
        ``(h, w)`` uint8 and the factor from full-resolution to its pixels.
    """
    grey = cv2.cvtColor(np.ascontiguousarray(rgb), cv2.COLOR_RGB2GRAY)
    rows, columns = grey.shape
    if columns <= max_width:
        return grey, 1.0
    factor = max_width / columns
    size = (max_width, max(1, round(rows * factor)))
    return cv2.resize(grey, size, interpolation=cv2.INTER_AREA), factor


@dataclass
class FlowTarget:
    """What flow follows: a box (full pixels) and its points ``(n, 2)`` (small-image pixels)."""

    box: np.ndarray
    points: np.ndarray = field(default_factory=lambda: np.empty((0, 2), np.float32))
    found: bool = True


def seed_points(grey: np.ndarray, box: np.ndarray, factor: float) -> np.ndarray:
    """Corners inside the middle of a box, ``(n, 2)`` float32 in small-image pixels."""
    x0, y0, x1, y1 = box * factor
    inset_x, inset_y = 0.1 * (x1 - x0), 0.1 * (y1 - y0)
    rows, columns = grey.shape
    left, top = max(int(x0 + inset_x), 0), max(int(y0 + inset_y), 0)
    right, bottom = min(round(x1 - inset_x), columns), min(round(y1 - inset_y), rows)
    if right - left < 3 or bottom - top < 3:
        return np.empty((0, 2), np.float32)
    spacing = max(2.0, 0.12 * min(right - left, bottom - top))
    corners = cv2.goodFeaturesToTrack(
        np.ascontiguousarray(grey[top:bottom, left:right]), _POINTS, 0.02, spacing
    )
    if corners is None:
        return np.empty((0, 2), np.float32)
    points: np.ndarray = corners.reshape(-1, 2) + np.array([left, top], np.float32)
    return points


def _lattice(grey: np.ndarray) -> np.ndarray:
    """Points spread over the image, ``(30, 2)`` float32: what tells the camera's motion."""
    rows, columns = grey.shape
    x, y = np.meshgrid((np.arange(6) + 0.5) * columns / 6, (np.arange(5) + 0.5) * rows / 5)
    return np.stack([x.ravel(), y.ravel()], axis=1).astype(np.float32)


def _middle(values: np.ndarray) -> np.ndarray:
    """Upper median along the first axis; ten times faster than numpy's on so few values."""
    ordered: np.ndarray = np.sort(values, axis=0)[len(values) // 2]
    return ordered


@functools.lru_cache(maxsize=32)
def _every_pair(count: int) -> tuple[np.ndarray, np.ndarray]:
    i, j = np.triu_indices(count, 1)
    return i, j


def _box_motion(before: np.ndarray, after: np.ndarray) -> tuple[np.ndarray, float]:
    """Median shift ``(2,)`` and scale of matched points ``(n, 2)``."""
    scale = 1.0
    if len(before) >= _MIN_POINTS:
        i, j = _every_pair(len(before))
        old = np.hypot(*(before[i] - before[j]).T)
        new = np.hypot(*(after[i] - after[j]).T)
        apart = old > 4.0
        if apart.any():
            scale = float(_middle(new[apart] / old[apart]))
            scale = min(max(scale, 1.0 / _MAX_SCALE_STEP), _MAX_SCALE_STEP)
    return _middle(after - before), scale


def _flow(
    previous: np.ndarray, current: np.ndarray, points: np.ndarray, levels: int
) -> tuple[np.ndarray, np.ndarray]:
    """Where points went, and which survive the way back, ``(n, 2)`` and ``(n,)`` bool."""
    there, ok, _ = cv2.calcOpticalFlowPyrLK(
        previous,
        current,
        points,
        np.empty_like(points),
        winSize=_WINDOW,
        maxLevel=levels,
        criteria=_CRITERIA,
    )
    back, ok_back, _ = cv2.calcOpticalFlowPyrLK(
        current,
        previous,
        there,
        np.empty_like(points),
        winSize=_WINDOW,
        maxLevel=levels,
        criteria=_CRITERIA,
    )
    error = np.abs(back - points).max(axis=1)
    rows, columns = current.shape
    inside = ((there >= 0) & (there < (columns, rows))).all(axis=1)
    found = (ok.ravel() != 0) & (ok_back.ravel() != 0)
    return there, found & (error < _MAX_ROUND_TRIP_PX) & inside


def follow(
    previous: np.ndarray,
    current: np.ndarray,
    factor: float,
    targets: list[FlowTarget],
    levels: int = _LEVELS,
) -> None:
    """Moves every target from one small grey image to the next, in place.

    A target moves by the median shift and scale of its own points; with too few of them it
    moves with the median of the whole image (the camera's motion) and is marked
    ``found = False``.
    """
    if not targets:
        return
    for target in targets:
        if len(target.points) < _MIN_POINTS + 1:
            target.points = seed_points(previous, target.box, factor)
    counts = [len(t.points) for t in targets]
    points = np.concatenate([*(t.points for t in targets), _lattice(previous)])
    moved, good = _flow(previous, current, points, levels)
    shift_all = _middle(moved[good] - points[good]) if good.any() else np.zeros(2)
    start = 0
    for target, count in zip(targets, counts, strict=True):
        mine = slice(start, start + count)
        start += count
        keep = good[mine]
        before, after = points[mine][keep], moved[mine][keep]
        if len(before) < 3:
            target.found = False
            target.points = np.empty((0, 2), np.float32)
            shift, scale, anchor = shift_all, 1.0, None
        else:
            shift, scale = _box_motion(before, after)
            residual = np.abs(after - before - shift).max(axis=1)
            steady = residual < np.maximum(2.0, 3.0 * _middle(residual))
            target.points = after[steady]
            target.found = True
            anchor = _middle(before)
        target.box = _move(target.box, shift, scale, anchor, factor)


def _move(
    box: np.ndarray, shift: np.ndarray, scale: float, anchor: np.ndarray | None, factor: float
) -> np.ndarray:
    """A box shifted and scaled about ``anchor`` (its points' middle, small-image pixels)."""
    corners = box.reshape(2, 2) * factor
    centre = corners.mean(axis=0) if anchor is None else anchor
    moved: np.ndarray = ((corners - centre) * scale + centre + shift) / factor
    return moved.reshape(4)


@dataclass(frozen=True)
class RingFrame:
    """A past image with the tracked boxes in it: ``boxes`` by track id, full pixels."""

    stamp_ns: int
    grey: np.ndarray
    factor: float
    width: int
    height: int
    boxes: dict[int, np.ndarray]


class FrameRing:
    """Recent small grey images, bounded in time and number.

    All frames of the newest two seconds are kept, every ``thinned_ns`` one of the older.
    """

    _DENSE_NS = 2_000_000_000

    def __init__(self, span_ns: int, max_frames: int, thinned_ns: int = 120_000_000) -> None:
        self._span_ns = span_ns
        self._max_frames = max_frames
        self._thinned_ns = thinned_ns
        self._old: deque[RingFrame] = deque()
        self._new: deque[RingFrame] = deque()

    def __len__(self) -> int:
        return len(self._old) + len(self._new)

    def push(self, frame: RingFrame) -> None:
        """Adds the newest frame and forgets what is too old or too many."""
        self._new.append(frame)
        while frame.stamp_ns - self._new[0].stamp_ns > self._DENSE_NS:
            aged = self._new.popleft()
            if not self._old or aged.stamp_ns - self._old[-1].stamp_ns >= self._thinned_ns:
                self._old.append(aged)
        while self._old and (
            frame.stamp_ns - self._old[0].stamp_ns > self._span_ns or len(self) > self._max_frames
        ):
            self._old.popleft()
        while len(self) > self._max_frames:
            self._new.popleft()

    def since(self, stamp_ns: int, tolerance_ns: int) -> list[RingFrame]:
        """Frames from the one nearest to ``stamp_ns`` to the newest; empty where it is gone."""
        frames = [*self._old, *self._new]
        if not frames:
            return []
        nearest = min(range(len(frames)), key=lambda i: abs(frames[i].stamp_ns - stamp_ns))
        if abs(frames[nearest].stamp_ns - stamp_ns) > tolerance_ns:
            return []
        return frames[nearest:]

    def clear(self) -> None:
        self._old.clear()
        self._new.clear()


def carry(frames: list[RingFrame], boxes: list[np.ndarray], max_hops: int) -> list[FlowTarget]:
    """Boxes of ``frames[0]`` followed to ``frames[-1]`` in at most ``max_hops`` hops."""
    targets = [FlowTarget(np.array(box, dtype=np.float64)) for box in boxes]
    if not targets or len(frames) < 2:
        return targets
    hops = min(max_hops, len(frames) - 1)
    stops = np.unique(np.linspace(0, len(frames) - 1, hops + 1).round().astype(int))
    for a, b in itertools.pairwise(stops):
        follow(frames[a].grey, frames[b].grey, frames[a].factor, targets, _LEVELS + 1)
    return targets


def match_boxes(
    old_boxes: np.ndarray,
    old_labels: list[str],
    new_boxes: np.ndarray,
    new_labels: list[str],
) -> list[tuple[int, int]]:
    """Pairs ``(old, new)``, each used once, best first.

    Same label: IoU from 0.1, or middles closer than half the larger box's diagonal. Other
    label: IoU from 0.6 (the model changed its mind about the name). Greedy on the score, which
    for well separated boxes is what an optimal assignment gives.
    """
    if not len(old_boxes) or not len(new_boxes):
        return []
    iou = box_iou(old_boxes, new_boxes)
    same = np.array([[labels_agree(a, b) for b in new_labels] for a in old_labels])
    centres_old = 0.5 * (old_boxes[:, :2] + old_boxes[:, 2:])
    centres_new = 0.5 * (new_boxes[:, :2] + new_boxes[:, 2:])
    distance = np.hypot(*(centres_old[:, None] - centres_new[None]).transpose(2, 0, 1))
    diagonal = np.maximum(
        np.hypot(*(old_boxes[:, 2:] - old_boxes[:, :2]).T)[:, None],
        np.hypot(*(new_boxes[:, 2:] - new_boxes[:, :2]).T)[None],
    )
    closeness = np.maximum(1.0 - 2.0 * distance / np.maximum(diagonal, 1e-6), 0.0)
    allowed = np.where(same, (iou >= 0.1) | (closeness > 0), iou >= 0.6)
    score = np.where(allowed, iou + 0.5 * closeness + 0.5 * same, -1.0)
    pairs: list[tuple[int, int]] = []
    used_old: set[int] = set()
    used_new: set[int] = set()
    for flat in np.argsort(-score, axis=None, kind="stable"):
        i, j = divmod(int(flat), score.shape[1])
        if score[i, j] < 0:
            break
        if i not in used_old and j not in used_new:
            pairs.append((i, j))
            used_old.add(i)
            used_new.add(j)
    return pairs


def labels_agree(a: str, b: str) -> bool:
    """Whether two labels can name one thing: equal, or equal in their last word."""
    first, second = a.lower().split(), b.lower().split()
    return bool(first and second) and first[-1] == second[-1]
