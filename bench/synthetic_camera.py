"""A made-up RGB-D camera whose every box is known: eight textured blocks, a camera that sways.

For benchmarks of the path around the model. Each picture carries its own number as black and
white squares in its lowest rows, so that a scripted model can write the exact boxes.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from spacesgg_ros.demo.bag_writer import BagFrame
from spacesgg_ros.graph.boxes import clip_box, encode_box
from spacesgg_ros.graph.types import BoxPx, Intrinsics, TextGraph, TextObject, TextRelation

WIDTH, HEIGHT, RATE_HZ = 640, 480, 15
INTRINSICS = Intrinsics(fx=570.0, fy=570.0, cx=319.5, cy=239.5, width=WIDTH, height=HEIGHT)
_SQUARE, _BITS = 16, 12
_WALL_M = 2.0


@dataclass(frozen=True)
class Block:
    """A slab that faces the camera: centre and size in metres, camera axes at rest."""

    label: str
    x: float
    y: float
    z: float
    width: float
    height: float


BLOCKS = (
    Block("mug", -0.42, 0.10, 1.00, 0.14, 0.16),
    Block("plate", -0.14, 0.13, 0.90, 0.20, 0.10),
    Block("book", 0.16, 0.09, 0.95, 0.17, 0.20),
    Block("bottle", 0.44, 0.05, 1.05, 0.11, 0.30),
    Block("bowl", -0.55, -0.22, 1.45, 0.22, 0.14),
    Block("lamp", -0.12, -0.24, 1.40, 0.18, 0.34),
    Block("box", 0.26, -0.26, 1.50, 0.26, 0.22),
    Block("teapot", 0.62, -0.20, 1.55, 0.20, 0.18),
)


def block_box(block: Block, index: int) -> BoxPx:
    """Where ``block`` is in picture ``index``: pixels, unclipped."""
    sway = 0.05 * math.sin(2 * math.pi * index / (4 * RATE_HZ))
    left, right = (
        INTRINSICS.cx + INTRINSICS.fx * (block.x - sway + side * block.width / 2) / block.z
        for side in (-1, 1)
    )
    top, bottom = (
        INTRINSICS.cy + INTRINSICS.fy * (block.y + side * block.height / 2) / block.z
        for side in (-1, 1)
    )
    return (left, top, right, bottom)


def render_frames(count: int) -> Iterator[BagFrame]:
    """``count`` frames at 15 Hz with sensor noise on the depth."""
    noise = np.random.default_rng(7)
    wall = noise.integers(90, 150, (HEIGHT, WIDTH, 3), dtype=np.uint8)
    textures = [
        noise.integers(30, 220, (HEIGHT, WIDTH, 3), dtype=np.uint8) // 2
        + noise.integers(20, 120, 3, dtype=np.uint8)
        for _ in BLOCKS
    ]
    for index in range(count):
        rgb = wall.copy()
        depth = np.full((HEIGHT, WIDTH), _WALL_M, np.float32)
        for block, texture in sorted(
            zip(BLOCKS, textures, strict=True), key=lambda item: -item[0].z
        ):
            left, top, right, bottom = block_box(block, index)
            x0, y0 = round(left), round(top)
            x, y, _, _ = (round(v) for v in clip_box((left, top, right, bottom), WIDTH, HEIGHT))
            rows, columns = slice(y, round(bottom)), slice(x, round(right))
            height, width = depth[rows, columns].shape
            # The texture moves with the block, or optical flow would have nothing to follow.
            rgb[rows, columns] = texture[y - y0 : y - y0 + height, x - x0 : x - x0 + width]
            depth[rows, columns] = block.z
        depth += noise.normal(0, 0.0012 + 0.0019 * (depth - 0.4) ** 2).astype(np.float32)
        _write_number(rgb, index)
        yield BagFrame(index * 1_000_000_000 // RATE_HZ + 1_000_000_000, rgb, depth)


def _write_number(rgb: np.ndarray, number: int) -> None:
    for bit in range(_BITS):
        columns = slice(bit * _SQUARE, (bit + 1) * _SQUARE)
        rgb[-_SQUARE:, columns] = 255 if number >> bit & 1 else 0


def read_number(rgb: np.ndarray) -> int:
    """The number of a picture, after JPEG compression too."""
    rows = rgb[-_SQUARE // 2 - 2 : -_SQUARE // 2 + 2]
    return sum(
        1 << bit
        for bit in range(_BITS)
        if rows[:, bit * _SQUARE + 6 : bit * _SQUARE + 10].mean() > 127
    )


def describe_frame(index: int) -> TextGraph:
    """What a perfect model writes about picture ``index``."""
    objects = tuple(
        TextObject(
            names=(block.label,),
            box=encode_box(clip_box(block_box(block, index), WIDTH, HEIGHT), WIDTH, HEIGHT),
        )
        for block in BLOCKS
    )
    relations = (TextRelation(0, "to the left of", 1), TextRelation(1, "in front of", 5))
    return TextGraph(objects, relations)
