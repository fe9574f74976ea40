"""Solids that made-up models are put together from: turned, boxes, tubes, ellipsoids.

Metres, z up. Each function gives one :class:`MeshPart` with normals and texture coordinates.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from ..assets import Material, MeshPart

Point = Sequence[float] | np.ndarray
Parts = list[MeshPart]
Maker = Callable[[np.random.Generator], Parts]
"""Draws the parts of one thing of a class."""
_SMOOTH = 0.5
"""Cosine of the bend of a profile up to which its shading runs smoothly over the joint."""


def lathe(
    profile: Sequence[tuple[float, float]],
    material: Material,
    at: Point = (0, 0, 0),
    segments: int = 24,
) -> MeshPart:
    """A profile of ``(radius, z)`` turned about the vertical through ``at``."""
    points = np.array(profile, float)
    steps = np.diff(points, axis=0)
    facing = np.stack([steps[:, 1], -steps[:, 0]], 1)
    facing /= np.maximum(np.linalg.norm(facing, axis=1, keepdims=True), 1e-9)
    first, last = facing.copy(), facing.copy()
    for k in range(1, len(facing)):
        if facing[k - 1] @ facing[k] > _SMOOTH:
            last[k - 1] = first[k] = facing[k - 1] + facing[k]
    angle = np.linspace(0, 2 * np.pi, segments + 1)
    around = np.stack([np.cos(angle), np.sin(angle)], 1)
    along = np.concatenate([[0], np.cumsum(np.linalg.norm(steps, axis=1))])
    along /= max(along[-1], 1e-9)
    # every step has two rings of its own, so that its shading can differ from the next one's
    ends = np.stack([points[:-1], points[1:]], 1)
    facing = np.stack([first, last], 1)
    rings = (len(steps), 2, segments + 1)

    def turn(pairs: np.ndarray) -> np.ndarray:
        across = pairs[:, :, :1, None] * around
        up = np.broadcast_to(pairs[:, :, 1:, None], (*rings, 1))
        return np.concatenate([across, up], -1).reshape(-1, 3)

    u = np.broadcast_to(angle / np.pi, rings)
    v = np.broadcast_to(np.stack([along[:-1], along[1:]], 1)[..., None], rings)
    low = np.add.outer(2 * np.arange(len(steps)) * (segments + 1), np.arange(segments))[..., None]
    high = low + segments + 1
    # step after step: where they are of glass, the order shows
    halves = np.concatenate([low, low + 1, high + 1], -1), np.concatenate([low, high + 1, high], -1)
    faces = np.concatenate(halves, 1).reshape(-1, 3)
    return _part(
        turn(ends) + np.asarray(at, float),
        turn(facing),
        np.stack([u, v], -1).reshape(-1, 2),
        faces,
        material,
    )


def disc(radius: float, z: float, material: Material, at: Point = (0, 0, 0)) -> MeshPart:
    """A level disc, for what fills or closes a turned thing."""
    return lathe([(0.0, z), (radius, z)], material, at)


def box(size: Point, centre: Point, material: Material) -> MeshPart:
    """A box of ``size`` (x, y, z) around ``centre``."""
    half = np.asarray(size, float) / 2
    vertices, normals, uv, faces = [], [], [], []
    for axis in range(3):
        for sign in (-1.0, 1.0):
            first, second = (axis + 1) % 3, (axis + 2) % 3
            for a, b in ((-1, -1), (1, -1), (1, 1), (-1, 1)):
                corner = np.zeros(3)
                corner[[axis, first, second]] = sign, a, b
                vertices.append(corner * half)
                normals.append(sign * np.eye(3)[axis])
                # upright on the sides: pictures on a front stand as they should
                across, up = (a, b) if axis == 2 else ((b, a) if first == 2 else (a, b))
                uv.append(((across + 1) / 2, (up + 1) / 2))
            n = len(vertices) - 4
            faces += [(n, n + 1, n + 2), (n, n + 2, n + 3)]
    return _part(
        np.array(vertices) + np.asarray(centre, float),
        np.array(normals),
        np.array(uv),
        np.array(faces),
        material,
    )


def tube(points: Sequence[Point], radius: float, material: Material, segments: int = 8) -> MeshPart:
    """A round bar along a line of points; its ends are open."""
    path = np.array([np.asarray(p, float) for p in points])
    ahead = np.gradient(path, axis=0)
    ahead /= np.maximum(np.linalg.norm(ahead, axis=1, keepdims=True), 1e-9)
    side = np.cross(ahead[0], np.eye(3)[np.abs(ahead[0]).argmin()])
    angle = np.linspace(0, 2 * np.pi, segments + 1)
    vertices, normals = [], []
    for at, forward in zip(path, ahead, strict=True):
        side = side - (side @ forward) * forward
        side /= max(float(np.linalg.norm(side)), 1e-9)
        ring = np.outer(np.cos(angle), side) + np.outer(np.sin(angle), np.cross(forward, side))
        vertices.append(at + radius * ring)
        normals.append(ring)
    low = (np.arange(len(path) - 1)[:, None] * (segments + 1) + np.arange(segments)).ravel()
    high = low + segments + 1
    u, v = np.meshgrid(angle / np.pi, np.linspace(0, 1, len(path)))
    faces = np.concatenate([np.c_[low, low + 1, high + 1], np.c_[low, high + 1, high]])
    return _part(
        np.concatenate(vertices),
        np.concatenate(normals),
        np.c_[u.ravel(), v.ravel()],
        faces,
        material,
    )


def ellipsoid(
    radii: Point, centre: Point, material: Material, turn: np.ndarray | None = None, rings: int = 6
) -> MeshPart:
    """An ellipsoid; ``turn``: ``(3, 3)`` rotation about its centre."""
    angle = np.linspace(-np.pi / 2, np.pi / 2, rings + 1)
    unit = [(float(np.cos(a)), float(np.sin(a))) for a in angle]
    part = lathe(unit, material, segments=2 * rings)
    scale = np.asarray(radii, float)
    rotation = np.eye(3) if turn is None else turn
    part.vertices = (part.vertices * scale @ rotation.T + np.asarray(centre, float)).astype("f4")
    normals = part.normals / scale @ rotation.T
    part.normals = (normals / np.linalg.norm(normals, axis=1, keepdims=True)).astype("f4")
    return part


def arc(centre: Point, reach: Point, height: float, points: int = 9) -> list[np.ndarray]:
    """Half an ellipse standing upright: from above ``centre`` out by ``reach`` to below it."""
    angle = np.linspace(np.pi / 2, -np.pi / 2, points)
    out, up = np.asarray(reach, float), np.array([0.0, 0.0, height / 2])
    return [np.asarray(centre, float) + np.cos(a) * out + np.sin(a) * up for a in angle]


def turned(part: MeshPart, rotation: np.ndarray, about: Point = (0, 0, 0)) -> MeshPart:
    """The part turned by a ``(3, 3)`` rotation about a point."""
    pivot = np.asarray(about, float)
    part.vertices = ((part.vertices - pivot) @ rotation.T + pivot).astype(np.float32)
    part.normals = (part.normals @ rotation.T).astype(np.float32)
    return part


def rotation(axis: int, angle: float) -> np.ndarray:
    """``(3, 3)`` turn by ``angle`` (rad) about an axis."""
    matrix = np.eye(3)
    first, second = (axis + 1) % 3, (axis + 2) % 3
    matrix[first, first] = matrix[second, second] = np.cos(angle)
    matrix[first, second], matrix[second, first] = -np.sin(angle), np.sin(angle)
    return matrix


def legs_at(
    spots: list[tuple[float, float]], height: float, radius: float, material: Material
) -> Parts:
    """Square legs from the floor to ``height``."""
    return [box((2 * radius, 2 * radius, height), (x, y, height / 2), material) for x, y in spots]


def _part(
    vertices: np.ndarray, normals: np.ndarray, uv: np.ndarray, faces: np.ndarray, material: Material
) -> MeshPart:
    length = np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-9)
    return MeshPart(
        vertices.astype(np.float32),
        (normals / length).astype(np.float32),
        uv.astype(np.float32),
        faces.astype(np.int32),
        material,
    )
