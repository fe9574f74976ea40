"""A small world painted by hand: rectangles at known depths, their record on disk."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from spacesgg_ros.graph.types import Intrinsics
from spacesgg_ros.training.data.grounded import DepthFile, GroundedImage, GroundedObject
from spacesgg_ros.training.data.sources.masks import encode_mask

WIDTH, HEIGHT = 160, 120
CAMERA = Intrinsics(100.0, 100.0, 79.5, 59.5, WIDTH, HEIGHT)

Painted = tuple[str, tuple[int, int, int, int], float]
"""Label, box in pixels, depth in metres."""


class World:
    """Writes depth and picture under ``root`` and gives the grounded image of them."""

    def __init__(self, root: Path) -> None:
        self.root = root
        cv2.imwrite(str(root / "picture.png"), np.full((HEIGHT, WIDTH, 3), (10, 20, 30), np.uint8))

    def depth_of(self, things: list[Painted], background: float = 4.0) -> np.ndarray:
        depth = np.full((HEIGHT, WIDTH), background, np.float32)
        for _, (x0, y0, x1, y1), z in things:
            depth[y0:y1, x0:x1] = z
        return depth

    def objects_of(self, things: list[Painted], masks: bool = True) -> tuple[GroundedObject, ...]:
        objects = []
        for label, (x0, y0, x1, y1), _ in things:
            mask = np.zeros((HEIGHT, WIDTH), bool)
            mask[y0:y1, x0:x1] = True
            box = (float(x0), float(y0), float(x1), float(y1))
            objects.append(GroundedObject(label, box, encode_mask(mask) if masks else None))
        return tuple(objects)

    def image(self, things: list[Painted], masks: bool = True, **changes: object) -> GroundedImage:
        np.save(self.root / "depth.npy", self.depth_of(things))
        values: dict = {
            "id": "one",
            "image": "picture.png",
            "width": WIDTH,
            "height": HEIGHT,
            "objects": self.objects_of(things, masks),
            "camera": CAMERA,
            "depth": DepthFile("depth.npy", "metric", 1.0),
        }
        return GroundedImage(**values | changes)


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


@pytest.fixture
def store(tmp_path: Path) -> Callable[[str, np.ndarray], str]:
    """Writes an array as the kind of file its name says; returns the name."""

    def write(name: str, values: np.ndarray) -> str:
        path = tmp_path / name
        if path.suffix == ".npy":
            np.save(path, values)
        elif path.suffix == ".npz":
            np.savez(path, depth=values, confidence=np.ones_like(values))
        else:
            assert cv2.imwrite(str(path), values)
        return name

    return write
