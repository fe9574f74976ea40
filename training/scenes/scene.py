"""What every kind of scene shares: the scene itself, its paint, its light.

Everything random comes from one ``numpy.random.Generator``, so a seed is a scene.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np

from .assets import Material, MeshPart, Model
from .renderer import Drawable, Light

_TEXTURES = 40


@dataclass(frozen=True)
class Scene:
    """Things at rest in world coordinates (z up, metres).

    Attributes:
        kind: ``tabletop`` (the table is ``models[0]``) or ``room``.
        models: everything that has a label.
        poses: ``(n, 4, 4)`` model to world, scale included.
        contacts: ``(upper, lower)`` indices into ``models``.
        drawables: everything to draw; instance id = index in ``models`` + 1.
        centre: ``(3,)`` point that cameras look at, and the shadow map's centre.
        radius_m: of what casts shadows around the centre.
        open_azimuth: direction (rad) free of walls, for cameras.
        open_below: index -> height of the top (m) of furniture that things can stand under.
    """

    kind: str
    models: list[Model]
    poses: np.ndarray
    contacts: frozenset[tuple[int, int]]
    drawables: list[Drawable]
    centre: np.ndarray
    radius_m: float
    open_azimuth: float
    open_below: dict[int, float]


def model_pose(
    position: tuple[float, float, float] | np.ndarray, yaw: float, scale: float = 1.0
) -> np.ndarray:
    """4x4 model to world of an upright model turned by ``yaw`` (rad) about its own z axis."""
    c, s = np.cos(yaw) * scale, np.sin(yaw) * scale
    pose = np.array([[c, -s, 0, 0], [s, c, 0, 0], [0, 0, scale, 0], [0, 0, 0, 1.0]])
    pose[:3, 3] = position
    return pose


def pick_model(rng: np.random.Generator, group: list[Model]) -> Model:
    """One of a class's models; where there are variants, one of those every second time."""
    catalogue = [m for m in group if not m.variant]
    if len(catalogue) < len(group) and (not catalogue or rng.random() < 0.5):
        catalogue = [m for m in group if m.variant]
    return catalogue[rng.integers(len(catalogue))]


def paint(
    rng: np.random.Generator,
    model: Model,
    pose: np.ndarray,
    instance: int,
    textures: list[np.ndarray],
    texture_chance: float = 0.0,
) -> list[Drawable]:
    """A model's parts, a third of them recoloured, some given another surface."""
    recolour = rng.random() < 0.35
    tint = tuple(float(v) for v in rng.uniform(0.55, 1.25, 3))
    brightness = float(rng.uniform(0.85, 1.15))
    texture = None
    if texture_chance and rng.random() < texture_chance:
        texture = textures[rng.integers(len(textures))]
    drawn = []
    for part in model.parts:
        plain = part.material.texture is None
        colour = tint if recolour and plain else (brightness,) * 3
        drawn.append(Drawable(part, pose, instance, (colour[0], colour[1], colour[2]), texture))
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


@functools.cache
def surface_textures() -> list[np.ndarray]:
    """Procedural plaster, wood, tiles and cloth, ``(256, 256, 4)`` uint8, seamless enough."""
    rng = np.random.default_rng(0)
    textures = []
    for k in range(_TEXTURES):
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


FLOOR, WALL = _quad(5, 6), _quad(4, 3)
PANEL = _quad(0.5, 1)
