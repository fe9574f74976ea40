"""SpaceSGG's published stage 1, written anew from its description: the slow baseline.

Three scripts, module by module: ``d2p`` (depth to point cloud), ``layers_aggregation`` (depth
intervals and layers) and ``multiview_layers`` (order after half a turn). What they compute and how
(per pixel, per object over whole images, at random) is kept; repaired is only what stops a run:
the 2-D mask on an (N, 3) array, and poses for more than one image. Masks are taken as 0/1, which
is the one case where uint8 products do not overflow. Nothing else in this project uses this.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

PublishedObject = list[Any]
"""Label, pixel box, mask ``(H, W)`` of 0 and 1; its depth range is appended by the layers step."""

_FARTHEST = 100.0
_LAYER_SAMPLES = 1000
_ORDER_SAMPLES = 10
_UNKNOWN = [-100000.0, 100000.0]


def project(
    depth: np.ndarray, k: np.ndarray, pose: np.ndarray, scale: float
) -> tuple[np.ndarray, np.ndarray]:
    """``d2p``, its array part: ``(N, 4)`` world points of the valid pixels, and which those are."""
    height, width = depth.shape
    u, v = np.meshgrid(np.arange(width), np.arange(height))
    z = depth.astype(np.uint16) / scale
    x = (u - k[0, 2]) * z / k[0, 0]
    y = (v - k[1, 2]) * z / k[1, 1]
    valid = ((z > 0) & (z < _FARTHEST)).ravel()  # the repair: flat, as the points are
    points = np.stack([x, y, z, np.ones_like(z)], axis=-1).reshape(-1, 4)[valid]
    return (pose @ points.T).T, valid


def write_cloud(
    path: Path, bgr: np.ndarray, depth: np.ndarray, k: np.ndarray, pose: np.ndarray, scale: float
) -> int:
    """``d2p``: every valid pixel as a line of an ASCII PLY.

    Args:
        depth: ``(H, W)`` integers, ``scale`` steps a metre.
        k: ``(3, 3)`` intrinsics.
        pose: ``(4, 4)`` camera to world.

    Returns:
        Vertices written.
    """
    points, valid = project(depth, k, pose, scale)
    colours = bgr.reshape(-1, 3)[valid]
    lines = []
    for (px, py, pz, _), (blue, green, red) in zip(points, colours.astype(float), strict=True):
        lines.append(f"{px:f} {py:f} {pz:f} {blue} {green} {red} 0\n")
    header = [
        "ply",
        "format ascii 1.0",
        f"element vertex {len(lines)}",
        *(f"property float {axis}" for axis in "xyz"),
        *(f"property uchar {name}" for name in ("blue", "green", "red", "alpha")),
        "end_header",
    ]
    with path.open("w") as file:
        file.write("\n".join(header) + "\n" + "".join(lines))
    return len(lines)


def aggregate_layers(objects: Mapping[str, PublishedObject], depth: np.ndarray) -> list[list[str]]:
    """``layers_aggregation``: a random depth range for each object, then the nested layers.

    Args:
        objects: by the text of their box; each gets its range appended.
        depth: ``(H, W, 3)`` uint8, a depth picture as OpenCV reads it.
    """
    for value in objects.values():
        box, mask = value[-2], value[-1]
        x0, y0, x1, y1 = (int(side) for side in box)
        masked = (mask[..., None].astype(np.uint8) * depth)[y0:y1, x0:x1]
        pixels = masked.reshape(-1, masked.shape[-1])

        def draw(pixels: np.ndarray = pixels) -> np.ndarray:
            chosen = np.random.randint(0, len(pixels), _LAYER_SAMPLES)
            return pixels[chosen][:, 0]

        # Filter and value are two draws, as published: zeros of the mask get through.
        seen = draw()[draw() > 0]
        value.append([int(seen.min()), int(seen.max())] if len(seen) else [0, 0])
    keys = list(objects)
    covers = {
        (a, b): objects[a][-1][0] < objects[b][-1][0] and objects[a][-1][1] > objects[b][-1][1]
        for a in keys
        for b in keys
    }
    seeds = [a for a in keys if not any(covers[a, b] for b in keys if b != a)]
    return [
        [seed, *(key for key in keys if key != seed and covers[key, seed])]
        for seed in sorted(seeds, reverse=True)
    ]


def order_from_behind(
    objects: Mapping[str, PublishedObject], xyz: np.ndarray
) -> list[tuple[str, str]]:
    """``multiview_layers``: which object is farther than which after half a turn.

    Args:
        objects: as :func:`aggregate_layers` leaves them.
        xyz: ``(H, W, 3)`` points.

    Returns:
        Pairs, each twice, as published.
    """
    turn = np.diag([-1.0, 1.0, -1.0])
    ranges = {}
    for key, value in objects.items():
        box, mask = value[-3], value[-2]
        x0, y0, x1, y1 = (int(side) for side in box)
        points = ((mask > 0)[..., None] * xyz)[y0:y1, x0:x1].reshape(-1, 3)
        points = points[(points[:, 2] > 0) & (points[:, 2] < _FARTHEST)]
        turned = (turn @ points.T).T
        if len(turned) > _ORDER_SAMPLES:
            chosen = random.sample(range(len(turned)), _ORDER_SAMPLES)
            z = turned[chosen, 2]
            ranges[key] = [z.min(), z.max()]
        else:
            ranges[key] = _UNKNOWN
    pairs = []
    for a in objects:
        for b in objects:
            if a == b:
                continue
            order = _compare(ranges[a], ranges[b])
            if order > 0:
                pairs.append((a, b))
            elif order < 0:
                pairs.append((b, a))
    return pairs


def _compare(first: list[float], second: list[float]) -> int:
    if first[1] < second[0]:
        return -1
    return 1 if first[0] > second[1] else 0
