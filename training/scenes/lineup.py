"""A line-up: what the models of some classes look like, the catalogue's and their variants."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from spacesgg_ros.graph.types import Intrinsics

from .assets import Model
from .renderer import Camera, Drawable, Renderer
from .scene import sample_light

_TILE_PX, _CATALOGUE, _VARIANTS = 112, 2, 10
_FOCAL = 1.16
"""Image widths."""
_JPEG_QUALITY = 85


def write_lineup(models: list[Model], labels: Sequence[str], out: Path) -> None:
    """A JPEG with one row a class: up to 2 catalogue models, then 10 variants in even steps.

    Raises:
        ValueError: no model has one of the labels.
    """
    by_label = {label: [m for m in models if m.label == label] for label in labels}
    if unknown := [label for label, group in by_label.items() if not group]:
        raise ValueError(f"no models of {', '.join(unknown)}: see `spacesgg scenes labels`")
    renderer = Renderer(_TILE_PX, _TILE_PX, supersample=2)
    rows = []
    for group in by_label.values():
        catalogue = [m for m in group if not m.variant][:_CATALOGUE]
        variants = [m for m in group if m.variant]
        steps = np.linspace(0, len(variants) - 1, min(_VARIANTS, len(variants))).astype(int)
        tiles = [_portrait(renderer, m) for m in [*catalogue, *(variants[k] for k in steps)]]
        tiles += [np.zeros_like(tiles[0])] * (_CATALOGUE + _VARIANTS - len(tiles))
        rows.append(np.hstack(tiles))
    image = cv2.cvtColor(np.vstack(rows), cv2.COLOR_RGB2BGR)
    cv2.imwrite(str(out), image, [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])


def _portrait(renderer: Renderer, model: Model) -> np.ndarray:
    """``(112, 112, 3)`` uint8 RGB: the model from its front, a little to one side and above."""
    middle, size = np.array([0, 0, model.size[2] / 2]), float(np.linalg.norm(model.size))
    k = Intrinsics(*(_FOCAL * _TILE_PX,) * 2, *((_TILE_PX - 1) / 2,) * 2, _TILE_PX, _TILE_PX)
    camera = Camera.looking_at(k, middle + 1.3 * size * np.array([0.4, -0.75, 0.5]), middle)
    drawables = [Drawable(part, np.eye(4), 1) for part in model.parts]
    light = sample_light(np.random.default_rng(3))
    return renderer.render(drawables, camera, light, middle, size)[0]
