"""More models for training than the catalogue has: made up, and its own stretched and recoloured.

Most classes have one catalogue model or two, and what learns from one mug knows one mug. These
are for the split ``train`` alone: what is held out is made of catalogue models only.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import replace

import cv2
import numpy as np

from .assets import Material, MeshPart, Model, collision_hulls
from .made_up import MAKERS

MADE_UP, STRETCHED = 64, 6
"""Of a class with a maker; of every class."""
_STRETCH, _TAPER = 0.22, 0.25
_RECOLOURED = 0.6


def vary(models: list[Model]) -> list[Model]:
    """Variants of the classes of ``models``, the same for the same models.

    Made-up ones take role and use of their class from its first catalogue model.
    """
    by_label: dict[str, list[Model]] = {}
    for model in models:
        by_label.setdefault(model.label, []).append(model)
    return [v for label, group in by_label.items() for v in _variants(label, group)]


def _variants(label: str, group: list[Model]) -> Iterator[Model]:
    for k in range(MADE_UP if label in MAKERS else 0):
        rng = _rng(label, k)
        yield _assemble(group[0], f"made-up/{label}-{k:02d}", MAKERS[label](rng))
    for k in range(STRETCHED):
        model = group[k % len(group)]
        yield stretch(model, f"{model.key}~{k // len(group)}", _rng(model.key, k))


def _rng(name: str, number: int) -> np.random.Generator:
    return np.random.default_rng([zlib.crc32(name.encode()), number])


def _assemble(example: Model, key: str, parts: list[MeshPart]) -> Model:
    """A model of ``parts``: one part a material, standing on z = 0, centred on the z axis."""
    merged = _merge(parts)
    everything = np.concatenate([part.vertices for part in merged])
    low, high = everything.min(0), everything.max(0)
    origin = np.array([(low[0] + high[0]) / 2, (low[1] + high[1]) / 2, low[2]], np.float32)
    for part in merged:
        part.vertices = part.vertices - origin
    model = Model(
        key=key,
        label=example.label,
        parts=merged,
        size=(high - low).astype(float),
        holds=example.holds,
        role=example.role,
        rests=example.rests,
        variant=True,
    )
    model.hulls = collision_hulls(model)
    return model


def _merge(parts: list[MeshPart]) -> list[MeshPart]:
    """Parts of the same material as one: fewer draws."""
    groups: dict[int, list[MeshPart]] = {}
    for part in parts:
        groups.setdefault(id(part.material), []).append(part)
    merged = []
    for group in groups.values():
        starts = np.cumsum([0, *(len(p.vertices) for p in group[:-1])])
        merged.append(
            MeshPart(
                np.concatenate([p.vertices for p in group]),
                np.concatenate([p.normals for p in group]),
                np.concatenate([p.uv for p in group]),
                np.concatenate([p.faces + n for p, n in zip(group, starts, strict=True)]),
                group[0].material,
            )
        )
    return merged


def stretch(model: Model, key: str, rng: np.random.Generator) -> Model:
    """A copy of other proportions, narrower or wider towards its top, often of other colours.

    What supports things and what is sat on keeps its level tops: only proportions change.
    """
    scale = np.exp(rng.uniform(-_STRETCH, _STRETCH, 3))
    taper = rng.uniform(-_TAPER, _TAPER) if model.role == "object" and not model.holds else 0.0
    height = float(model.size[2])

    def shaped(points: np.ndarray) -> np.ndarray:
        widths = 1 + taper * (points[:, 2:] / height - 0.5)
        return points * scale * np.hstack([widths, widths, np.ones_like(widths)])

    shift = rng.uniform(0.05, 0.95) if rng.random() < _RECOLOURED else 0.0
    bright = float(rng.uniform(0.6, 1.3)) if shift else 1.0
    parts = []
    for part in model.parts:
        normals = part.normals / scale
        normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-9)
        parts.append(
            MeshPart(
                shaped(part.vertices).astype(np.float32),
                normals.astype(np.float32),
                part.uv,
                part.faces,
                _recoloured(part.material, shift, bright) if shift else part.material,
            )
        )
    hulls = [shaped(hull) for hull in model.hulls]
    copy = replace(model, key=key, parts=parts, hulls=hulls, variant=True)
    everything = copy.vertices()
    copy.size = np.ptp(everything, axis=0).astype(float)
    return copy


def _recoloured(material: Material, shift: float, bright: float) -> Material:
    """The hue turned by ``shift`` of the circle, greys tinted, brightness times ``bright``."""
    diffuse = _turn_hue(np.array(material.diffuse, np.float32).reshape(1, 1, 3), shift, bright)
    red, green, blue = (float(v) for v in diffuse[0, 0])
    changed = replace(material, diffuse=(red, green, blue))
    if material.texture is not None:
        rgb = material.texture[..., :3].astype(np.float32) / 255
        texture = material.texture.copy()
        texture[..., :3] = (_turn_hue(rgb, shift, bright) * 255).astype(np.uint8)
        changed.texture = texture
    return changed


def _turn_hue(rgb: np.ndarray, shift: float, bright: float) -> np.ndarray:
    hsv = cv2.cvtColor(np.clip(rgb, 0, 1).astype(np.float32), cv2.COLOR_RGB2HSV)
    hsv[..., 0] = (hsv[..., 0] + 360 * shift) % 360
    hsv[..., 1] = np.clip(hsv[..., 1] + 0.25 * np.sin(40 * shift), 0, 1)
    hsv[..., 2] = np.clip(hsv[..., 2] * bright, 0, 1)
    turned: np.ndarray = cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB)
    return turned
