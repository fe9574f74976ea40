"""Sample a tabletop scene: objects, stacks and fillings, surroundings, light and cameras.

Everything random comes from one ``numpy.random.Generator``, so a seed is a scene.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from spacesgg_ros.graph.types import Intrinsics

from .assets import Material, MeshPart, Model
from .physics import settle
from .renderer import Camera, Drawable, Light

TABLE_INSTANCE = 1
FIRST_OBJECT_INSTANCE = 2
_MAX_OBJECT_M = 0.36


@dataclass(frozen=True)
class Scene:
    """A settled scene in world coordinates (z up, table centred on the z axis, metres).

    Attributes:
        models: the table first, then the objects that stayed on it.
        poses: ``(n, 4, 4)`` model to world, scale included.
        contacts: ``(upper, lower)`` indices into ``models``.
        drawables: everything to draw; instance id = index in ``models`` + 1.
        table_top_z: height of the table top.
        open_azimuth: direction (rad) free of walls, for cameras.
    """

    models: list[Model]
    poses: np.ndarray
    contacts: frozenset[tuple[int, int]]
    drawables: list[Drawable]
    table_top_z: float
    open_azimuth: float


class SceneSampler:
    """Draws scenes from a set of models."""

    def __init__(self, models: list[Model]) -> None:
        self._tables = [m for m in models if m.role == "support"]
        self._by_label: dict[str, list[Model]] = {}
        for model in models:
            if model.role == "object" and model.size.max() < _MAX_OBJECT_M:
                self._by_label.setdefault(model.label, []).append(model)
        self._labels = sorted(self._by_label)
        holders = [m for ms in self._by_label.values() for m in ms if m.holds]
        self._holders = sorted({m.label for m in holders})
        self._textures = surface_textures(np.random.default_rng(0))

    @property
    def labels(self) -> list[str]:
        """Every label a scene can show, the table's included."""
        return sorted({*self._labels, *(t.label for t in self._tables)})

    def sample(self, rng: np.random.Generator) -> Scene:
        """One settled scene with 2 to 9 objects."""
        table = self._tables[rng.integers(len(self._tables))]
        top_z = float(table.size[2])
        models, scales, positions, yaws = self._place(rng, table, top_z)
        half = (float(table.size[0]) / 2, float(table.size[1]) / 2)
        settled = settle(models, scales, positions, yaws, top_z, half)
        stayed = [i for i in range(len(models)) if settled.poses[i, 2, 3] > top_z - 0.04]
        renumber = {old: new + 1 for new, old in enumerate(stayed)} | {-1: 0}
        poses = [np.eye(4)]
        for i in stayed:
            pose = settled.poses[i].copy()
            pose[:3, :3] *= scales[i]
            poses.append(pose)
        contacts = frozenset(
            (renumber[a], renumber[b])
            for a, b in settled.contacts
            if a in renumber and b in renumber
        )
        kept = [table, *(models[i] for i in stayed)]
        open_azimuth = float(rng.uniform(0, 2 * np.pi))
        drawables = self._surroundings(rng, open_azimuth)
        for instance, (model, pose) in enumerate(zip(kept, poses, strict=True), start=1):
            drawables += self._drawn(rng, model, pose, instance)
        return Scene(kept, np.stack(poses), contacts, drawables, top_z, open_azimuth)

    def _place(
        self, rng: np.random.Generator, table: Model, top_z: float
    ) -> tuple[list[Model], np.ndarray, np.ndarray, np.ndarray]:
        count = int(rng.integers(3, 10))
        labels = list(rng.choice(self._labels, count, replace=False))
        if rng.random() < 0.1:
            labels[-1] = labels[0]  # two of a kind
        if rng.random() < 0.65:
            labels[0] = str(rng.choice(self._holders))
        reach_x = min(float(table.size[0]) / 2 - 0.08, 0.46)
        reach_y = min(float(table.size[1]) / 2 - 0.08, 0.36)
        models: list[Model] = []
        scales, positions, yaws = [], [], []
        taken: list[tuple[float, float, float]] = []
        for i, label in enumerate(labels):
            candidates = self._by_label[label]
            model = candidates[rng.integers(len(candidates))]
            scale = float(rng.uniform(0.88, 1.14))
            size = model.size * scale
            radius = float(np.hypot(size[0], size[1])) / 2
            holder = models[0] if models and models[0].holds else None
            fits = holder is not None and max(size[:2]) < 0.95 * max(holder.size[:2])
            if i in (1, 2) and fits and holder is not None and rng.random() < 0.75:
                x, y = np.array(positions[0][:2]) + rng.normal(size=2) * 0.012
                lift = 0.02 + 0.1 * (i - 1)
                spot = (float(x), float(y), top_z + float(holder.size[2]) * scales[0] + lift)
                radius = 0.0
            else:
                free = self._free_spot(rng, reach_x, reach_y, radius, taken)
                if free is None:
                    continue
                spot = (*free, top_z + 0.003)
            taken.append((spot[0], spot[1], radius))
            models.append(model)
            scales.append(scale)
            positions.append(spot)
            yaws.append(float(rng.uniform(0, 2 * np.pi)))
        return models, np.array(scales), np.array(positions), np.array(yaws)

    @staticmethod
    def _free_spot(
        rng: np.random.Generator,
        reach_x: float,
        reach_y: float,
        radius: float,
        taken: list[tuple[float, float, float]],
    ) -> tuple[float, float] | None:
        for _ in range(40):
            x, y = float(rng.uniform(-reach_x, reach_x)), float(rng.uniform(-reach_y, reach_y))
            if all(np.hypot(x - u, y - v) > 0.88 * (radius + r) for u, v, r in taken):
                return x, y
        return None

    def _drawn(
        self, rng: np.random.Generator, model: Model, pose: np.ndarray, instance: int
    ) -> list[Drawable]:
        recolour = rng.random() < 0.35
        tint = tuple(float(v) for v in rng.uniform(0.55, 1.25, 3))
        brightness = float(rng.uniform(0.85, 1.15))
        texture = None
        if model.role == "support" and rng.random() < 0.5:
            texture = self._textures[rng.integers(len(self._textures))]
        drawn = []
        for part in model.parts:
            plain = part.material.texture is None
            colour = tint if recolour and plain else (brightness,) * 3
            drawn.append(Drawable(part, pose, instance, (colour[0], colour[1], colour[2]), texture))
        return drawn

    def _surroundings(self, rng: np.random.Generator, open_azimuth: float) -> list[Drawable]:
        """A floor and two walls behind the table, seen from ``open_azimuth``."""
        floor_texture, wall_texture = (
            self._textures[k] for k in rng.integers(len(self._textures), size=2)
        )
        tint = tuple(float(v) for v in rng.uniform(0.6, 1.0, 3))
        drawn = [Drawable(_FLOOR, np.eye(4), 0, tint, floor_texture, casts_shadow=False)]
        for side in (-np.pi / 4, np.pi / 4):
            azimuth = open_azimuth + np.pi + side
            outward = np.array([np.cos(azimuth), np.sin(azimuth), 0.0])
            pose = np.eye(4)
            pose[:3, 2] = -outward
            pose[:3, 0] = np.cross((0, 0, 1), -outward)
            pose[:3, 1] = (0, 0, 1)
            pose[:3, 3] = outward * rng.uniform(1.0, 2.6)
            drawn.append(Drawable(_WALL, pose, 0, tint, wall_texture, casts_shadow=False))
        return drawn


def sample_light(rng: np.random.Generator) -> Light:
    """A key light above, a weak fill, and a random sky."""
    azimuth, warmth = rng.uniform(0, 2 * np.pi), rng.uniform(-0.12, 0.12)
    key = np.array([0.6 * np.cos(azimuth), 0.6 * np.sin(azimuth), rng.uniform(0.6, 1.4)])
    return Light(
        key_direction=key,
        key_colour=rng.uniform(0.5, 1.4) * np.array([1 + warmth, 1.0, 1 - warmth]),
        fill_direction=np.array([-np.cos(azimuth), -np.sin(azimuth), 0.5]),
        fill_colour=np.array([0.12, 0.12, 0.14]),
        ambient=float(rng.uniform(0.4, 0.75)),
        exposure=float(rng.uniform(0.6, 0.9)),
        environment=_environment(rng),
    )


def sample_camera(rng: np.random.Generator, scene: Scene, width: int, height: int) -> Camera:
    """A camera at a mobile robot's or an arm's height, framing the objects."""
    centres = scene.poses[1:, :3, 3] if len(scene.poses) > 1 else scene.poses[:, :3, 3]
    middle = np.array([*centres[:, :2].mean(0), scene.table_top_z + 0.06])
    azimuth = scene.open_azimuth + rng.uniform(-0.7, 0.7)
    elevation, distance = rng.uniform(0.3, 1.05), rng.uniform(0.6, 1.3)
    eye = middle + distance * np.array(
        [
            np.cos(azimuth) * np.cos(elevation),
            np.sin(azimuth) * np.cos(elevation),
            np.sin(elevation),
        ]
    )
    focal = width * rng.uniform(0.8, 1.1)
    k = Intrinsics(focal, focal, (width - 1) / 2, (height - 1) / 2, width, height)
    return Camera.looking_at(k, eye, middle + rng.normal(size=3) * 0.04)


def surface_textures(rng: np.random.Generator, count: int = 40) -> list[np.ndarray]:
    """Procedural plaster, wood, tiles and cloth, ``(256, 256, 4)`` uint8, seamless enough."""
    textures = []
    for k in range(count):
        base = rng.uniform(0.25, 0.95) * (1 + rng.uniform(-0.25, 0.25, 3))
        noise = _fractal_noise(rng, 256)
        if k % 4 == 0:  # plaster
            value = 0.9 + 0.15 * noise
        elif k % 4 == 1:  # wood: stretched grain, rings
            grain = _fractal_noise(rng, 256)[:, ::8].repeat(8, axis=1)
            value = 0.8 + 0.25 * np.sin(14 * (grain + 0.3 * noise)) * 0.5 + 0.1 * noise
            base = base * np.array([1.0, 0.78, 0.55])
        elif k % 4 == 2:  # tiles or checks
            period = int(rng.choice([16, 32, 64]))
            y, x = np.mgrid[0:256, 0:256] // period
            value = np.where((x + y) % 2 == 0, 1.0, rng.uniform(0.45, 0.95)) + 0.08 * noise
        else:  # cloth: fine stripes
            y, x = np.mgrid[0:256, 0:256]
            stripes = np.sin(x * rng.uniform(0.2, 1.2)) * rng.uniform(0.0, 0.25)
            value = 0.85 + stripes + 0.05 * noise
        rgb = np.clip(base[None, None] * value[..., None], 0, 1)
        image = np.full((256, 256, 4), 255, np.uint8)
        image[..., :3] = (rgb * 255).astype(np.uint8)
        textures.append(image)
    return textures


def _fractal_noise(rng: np.random.Generator, size: int) -> np.ndarray:
    """Sum of bilinear value noise over octaves, about -1..1."""
    total = np.zeros((size, size))
    for octave in range(2, 7):
        cells = 2**octave
        grid = rng.uniform(-1, 1, (cells, cells))
        grid = np.pad(grid, ((0, 1), (0, 1)), mode="wrap")
        at = np.arange(size) * cells / size
        low, frac = at.astype(int), at - at.astype(int)
        rows = grid[low] * (1 - frac[:, None]) + grid[low + 1] * frac[:, None]
        full = rows[:, low] * (1 - frac[None]) + rows[:, low + 1] * frac[None]
        total += full / 2 ** (octave - 1)
    return total


def _environment(rng: np.random.Generator) -> np.ndarray:
    """A ``(32, 64, 3)`` sky: a gradient and one to three soft lamps or windows."""
    theta = np.linspace(0, np.pi, 32)[:, None]
    phi = np.linspace(-np.pi, np.pi, 64)[None]
    base = rng.uniform(0.25, 0.6) * (1 + rng.uniform(-0.15, 0.15, 3))
    sky = base * (0.55 + 0.45 * np.cos(theta))[..., None] + 0.08 + np.zeros((32, 64, 3))
    for _ in range(int(rng.integers(1, 4))):
        t, p = rng.uniform(0.2, 1.4), rng.uniform(-np.pi, np.pi)
        lobe = np.exp(
            -(
                ((theta - t) / rng.uniform(0.15, 0.4)) ** 2
                + ((phi - p) / rng.uniform(0.15, 0.6)) ** 2
            )
        )
        sky += rng.uniform(1, 6) * lobe[..., None] * (1 + rng.uniform(-0.2, 0.2, 3))
    return sky.astype(np.float32)


def _quad(half_m: float, repeats: float) -> MeshPart:
    s = half_m
    return MeshPart(
        vertices=np.array([[-s, -s, 0], [s, -s, 0], [s, s, 0], [-s, s, 0]], np.float32),
        normals=np.array([[0, 0, 1]] * 4, np.float32),
        uv=np.array([[0, 0], [repeats, 0], [repeats, repeats], [0, repeats]], np.float32),
        faces=np.array([[0, 1, 2], [0, 2, 3]], np.int32),
        material=Material((0.6, 0.6, 0.6), specular=0.1, shininess=20),
    )


_FLOOR, _WALL = _quad(5, 6), _quad(4, 3)
