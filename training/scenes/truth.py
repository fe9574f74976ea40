"""Exact ground truth of a rendered view: boxes, 3D extents and relations by definition.

Relations use the VSD vocabulary. Support comes from physics contacts, containment from the
geometry of the container, left/right/front/behind from offsets on the ground plane in the
camera's heading (as CLEVR does), with a dead band: a pair inside it is listed as ambiguous
and neither taught nor scored.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .layout import Scene
from .renderer import Camera

DEAD_BAND_M = 0.05
DOMINANCE = 1.3
"""An axis decides only if its offset is this many times the other's."""
PAIR_REACH_M = 0.30
NEXT_TO_GAP_M = 0.05
MIN_VISIBLE_SHARE = 0.0012
MIN_BOX_VISIBILITY = 0.35


@dataclass(frozen=True)
class TrueObject:
    """An object as one camera sees it.

    Attributes:
        index: in ``Scene.models``; the instance image shows ``index + 1``.
        box_px: visible box, pixels, max exclusive. ``amodal_box_px``: whole object, clipped.
        visible_px: instance pixels.
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
    position_camera: tuple[float, float, float]
    size_camera: tuple[float, float, float]
    depth_m: tuple[float, float, float]


@dataclass(frozen=True)
class Truth:
    """What holds in one view. Relations are ``(subject index, predicate, object index)``."""

    objects: tuple[TrueObject, ...]
    relations: tuple[tuple[int, str, int], ...]
    ambiguous: tuple[tuple[int, int], ...]


def derive_truth(scene: Scene, camera: Camera, depth_m: np.ndarray, ids: np.ndarray) -> Truth:
    """Ground truth of one rendered view; objects that are hardly visible are left out."""
    height, width = ids.shape
    objects, bounds = [], {}
    to_camera = np.linalg.inv(camera.pose)
    for index, (model, pose) in enumerate(zip(scene.models, scene.poses, strict=True)):
        vertices = model.vertices()
        world = vertices[:: max(1, len(vertices) // 1500)] @ pose[:3, :3].T + pose[:3, 3]
        bounds[index] = (world.min(0), world.max(0))
        rows, columns = np.nonzero(ids == index + 1)
        if len(rows) < MIN_VISIBLE_SHARE * width * height:
            continue
        box = (int(columns.min()), int(rows.min()), int(columns.max()) + 1, int(rows.max()) + 1)
        in_camera = world @ to_camera[:3, :3].T + to_camera[:3, 3]
        amodal = _amodal_box(in_camera, camera, width, height)
        area = (box[2] - box[0]) * (box[3] - box[1])
        if index > 0 and area < MIN_BOX_VISIBILITY * max(
            1, (amodal[2] - amodal[0]) * (amodal[3] - amodal[1])
        ):
            continue
        low, high = in_camera.min(0), in_camera.max(0)
        seen = depth_m[rows, columns]
        objects.append(
            TrueObject(
                index,
                model.label,
                model.key,
                box,
                amodal,
                len(rows),
                _floats((low + high) / 2),
                _floats(high - low),
                _floats((seen.min(), np.median(seen), seen.max())),
            )
        )
    relations, ambiguous = _relations(scene, camera, bounds, [o.index for o in objects])
    return Truth(tuple(objects), relations, ambiguous)


def _amodal_box(
    in_camera: np.ndarray, camera: Camera, width: int, height: int
) -> tuple[int, int, int, int]:
    k = camera.intrinsics
    z = np.maximum(in_camera[:, 2], 0.05)
    u, v = in_camera[:, 0] / z * k.fx + k.cx, in_camera[:, 1] / z * k.fy + k.cy
    return (
        int(np.clip(u.min(), 0, width)),
        int(np.clip(v.min(), 0, height)),
        int(np.clip(np.ceil(u.max()), 0, width)),
        int(np.clip(np.ceil(v.max()), 0, height)),
    )


def _relations(
    scene: Scene, camera: Camera, bounds: dict[int, tuple[np.ndarray, np.ndarray]], seen: list[int]
) -> tuple[tuple[tuple[int, str, int], ...], tuple[tuple[int, int], ...]]:
    inside = {(i, j) for i in seen for j in seen if i != j and j and _is_inside(scene, i, j)}
    relations = [(i, "in", j) for i, j in sorted(inside)]
    resting = sorted(
        (i, j) for i, j in scene.contacts if i in seen and j in seen and (i, j) not in inside
    )
    relations += [(i, "on", j) for i, j in resting]
    touching = inside | set(resting)
    right, forward = camera.pose[:3, 0], camera.pose[:3, 2]
    ground_right = _unit(right * (1, 1, 0))
    ground_forward = _unit(forward * (1, 1, 0))
    ambiguous = []
    for i in seen:
        for j in seen:
            if i == j or 0 in (i, j) or (i, j) in touching or (j, i) in touching:
                continue
            (low_i, high_i), (low_j, high_j) = bounds[i], bounds[j]
            gap = float(np.linalg.norm(np.maximum(0, np.maximum(low_i - high_j, low_j - high_i))))
            if gap > PAIR_REACH_M:
                continue
            offset = (low_i + high_i) / 2 - (low_j + high_j) / 2
            predicate = directional_predicate(
                float(offset @ ground_right), float(offset @ ground_forward)
            )
            if predicate:
                relations.append((i, predicate, j))
            elif gap < NEXT_TO_GAP_M:
                relations.append((i, "next to", j))
            else:
                ambiguous.append((i, j))
    return tuple(relations), tuple(ambiguous)


def directional_predicate(rightward_m: float, forward_m: float) -> str | None:
    """The direction of an offset seen from the camera, or None inside the dead band."""
    if abs(rightward_m) > DEAD_BAND_M and abs(rightward_m) > DOMINANCE * abs(forward_m):
        return "to the right of" if rightward_m > 0 else "to the left of"
    if abs(forward_m) > DEAD_BAND_M and abs(forward_m) > DOMINANCE * abs(rightward_m):
        return "behind" if forward_m > 0 else "in front of"
    return None


def _is_inside(scene: Scene, i: int, j: int) -> bool:
    """Object ``i`` lies within container ``j``: centroid within its rim, bottom below it."""
    container = scene.models[j]
    pose = scene.poses[j]
    scale = float(np.linalg.norm(pose[:3, 0]))
    if container.holds != "container" or pose[2, 2] < 0.8 * scale:
        return False
    vertices = scene.models[i].vertices()[::7]
    world = vertices @ scene.poses[i][:3, :3].T + scene.poses[i][:3, 3]
    local = (world - pose[:3, 3]) @ pose[:3, :3] / scale**2
    half = container.size / 2
    centre = local.mean(0)
    return bool(
        abs(centre[0]) < 0.8 * half[0]
        and abs(centre[1]) < 0.8 * half[1]
        and -0.01 < local[:, 2].min() < 0.7 * container.size[2]
    )


def _unit(v: np.ndarray) -> np.ndarray:
    return v / max(float(np.linalg.norm(v)), 1e-9)


def _floats(values: object) -> tuple[float, float, float]:
    a, b, c = (round(float(v), 5) for v in values)  # type: ignore[attr-defined]
    return a, b, c
