"""What depth says of a model's objects and relations in one frame, and a track over many."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from spacesgg_ros.graph import (
    BoxPx,
    Extent3D,
    Intrinsics,
    RelationSource,
    SceneObject,
    SceneRelation,
    box_iou,
    fit_support_plane,
    lift_boxes,
    measure_relations,
    merge_relations,
)

Verdict = dict[RelationSource, tuple[str, str]]

VERDICTS: Verdict = {
    RelationSource.BOTH: ("keep", "depth agrees"),
    RelationSource.GEOMETRY: ("keep", "measured"),
    RelationSource.MODEL: ("doubt", "depth cannot tell"),
    RelationSource.CONTRADICTED: ("doubt", "depth says otherwise"),
}
"""Source of a relation to ``(status, reason)``."""


@dataclass(frozen=True)
class CheckConfig:
    """When an object is in doubt.

    Attributes:
        min_depth_share: part of its box that must have depth readings.
        smallest_m, largest_m: bounds of the longest side, metres.
        size_factor: how far its longest side may be from its track's median, either way.
        min_seen: part of the keyframes showing its place in which the model must name it.
        min_views: from this many such keyframes on.
        min_majority: part of a track's names that must agree.
        twin_iou: two boxes that overlap this much are one thing with two names.
    """

    min_depth_share: float = 0.3
    smallest_m: float = 0.01
    largest_m: float = 3.0
    size_factor: float = 1.8
    min_seen: float = 0.5
    min_views: int = 3
    min_majority: float = 0.6
    twin_iou: float = 0.7


DEFAULT_CHECKS = CheckConfig()


@dataclass(frozen=True)
class MeasuredFrame:
    """Extents by object id (None: no depth) and the merged relations of a frame."""

    extents: dict[int, Extent3D | None]
    relations: tuple[SceneRelation, ...]


def measure_frame(
    depth_m: np.ndarray,
    camera: Intrinsics,
    boxes: Mapping[int, BoxPx],
    said: Sequence[tuple[int, str, int]] = (),
) -> MeasuredFrame:
    """Lift and relate the objects of one frame.

    Args:
        depth_m: ``(H, W)`` metres on the colour image's pixels, NaN: no reading.
        boxes: object id to box, pixels.
        said: the model's relations ``(subject id, predicate, object id)``.
    """
    found = list(boxes.values())
    plane = fit_support_plane(depth_m, camera, regions=found) if found else None
    up = plane.normal if plane is not None else None
    lifted = lift_boxes(depth_m, found, camera, plane=plane, up=up)
    extents = dict(zip(boxes, lifted, strict=True))
    objects = [SceneObject(i, "", boxes[i], extent=extents[i]) for i in boxes]
    model = [
        SceneRelation(s, predicate, o, RelationSource.MODEL)
        for s, predicate, o in dict.fromkeys(tuple(r) for r in said)
        if s in boxes and o in boxes and s != o
    ]
    measured = measure_relations(objects, up=up)
    return MeasuredFrame(extents, merge_relations(model, measured, objects, up=up))


def depth_share(depth_m: np.ndarray, box: BoxPx) -> float:
    """Share of a box's pixels that have a depth reading."""
    rows, columns = depth_m.shape
    x0, y0 = max(math.floor(box[0]), 0), max(math.floor(box[1]), 0)
    x1, y1 = min(math.ceil(box[2]), columns), min(math.ceil(box[3]), rows)
    if x1 <= x0 or y1 <= y0:
        return 0.0
    return float((depth_m[y0:y1, x0:x1] > 0).mean())


def check_object(
    depth_m: np.ndarray, box: BoxPx, extent: Extent3D | None, config: CheckConfig = DEFAULT_CHECKS
) -> list[str]:
    """Why one frame's depth doubts an object; empty where it does not."""
    share = depth_share(depth_m, box)
    if extent is None or share < config.min_depth_share:
        return [f"depth in only {share:.0%} of the box"]
    longest = max(extent.size)
    if longest < config.smallest_m:
        return [f"measures {1000 * longest:.0f} mm: too small for a thing"]
    if longest > config.largest_m:
        return [f"measures {longest:.1f} m: the box reaches into the background"]
    return []


def find_twins(
    boxes: Mapping[int, BoxPx], labels: Mapping[int, str], config: CheckConfig = DEFAULT_CHECKS
) -> dict[int, str]:
    """Objects whose box is nearly that of an earlier one: id to the reason."""
    ids = list(boxes)
    overlap = box_iou(*[np.array([boxes[i] for i in ids]).reshape(-1, 4)] * 2)
    found = {}
    for later in range(len(ids)):
        for earlier in range(later):
            if overlap[later, earlier] > config.twin_iou:
                found[ids[later]] = f"has the box of “{labels[ids[earlier]]}”"
                break
    return found


@dataclass(frozen=True)
class Sighting:
    """A track in one keyframe: its label there and its longest side (None: not measured)."""

    label: str
    longest_m: float | None


def check_track(
    sightings: Sequence[Sighting], hits: int, views: int, config: CheckConfig = DEFAULT_CHECKS
) -> list[list[str]]:
    """Why the rest of its track doubts each sighting; one list of reasons a sighting."""
    names = Counter(s.label for s in sightings)
    usual, count = names.most_common(1)[0]
    sizes = [s.longest_m for s in sightings if s.longest_m is not None]
    middle = float(np.median(sizes)) if len(sizes) >= 3 else None
    shared: list[str] = []
    if views >= config.min_views and hits < config.min_seen * views:
        shared.append(f"named in {hits} of the {views} pictures that show its place")
    if len(sightings) > 1 and count < config.min_majority * len(sightings):
        said = ", ".join(f"{name} {n}×" for name, n in names.most_common(3))
        shared.append(f"the model wavers: {said}")
    reasons = []
    for sighting in sightings:
        mine = list(shared)
        if not mine and sighting.label != usual:
            mine.append(f"called “{usual}” in {count} of {len(sightings)} pictures")
        if middle is not None and sighting.longest_m is not None:
            ratio = sighting.longest_m / max(middle, 1e-6)
            if not 1 / config.size_factor <= ratio <= config.size_factor:
                mine.append(
                    f"measures {100 * sighting.longest_m:.0f} cm here, {100 * middle:.0f} cm "
                    "in the other pictures"
                )
        reasons.append(mine)
    return reasons
