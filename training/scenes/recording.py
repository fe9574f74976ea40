"""Record a rendered scene as a robot's camera would: a moving camera, noisy depth, an MCAP."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from spacesgg_ros.demo.bag_writer import BagFrame, write_bag
from spacesgg_ros.graph.types import Intrinsics

from .assets import load_models
from .dataset import SceneSetConfig
from .layout import SceneSampler
from .renderer import Camera, Renderer
from .scene import Scene, sample_light

WIDTH, HEIGHT, FOCAL_PX = 640, 480, 600.0
INTRINSICS = Intrinsics(FOCAL_PX, FOCAL_PX, (WIDTH - 1) / 2, (HEIGHT - 1) / 2, WIDTH, HEIGHT)


def record_scene(
    out: Path, cache_dir: Path, scene_index: int, seconds: float = 6.7, rate_hz: float = 15.0
) -> int:
    """Write a recording of held-out scene ``scene_index`` (split ``demo``); frames written.

    The camera follows a closed curve, so that the recording loops without a jump.
    """
    return write_bag(
        out,
        orbit(cache_dir, scene_index, round(seconds * rate_hz), rate_hz),
        INTRINSICS,
        jpeg_quality=85,
    )


def orbit(cache_dir: Path, scene_index: int, frames: int, rate_hz: float) -> Iterator[BagFrame]:
    """Frames of a camera that sways around the objects of a scene."""
    rng = SceneSetConfig("demo", 1).scene_rng(scene_index)
    scene = SceneSampler(load_models(cache_dir)).sample(rng)
    light, phase = sample_light(rng), float(rng.uniform(0, 2 * np.pi))
    renderer = Renderer(WIDTH, HEIGHT, supersample=2)
    for k in range(frames):
        camera = sway(scene, 2 * np.pi * k / frames + phase)
        rgb, depth, _, _ = renderer.render(
            scene.drawables, camera, light, scene.centre, scene.radius_m
        )
        stamp_ns = round(k / rate_hz * 1e9)
        yield BagFrame(stamp_ns, rgb, smooth_depth_noise(depth, rng))


def sway(scene: Scene, angle: float) -> Camera:
    """The camera of a closed sway: 40 degrees of azimuth, a little height and distance."""
    azimuth = scene.open_azimuth + 0.35 * np.sin(angle)
    elevation = 0.62 + 0.12 * np.cos(angle)
    distance = 1.02 + 0.1 * np.sin(2 * angle)
    middle = scene.centre + np.array([0, 0, 0.05])
    direction = [
        np.cos(azimuth) * np.cos(elevation),
        np.sin(azimuth) * np.cos(elevation),
        np.sin(elevation),
    ]
    return Camera.looking_at(INTRINSICS, middle + distance * np.array(direction), middle)


def smooth_depth_noise(depth_m: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Stereo-like noise: correlated over some 8 px, growing with distance, edges lost.

    The same spread as :func:`.dataset.add_depth_noise`; correlated, as stereo matching windows
    make it, which also lets the recording stay small.
    """
    import cv2

    coarse = rng.normal(size=(depth_m.shape[0] // 8 + 1, depth_m.shape[1] // 8 + 1))
    noise = cv2.resize(coarse, depth_m.shape[::-1], interpolation=cv2.INTER_LINEAR)
    z = depth_m + noise * (0.0012 + 0.0019 * (depth_m - 0.4) ** 2)
    edges = np.zeros(depth_m.shape, np.uint8)
    edges[:, 1:] |= np.abs(np.diff(depth_m, axis=1)) > 0.02
    edges[1:] |= np.abs(np.diff(depth_m, axis=0)) > 0.02
    lost = cv2.dilate(edges, np.ones((3, 3), np.uint8)) > 0
    lost |= (depth_m < 0.2) | (depth_m > 6.0)
    return np.where(lost, 0, z).astype(np.float32)
