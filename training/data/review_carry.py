"""A thing that a person drew or named once, found again in the neighbouring keyframes."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from spacesgg_ros.graph import box_iou, clip_box
from spacesgg_ros.graph.tracking import FlowTarget, follow, shrink_grey

from .review_record import (
    ReviewError,
    ReviewFrame,
    ReviewObject,
    check_box,
    depth_path,
    image_path,
    read_depth,
)

_LEVELS = 4  # keyframes lie further apart than frames: flow searches some 80 of 320 pixels
_SAME_PLACE = 0.4
_MIN_INSIDE = 0.6
_SIZE_FACTOR = 1.6


def carry_object(
    folder: Path, frames: list[ReviewFrame], index: int, chosen: ReviewObject
) -> list[ReviewFrame]:
    """Follow an object of ``frames[index]`` to both sides by optical flow, in place.

    Where it is found and nothing stands, it is added; where the model has an open box, that one
    takes the name. Both join the object's track and are left in doubt, for a look at each.
    It ends where flow loses the object, the image's edge cuts it, or depth measures another size.

    Returns:
        The frames that changed, ``frames[index]`` among them.

    Raises:
        ReviewError: a picture or depth file is missing.
    """
    if chosen.track == 0:
        chosen.track = 1 + max(o.track for f in frames for o in f.objects)
    changed = [frames[index]]
    for step in (1, -1):
        grey, factor = _load_grey(folder, frames[index])
        target = FlowTarget(np.array(chosen.box_px, dtype=np.float64))
        at = index + step
        while 0 <= at < len(frames):
            frame = frames[at]
            next_grey, next_factor = _load_grey(folder, frame)
            if next_grey.shape != grey.shape or next_factor != factor:
                break
            follow(grey, next_grey, factor, [target], _LEVELS)
            if not target.found or not _place(folder, frame, target.box, chosen, frames[index].key):
                break
            changed.append(frame)
            grey, at = next_grey, at + step
    return changed


def _load_grey(folder: Path, frame: ReviewFrame) -> tuple[np.ndarray, float]:
    bgr = cv2.imread(str(image_path(folder, frame.key)))
    if bgr is None:
        raise ReviewError(f"{image_path(folder, frame.key)} cannot be read")
    return shrink_grey(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB))


def _place(
    folder: Path, frame: ReviewFrame, box: np.ndarray, chosen: ReviewObject, origin_key: str
) -> bool:
    """Put the carried object into a frame; False where it cannot be."""
    inside = clip_box(tuple(box), frame.width, frame.height)
    area = float((box[2] - box[0]) * (box[3] - box[1]))
    if (inside[2] - inside[0]) * (inside[3] - inside[1]) < _MIN_INSIDE * area:
        return False
    reason = f"carried from picture {int(origin_key) + 1}"
    standing = [o for o in frame.objects if o.decision != "reject"]
    overlap = box_iou(np.array([inside]), np.array([o.box_px for o in standing]).reshape(-1, 4))
    if overlap.size and overlap.max() >= _SAME_PLACE:
        o = standing[int(overlap.argmax())]
        if o.track != chosen.track and o.decision == "open":
            o.track, o.label = chosen.track, chosen.label
            o.status, o.reasons = "doubt", [reason]
        return True
    new_id = 1 + max((o.id for o in frame.objects), default=0)
    try:
        sides = check_box(inside, frame.width, frame.height)
    except ReviewError:
        return False
    new = ReviewObject(
        new_id, chosen.track, chosen.label, sides, origin="track", status="doubt", reasons=[reason]
    )
    frame.objects.append(new)
    depth_m = read_depth(depth_path(folder, frame.key))
    frame.measure(depth_m)
    if chosen.size_m and not _same_size(new.size_m, chosen.size_m):
        frame.objects.remove(new)
        frame.measure(depth_m)
        return False
    return True


def _same_size(a: list[float] | None, b: list[float]) -> bool:
    if a is None:
        return False
    ratio = max(a) / max(*b, 1e-6)
    return 1 / _SIZE_FACTOR <= ratio <= _SIZE_FACTOR
