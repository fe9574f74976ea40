"""What made-up models are made of: any colour, a third of them with a pattern."""

from __future__ import annotations

import colorsys
from dataclasses import replace

import numpy as np

from ..assets import Material

_PATTERN_PX = 64


def colour(rng: np.random.Generator) -> tuple[float, float, float]:
    """White, grey, black, pastel or strong, sRGB 0..1."""
    kind = rng.random()
    if kind < 0.3:
        return _hsv(rng.random(), rng.uniform(0, 0.12), rng.uniform(0.75, 1.0))
    if kind < 0.45:
        return _hsv(rng.random(), rng.uniform(0, 0.15), rng.uniform(0.04, 0.5))
    return _hsv(rng.random(), rng.uniform(0.25, 0.95), rng.uniform(0.3, 0.95))


def ceramic(rng: np.random.Generator) -> Material:
    """Glazed or lacquered, any colour, some of it decorated."""
    material = Material(colour(rng), specular=float(rng.uniform(0.1, 0.7)), shininess=120)
    return patterned(rng, material) if rng.random() < 0.3 else material


def cloth(rng: np.random.Generator) -> Material:
    """Dull, any colour, some of it woven in two."""
    material = Material(colour(rng), specular=0.02, shininess=5)
    return patterned(rng, material) if rng.random() < 0.3 else material


def wood(rng: np.random.Generator) -> Material:
    """Pale to dark wood, most of it grained; one in five painted."""
    if rng.random() < 0.2:
        return Material(colour(rng), specular=0.15, shininess=40)
    tone = _hsv(rng.uniform(0.05, 0.11), rng.uniform(0.3, 0.75), rng.uniform(0.2, 0.85))
    material = Material(tone, specular=0.12, shininess=40)
    return _painted(material, _grain(rng)) if rng.random() < 0.6 else material


def clay(rng: np.random.Generator) -> Material:
    """Unglazed earthenware, red to sand, mottled."""
    tone = _hsv(rng.uniform(0.03, 0.11), rng.uniform(0.25, 0.75), rng.uniform(0.3, 0.85))
    return _painted(Material(tone, specular=0.03, shininess=8), 1 + 0.25 * _noise(rng))


def patterned(rng: np.random.Generator, material: Material) -> Material:
    """The material mottled, shaded from end to end, or with stripes, checks or dots."""
    kind = rng.integers(5)
    y, x = np.mgrid[0:_PATTERN_PX, 0:_PATTERN_PX]
    if kind == 0:
        return _painted(material, 1 + rng.uniform(0.1, 0.45) * _noise(rng))
    if kind == 1:
        return _painted(material, np.linspace(rng.uniform(0.3, 1.5), 1.0, _PATTERN_PX)[:, None])
    step = int(rng.choice([4, 8, 16]))
    if kind == 2:
        mask = ((x if rng.random() < 0.5 else y) // step) % int(rng.integers(2, 4)) == 0
    elif kind == 3:
        mask = (x // step + y // step) % 2 == 0
    else:
        mask = (x % (2 * step) - step) ** 2 + (y % (2 * step) - step) ** 2 < (0.6 * step) ** 2
    return _painted(material, np.ones((1, 1)), mask, colour(rng))


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


# --- how patterns are painted ---------------------------------------------------------------------


def _painted(
    material: Material,
    shade: np.ndarray,
    mask: np.ndarray | None = None,
    other: tuple[float, float, float] = (0, 0, 0),
) -> Material:
    """Its colour times ``shade``, ``(h, w)`` or broadcast to it, and ``other`` where masked."""
    rgb = np.broadcast_to(shade, (_PATTERN_PX, _PATTERN_PX))[..., None] * np.array(material.diffuse)
    if mask is not None:
        rgb = np.where(mask[..., None], np.array(other), rgb)
    image = np.full((_PATTERN_PX, _PATTERN_PX, 4), 255, np.uint8)
    image[..., :3] = (np.clip(rgb, 0, 1) * 255).astype(np.uint8)
    return replace(material, diffuse=(1.0, 1.0, 1.0), texture=image)


def _noise(rng: np.random.Generator) -> np.ndarray:
    """Smooth noise of two scales, about -1..1."""
    total = np.zeros((_PATTERN_PX, _PATTERN_PX))
    for cells in (4, 16):
        total += np.kron(rng.uniform(-0.5, 0.5, (cells, cells)), np.ones((64 // cells,) * 2))
    for axis in (0, 1):
        total = sum(np.roll(total, k, axis) for k in range(-3, 4)) / 7
    return 2 * total


def _grain(rng: np.random.Generator) -> np.ndarray:
    """Streaks along one side."""
    streaks = np.repeat(rng.uniform(-1, 1, (1, _PATTERN_PX)), _PATTERN_PX, 0)
    bent = np.sin(np.linspace(0, 3, _PATTERN_PX))[:, None] * rng.uniform(0, 6)
    columns = (np.arange(_PATTERN_PX)[None] + bent).astype(int) % _PATTERN_PX
    grain = 1 + rng.uniform(0.08, 0.25) * np.take_along_axis(streaks, columns, 1)
    return grain if rng.random() < 0.5 else grain.T


def _hsv(hue: float, saturation: float, value: float) -> tuple[float, float, float]:
    return colorsys.hsv_to_rgb(float(hue), float(saturation), float(value))
