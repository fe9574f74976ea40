"""Analytic RGB-D scenes: boxes, spheres and cylinders ray-cast on a table before a wall."""

from dataclasses import dataclass

import numpy as np
import pytest

from spacesgg_ros.graph import Intrinsics

CAMERA = Intrinsics(525.0, 525.0, 319.5, 239.5, 640, 480)


@dataclass(frozen=True)
class Solid:
    """``kind`` box, sphere or cylinder; ``size`` and ``centre`` in the table's frame, z up."""

    kind: str
    size: tuple[float, float, float]
    centre: tuple[float, float, float]
    yaw: float = 0.0


@dataclass(frozen=True)
class Scene:
    """Noisy depth, the true centres in the optical frame, visible-pixel boxes and "up"."""

    depth_m: np.ndarray
    ids: np.ndarray
    centres: list
    boxes: list
    up: tuple[float, float, float]
    camera: Intrinsics = CAMERA


def _hit_slabs(origin, rays, half):
    with np.errstate(divide="ignore", invalid="ignore"):
        a, b = (-half - origin) / rays, (half - origin) / rays
    near, far = np.minimum(a, b).max(-1), np.maximum(a, b).min(-1)
    return np.where((near < far) & (near > 0), near, np.inf)


def _hit_quadric(origin, rays, axes):
    """Nearest hit of the unit ellipsoid over the given axes (2: an endless cylinder)."""
    o, d = origin[:axes], rays[..., :axes]
    a, b, c = (d * d).sum(-1), (d * o).sum(-1), (o * o).sum() - 1.0
    root = b * b - a * c
    t = (-b - np.sqrt(np.maximum(root, 0.0))) / a
    return np.where((root > 0) & (t > 0), t, np.inf)


def _hit(solid, origin, rays):
    c, s = np.cos(solid.yaw), np.sin(solid.yaw)
    turn = np.array([[c, s, 0], [-s, c, 0], [0, 0, 1]])
    half = np.array(solid.size) / 2
    o, d = turn @ (origin - np.array(solid.centre)), rays @ turn.T
    if solid.kind == "box":
        return _hit_slabs(o, d, half)
    o, d = o / half, d / half
    if solid.kind == "sphere":
        return _hit_quadric(o, d, 3)
    side = _hit_quadric(o, d, 2)
    side = np.where(np.abs(o[2] + side * d[..., 2]) <= 1, side, np.inf)
    lid = (1.0 - o[2]) / d[..., 2]
    x = o[:2] + lid[..., None] * d[..., :2]
    return np.minimum(side, np.where((lid > 0) & ((x * x).sum(-1) <= 1), lid, np.inf))


def _noisy(depth, rng):
    """A consumer RGB-D camera: sigma(z), 1 mm steps, readings lost at depth jumps."""
    noisy = depth + rng.standard_normal(depth.shape) * (0.0012 + 0.0019 * (depth - 0.4) ** 2)
    jump = np.zeros(depth.shape, bool)
    for axis in (0, 1):
        step = np.abs(np.diff(depth, axis=axis)) > 0.02
        for at in (slice(1, None), slice(None, -1)):
            index = [slice(None)] * 2
            index[axis] = at
            jump[tuple(index)] |= step
    noisy[jump & (rng.random(depth.shape) < 0.75)] = np.nan
    noisy[(depth < 0.2) | (depth > 6.0)] = np.nan
    return (np.round(noisy * 1000) / 1000).astype(np.float32)


def render(solids, *, elevation=0.6, distance=1.0, seed=0, noise=True, table=True) -> Scene:
    """Looks at the table's middle from ``distance`` metres, ``elevation`` radians above it."""
    eye = distance * np.array([-np.cos(elevation), 0.0, np.sin(elevation)])
    forward = -eye / np.linalg.norm(eye)
    right = np.cross(forward, [0.0, 0.0, 1.0])
    right /= np.linalg.norm(right)
    rotation = np.stack([right, np.cross(forward, right), forward])  # table to optical
    v, u = np.mgrid[0 : CAMERA.height, 0 : CAMERA.width]
    optical = np.stack(
        [(u - CAMERA.cx) / CAMERA.fx, (v - CAMERA.cy) / CAMERA.fy, np.ones(u.shape)], -1
    )
    rays = optical @ rotation
    with np.errstate(divide="ignore"):
        hits = [np.where(rays[..., 0] > 0, (1.5 - eye[0]) / rays[..., 0], np.inf)]
        floor = np.where(rays[..., 2] < 0, -eye[2] / rays[..., 2], np.inf)
    on_table = np.abs((eye + floor[..., None] * rays)[..., :2]).max(-1) < 0.9
    hits.append(np.where(on_table & table, floor, np.inf))
    hits += [_hit(solid, eye, rays) for solid in solids]
    stack = np.stack(hits)
    ids, depth = stack.argmin(0) - 1, stack.min(0)
    depth = np.where(np.isfinite(depth), depth, np.nan)
    boxes = []
    for index in range(1, len(solids) + 1):
        rows, columns = np.nonzero(ids == index)
        seen = len(rows) > 30
        boxes.append(
            (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1) if seen else None
        )
    centres = [rotation @ (np.array(solid.centre) - eye) for solid in solids]
    measured = _noisy(depth, np.random.default_rng(seed)) if noise else depth.astype(np.float32)
    return Scene(measured, ids, centres, boxes, tuple(rotation[:, 2]))


def random_solids(rng, count=6):
    """Household-sized solids spread over the table without touching."""
    solids = []
    while len(solids) < count:
        kind = rng.choice(["box", "sphere", "cylinder"])
        size = rng.uniform(0.05, 0.2, 3)
        if kind == "sphere":
            size[:] = size[0] * 0.7
        if kind == "cylinder":
            size[:2] = size[0] * 0.6
        x, y = rng.uniform(-0.35, 0.35, 2)
        reach = 0.5 * np.hypot(*size[:2])
        if all(
            np.hypot(x - s.centre[0], y - s.centre[1]) > reach + 0.5 * np.hypot(*s.size[:2])
            for s in solids
        ):
            yaw = rng.uniform(0, np.pi) if kind == "box" else 0.0
            solids.append(Solid(kind, tuple(size), (x, y, size[2] / 2), yaw))
    return solids


@pytest.fixture(scope="session")
def solid():
    return Solid


@pytest.fixture(scope="session")
def render_scene():
    return render


@pytest.fixture(scope="session")
def random_scene():
    """Scene number ``n``: 6 solids, elevation and distance as a robot's camera has them."""

    def make(n, **options):
        rng = np.random.default_rng(n)
        elevation, distance = rng.uniform(0.3, 1.05), rng.uniform(0.6, 1.5)
        solids = random_solids(rng)
        options = {"elevation": elevation, "distance": distance, "seed": n, **options}
        return solids, render(solids, **options)

    return make
