"""Exact ground truth of a rendered view: boxes, 3D extents and relations by definition.

Relations use the VSD vocabulary. Support comes from contacts, containment from the geometry
of the container, "under" from footprints and heights, left/right/front/behind from offsets on
the ground plane in the camera's heading (as CLEVR does), with a dead band: a pair inside it is
listed as ambiguous and neither taught nor scored.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from .renderer import Camera
from .scene import Scene

DEAD_BAND_M = 0.05
DOMINANCE = 1.3
"""An axis decides only if its offset is this many times the other's."""
PAIR_REACH_M = 0.30
NEXT_TO_GAP_M = 0.05
UNIT_SIZE_M = 0.20
MAX_SCALE = 5.0
"""The three lengths above are for things of 20 cm; on the floor they grow with the smaller of
the pair, up to five times."""
UNDER_SHARE = 0.5
"""Part of a thing's footprint that must lie within that of what it is under."""

MIN_VISIBILITY = 0.25
MIN_IN_VIEW = 0.25
MIN_IMAGE_SHARE = 0.0012
MIN_SIDE_SHARE = 10 / 320
"""Of the image width, for a box's short side, unless the object covers ``MIN_AREA_SHARE``."""
MIN_AREA_SHARE = 0.003
LARGE_SHARE = 0.08
"""Of the image: enough to recognise a thing by, however much of it is hidden or cut off."""
MIN_SEEN_SHARE = 20 / (320 * 240)
"""Less of the image than this is as good as unseen."""

_FLOOR = -1

WholePixels = Callable[[int], tuple[int, int]]
"""Instance id -> pixels of the whole object in the image, and in a wider picture around it."""


@dataclass(frozen=True)
class TrueObject:
    """An object as one camera sees it.

    Attributes:
        index: in ``Scene.models``; the instance image shows ``index + 1``.
        box_px: visible box, pixels, max exclusive. ``amodal_box_px``: whole object, clipped.
        visible_px: instance pixels.
        visibility: ``visible_px`` over the pixels that the object alone would cover in the
            image, 0..1.
        in_view: part of the whole object's pixels that the image's borders leave, 0..1.
        position_camera: centre of the model's box, metres, optical frame.
        size_camera: axis-aligned size in the optical frame, metres.
        depth_m: nearest, median and farthest visible depth.
    """

    index: int
    label: str
    model: str
    box_px: tuple[int, int, int, int]
    amodal_box_px: tuple[int, int, int, int]
    visible_px: int
    visibility: float
    in_view: float
    position_camera: tuple[float, float, float]
    size_camera: tuple[float, float, float]
    depth_m: tuple[float, float, float]


@dataclass(frozen=True)
class IgnoredObject:
    """Something that is seen, but too little of it to be asked for."""

    index: int
    label: str
    box_px: tuple[int, int, int, int]


@dataclass(frozen=True)
class Truth:
    """What holds in one view. Relations are ``(subject index, predicate, object index)``."""

    objects: tuple[TrueObject, ...]
    relations: tuple[tuple[int, str, int], ...]
    ambiguous: tuple[tuple[int, int], ...]
    ignored: tuple[IgnoredObject, ...]


def derive_truth(
    scene: Scene, camera: Camera, depth_m: np.ndarray, ids: np.ndarray, whole: WholePixels
) -> Truth:
    """Ground truth of one rendered view.

    Args:
        depth_m: ``(H, W)`` metres. ``ids``: ``(H, W)`` index in ``scene.models`` + 1, 0 = none.
        whole: tells what an object would cover with nothing in front of it.
    """
    height, width = ids.shape
    objects, ignored = [], []
    to_camera = np.linalg.inv(camera.pose)
    for index, (model, pose) in enumerate(zip(scene.models, scene.poses, strict=True)):
        rows, columns = np.nonzero(ids == index + 1)
        if len(rows) < MIN_SEEN_SHARE * width * height:
            continue
        box = (int(columns.min()), int(rows.min()), int(columns.max()) + 1, int(rows.max()) + 1)
        alone, wider = whole(index + 1)
        visibility = min(1.0, len(rows) / max(alone, 1))
        in_view = min(1.0, max(alone, len(rows)) / max(wider, 1))
        if not is_asked_for(len(rows), box, visibility, in_view, width, height):
            ignored.append(IgnoredObject(index, model.label, box))
            continue
        in_camera = _transform(to_camera @ pose, model.outline)
        low, high = in_camera.min(0), in_camera.max(0)
        seen = depth_m[rows, columns]
        objects.append(
            TrueObject(
                index,
                model.label,
                model.key,
                box,
                _amodal_box(in_camera, camera, box),
                len(rows),
                round(visibility, 3),
                round(in_view, 3),
                _floats((low + high) / 2),
                _floats(high - low),
                _floats((seen.min(), np.median(seen), seen.max())),
            )
        )
    relations, ambiguous = derive_relations(scene, camera, [o.index for o in objects])
    return Truth(tuple(objects), relations, ambiguous, tuple(ignored))


def is_asked_for(
    visible_px: int,
    box_px: tuple[int, int, int, int],
    visibility: float,
    in_view: float,
    width: int,
    height: int,
) -> bool:
    """Whether enough is seen of an object to teach and score it."""
    share = visible_px / (width * height)
    if share >= LARGE_SHARE:
        return True
    short_side = min(box_px[2] - box_px[0], box_px[3] - box_px[1])
    return (
        visibility > MIN_VISIBILITY
        and in_view > MIN_IN_VIEW
        and share > MIN_IMAGE_SHARE
        and (short_side >= MIN_SIDE_SHARE * width or share > MIN_AREA_SHARE)
    )


def derive_relations(
    scene: Scene, camera: Camera, seen: list[int]
) -> tuple[tuple[tuple[int, str, int], ...], tuple[tuple[int, int], ...]]:
    """Relations among the seen objects (indices), and the ordered pairs left open."""
    inside = {(i, j) for i in seen for j in seen if i != j and _is_inside(scene, i, j)}
    resting = {(i, j) for i, j in scene.contacts if i in seen and j in seen} - inside
    under = {
        (i, j)
        for j in seen
        for i in seen
        if i != j and j in scene.open_below and _is_under(scene, i, j)
    }
    under -= resting | inside
    relations = [(i, "in", j) for i, j in sorted(inside)]
    relations += [(i, "on", j) for i, j in sorted(resting)]
    relations += [(i, "under", j) for i, j in sorted(under)]
    settled = {frozenset(pair) for pair in inside | resting | under}
    ground_right = _unit(camera.pose[:3, 0] * (1, 1, 0))
    ground_forward = _unit(camera.pose[:3, 2] * (1, 1, 0))
    bounds = {i: _bounds(scene, i) for i in seen}
    bases = _bases(scene)
    ambiguous = []
    for i in seen:
        for j in seen:
            if i == j or bases[i] != bases[j] or frozenset((i, j)) in settled:
                continue
            (low_i, high_i), (low_j, high_j) = bounds[i], bounds[j]
            scale = 1.0
            if bases[i] == _FLOOR:
                smaller = min(float((h - low)[:2].max()) for low, h in (bounds[i], bounds[j]))
                scale = float(np.clip(smaller / UNIT_SIZE_M, 1.0, MAX_SCALE))
            gap = float(np.linalg.norm(np.maximum(0, np.maximum(low_i - high_j, low_j - high_i))))
            if gap > PAIR_REACH_M * scale:
                continue
            offset = (low_i + high_i) / 2 - (low_j + high_j) / 2
            predicate = directional_predicate(
                float(offset @ ground_right), float(offset @ ground_forward), scale
            )
            if predicate:
                relations.append((i, predicate, j))
            elif gap < NEXT_TO_GAP_M * scale:
                relations.append((i, "next to", j))
            else:
                ambiguous.append((i, j))
    return tuple(relations), tuple(ambiguous)


def directional_predicate(rightward_m: float, forward_m: float, scale: float = 1.0) -> str | None:
    """The direction of an offset seen from the camera, or None inside the dead band."""
    band = DEAD_BAND_M * scale
    if abs(rightward_m) > band and abs(rightward_m) > DOMINANCE * abs(forward_m):
        return "to the right of" if rightward_m > 0 else "to the left of"
    if abs(forward_m) > band and abs(forward_m) > DOMINANCE * abs(rightward_m):
        return "behind" if forward_m > 0 else "in front of"
    return None


def _bases(scene: Scene) -> list[int]:
    """What each thing stands on in the end: a piece of furniture's index or the floor.

    Things compare by direction only with things of the same base. What touches nothing (it
    leans, or lies in a wedge) belongs to the table of a tabletop.
    """
    lower: dict[int, int] = {}
    for i, j in sorted(scene.contacts):
        lower.setdefault(i, j)
    bases = []
    for index, model in enumerate(scene.models):
        at, steps = index, 0
        while at in lower and scene.models[at].role == "object" and steps < len(scene.models):
            at, steps = lower[at], steps + 1
        if scene.models[at].role == "object":
            at = 0 if scene.kind == "tabletop" else _FLOOR
        bases.append(_FLOOR if model.role != "object" and index not in lower else at)
    return bases


def _is_inside(scene: Scene, i: int, j: int) -> bool:
    """Object ``i`` lies within container ``j``: centroid within its rim, bottom below it."""
    container = scene.models[j]
    pose = scene.poses[j]
    scale = float(np.linalg.norm(pose[:3, 0]))
    if container.holds != "container" or pose[2, 2] < 0.8 * scale:
        return False
    local = _transform(np.linalg.inv(pose) @ scene.poses[i], scene.models[i].vertices()[::7])
    half = container.size / 2
    centre = local.mean(0)
    return bool(
        abs(centre[0]) < 0.8 * half[0]
        and abs(centre[1]) < 0.8 * half[1]
        and -0.01 < local[:, 2].min() < 0.7 * container.size[2]
    )


def _is_under(scene: Scene, i: int, j: int) -> bool:
    """Thing ``i`` ends below the top of ``j`` and half its footprint lies within that of ``j``."""
    _, high = _bounds(scene, i)
    if high[2] > scene.open_below[j]:
        return False
    local = _transform(np.linalg.inv(scene.poses[j]) @ scene.poses[i], scene.models[i].outline)
    low, high = local[:, :2].min(0), local[:, :2].max(0)
    half = scene.models[j].size[:2] / 2
    common = np.maximum(0, np.minimum(high, half) - np.maximum(low, -half))
    return bool(np.prod(common) >= UNDER_SHARE * np.prod(high - low))


def _bounds(scene: Scene, index: int) -> tuple[np.ndarray, np.ndarray]:
    world = _transform(scene.poses[index], scene.models[index].outline)
    return world.min(0), world.max(0)


def _amodal_box(
    in_camera: np.ndarray, camera: Camera, visible: tuple[int, int, int, int]
) -> tuple[int, int, int, int]:
    """Box of the projected outline, clipped to the image; never less than the visible box."""
    k = camera.intrinsics
    x, y, z = in_camera[in_camera[:, 2] > 0.05].T
    u, v = x / z * k.fx + k.cx + 0.5, y / z * k.fy + k.cy + 0.5
    if len(z) < len(in_camera):  # partly behind the camera: it leaves the image for good
        u, v = np.append(u, _beyond(u, k.cx, k.width)), np.append(v, _beyond(v, k.cy, k.height))
    return (
        min(visible[0], int(np.clip(np.floor(u.min()), 0, k.width))),
        min(visible[1], int(np.clip(np.floor(v.min()), 0, k.height))),
        max(visible[2], int(np.clip(np.ceil(u.max()), 0, k.width))),
        max(visible[3], int(np.clip(np.ceil(v.max()), 0, k.height))),
    )


def _beyond(at: np.ndarray, middle: float, size: int) -> float:
    """The image border on the side where most of an outline lies."""
    return float(size) if np.median(at) > middle else 0.0


def _transform(matrix: np.ndarray, points: np.ndarray) -> np.ndarray:
    return points @ matrix[:3, :3].T + matrix[:3, 3]


def _unit(v: np.ndarray) -> np.ndarray:
    return v / max(float(np.linalg.norm(v)), 1e-9)


def _floats(values: object) -> tuple[float, float, float]:
    a, b, c = (round(float(v), 5) for v in values)  # type: ignore[attr-defined]
    return a, b, c
