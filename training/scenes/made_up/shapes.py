"""Solids that made-up models are put together from: turned, boxes, tubes, ellipsoids.

Metres, z up. Each function gives one :class:`MeshPart` with normals and texture coordinates.
"""

from __future__ import annotations

import colorsys
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
    vertices, normals, uv, faces = [], [], [], []
    for k in range(len(steps)):
        start = len(vertices) * (segments + 1)
        for point, normal, v in (
            (points[k], first[k], along[k]),
            (points[k + 1], last[k], along[k + 1]),
        ):
            vertices.append(np.c_[around * point[0], np.full(segments + 1, point[1])])
            normals.append(np.c_[around * normal[0], np.full(segments + 1, normal[1])])
            uv.append(np.c_[angle / np.pi, np.full(segments + 1, v)])
        low = start + np.arange(segments)
        high = low + segments + 1
        faces += [np.c_[low, low + 1, high + 1], np.c_[low, high + 1, high]]
    return _part(
        np.concatenate(vertices) + np.asarray(at, float),
        np.concatenate(normals),
        np.concatenate(uv),
        np.concatenate(faces),
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


# --- what things are made of -------------------------------------------------------------------


def colour(rng: np.random.Generator) -> tuple[float, float, float]:
    """White, grey, black, pastel or strong, sRGB 0..1."""
    kind = rng.random()
    if kind < 0.3:
        return _hsv(rng.random(), rng.uniform(0, 0.12), rng.uniform(0.75, 1.0))
    if kind < 0.45:
        return _hsv(rng.random(), rng.uniform(0, 0.15), rng.uniform(0.04, 0.5))
    return _hsv(rng.random(), rng.uniform(0.25, 0.95), rng.uniform(0.3, 0.95))


def ceramic(rng: np.random.Generator) -> Material:
    """Glazed or lacquered, any colour."""
    return Material(colour(rng), specular=float(rng.uniform(0.1, 0.7)), shininess=120)


def cloth(rng: np.random.Generator) -> Material:
    """Dull, any colour."""
    return Material(colour(rng), specular=0.02, shininess=5)


def wood(rng: np.random.Generator) -> Material:
    """Pale to dark wood; one in five painted."""
    if rng.random() < 0.2:
        return Material(colour(rng), specular=0.15, shininess=40)
    tone = _hsv(rng.uniform(0.05, 0.11), rng.uniform(0.3, 0.75), rng.uniform(0.2, 0.85))
    return Material(tone, specular=0.12, shininess=40)


def metal(rng: np.random.Generator) -> Material:
    """Steel, black or brass."""
    hue, grey = rng.uniform(0.08, 0.13), rng.random()
    saturation = 0.5 if grey > 0.85 else 0.03
    value = rng.uniform(0.05, 0.2) if grey < 0.35 else rng.uniform(0.5, 0.85)
    return Material(_hsv(hue, saturation, value), specular=0.8, shininess=180)


def glass(rng: np.random.Generator, tinted: bool = False) -> Material:
    """Clear, or of a colour."""
    tone = _hsv(rng.random(), rng.uniform(0.2, 0.8) if tinted else 0.04, rng.uniform(0.5, 0.95))
    return Material(tone, specular=0.9, shininess=220, opacity=float(rng.uniform(0.25, 0.5)))


def leaf_green(rng: np.random.Generator) -> Material:
    """The greens of leaves."""
    tone = _hsv(rng.uniform(0.2, 0.42), rng.uniform(0.4, 0.9), rng.uniform(0.2, 0.65))
    return Material(tone, specular=0.1, shininess=30)


def dark(rng: np.random.Generator) -> Material:
    """Nearly black: screens, rubber, grilles."""
    return Material(_hsv(rng.random(), 0.1, rng.uniform(0.02, 0.14)), specular=0.5, shininess=160)


def screen(rng: np.random.Generator) -> Material:
    """A screen: off, or with a coloured picture on it."""
    if rng.random() < 0.5:
        return dark(rng)
    image = np.full((32, 32, 4), 255, np.uint8)
    image[..., :3] = (np.array(colour(rng)) * 255).astype(np.uint8)
    for _ in range(int(rng.integers(2, 8))):
        (top, bottom), (left, right) = (np.sort(rng.integers(0, 33, 2)) for _ in range(2))
        image[top:bottom, left:right, :3] = (np.array(colour(rng)) * 255).astype(np.uint8)
    return Material((1.0, 1.0, 1.0), specular=0.4, shininess=160, texture=image)


def _hsv(hue: float, saturation: float, value: float) -> tuple[float, float, float]:
    return colorsys.hsv_to_rgb(float(hue), float(saturation), float(value))


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
