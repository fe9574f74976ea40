"""Rendered tabletops with a thing that the embedded model has no word for, and a bag of them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from spacesgg_ros.bench.result import BenchError
from spacesgg_ros.demo.bag_writer import BagFrame, write_bag
from spacesgg_ros.extras import require
from spacesgg_ros.graph import Intrinsics
from spacesgg_ros.training.scenes.assets import Model, load_models
from spacesgg_ros.training.scenes.dataset import Frame, add_depth_noise, expose, frame_record
from spacesgg_ros.training.scenes.layout import SceneSampler, sample_table_camera
from spacesgg_ros.training.scenes.renderer import Renderer
from spacesgg_ros.training.scenes.scene import Scene, sample_light
from spacesgg_ros.training.scenes.truth import derive_truth

WIDTH, HEIGHT = 320, 240
CAMERA = Intrinsics(290.0, 290.0, (WIDTH - 1) / 2, (HEIGHT - 1) / 2, WIDTH, HEIGHT)
_SECOND = 1_000_000_000
_SCENE_S = 4
_PERIOD_NS = _SECOND // 5

NEWCOMERS: tuple[tuple[str, str, float], ...] = (
    ("basketball", "BlendSwap-CC-0/basketball", 0.75),
    ("xylophone", "BlendSwap-CC-BY/xylophone", 0.6),
    ("chessboard", "BlendSwap-CC-BY/chessboard", 0.8),
    ("sandwich maker", "Scopia/sandwichMaker", 0.9),
)
"""Label, catalogue model and scale; the first whose label the model does not know is taken."""


def choose_newcomer(known: set[str], folder: Path) -> Model:
    """A model whose name is not among ``known``; its mesh is decoded to ``folder``.

    Raises:
        BenchError: all of them are known.
    """
    for label, key, scale in NEWCOMERS:
        if label not in known:
            labels = folder / "newcomer.yaml"
            entry = {"models": [key], "scale": scale, "rests": label == "basketball"}
            labels.write_text(json.dumps({label: entry}))
            return load_models(folder, labels)[0]
    raise BenchError(f"the model knows {', '.join(n[0] for n in NEWCOMERS)}: name another thing")


class NewcomerSampler(SceneSampler):
    """Tabletops whose first object is the newcomer."""

    def __init__(self, models: list[Model], newcomer: Model) -> None:
        super().__init__(models)
        self._newcomer = newcomer

    def _choose(self, rng: np.random.Generator) -> list[tuple[Model, float]]:
        others = super()._choose(rng)[:6]
        at = int(rng.integers(len(others)))
        others[at] = (self._newcomer, float(rng.uniform(0.88, 1.14)))
        # What cannot be placed is left out, so the newcomer is placed first.
        return [others[at], *others[:at], *others[at + 1 :]]


@dataclass(frozen=True)
class Shot:
    """A rendered view.

    Attributes:
        rgb: ``(H, W, 3)`` uint8. depth_m: ``(H, W)`` metres with sensor noise, 0: no reading.
        record: its truth, as :func:`spacesgg_ros.training.scenes.dataset.frame_record` has it.
    """

    rgb: np.ndarray
    depth_m: np.ndarray
    record: dict[str, Any]


class Studio:
    """Renders tabletops: with the newcomer, or without for what must not be forgotten."""

    def __init__(self, cache: Path, newcomer: Model) -> None:
        require("moderngl", "scenes")
        known = [m for m in load_models(cache) if not m.unseen]
        self._samplers = {True: NewcomerSampler(known, newcomer), False: SceneSampler(known)}
        self._renderer = Renderer(WIDTH, HEIGHT)

    def shoot(
        self, name: str, seed: int, scenes: int, views: int, newcomer: bool
    ) -> Iterator[list[Shot]]:
        """Views of each of ``scenes`` scenes; the same seed gives the same pictures."""
        for number in range(scenes):
            rng = np.random.default_rng([seed, number])
            scene = self._samplers[newcomer].sample(rng)
            light = sample_light(rng)
            yield [
                self._shoot_one(f"{name}-{number:04d}-{view}", scene, light, rng)
                for view in range(views)
            ]

    def _shoot_one(self, key: str, scene: Scene, light: Any, rng: np.random.Generator) -> Shot:
        framed = sample_table_camera(rng, scene, WIDTH, HEIGHT)
        camera = type(framed)(CAMERA, framed.pose)
        rgb, depth, ids, holes = self._renderer.render(
            scene.drawables, camera, light, scene.centre, scene.radius_m
        )

        def whole(instance: int) -> tuple[int, int]:
            mine = [d for d in scene.drawables if d.instance == instance]
            return self._renderer.amodal_pixels(mine, camera)

        truth = derive_truth(scene, camera, depth, ids, whole)
        frame = Frame(key, rgb, depth, holes, ids, scene, camera, truth, 92)
        return Shot(expose(rgb, rng), add_depth_noise(depth, rng, holes), frame_record(frame))


def record_bag(path: Path, scenes: Iterator[list[Shot]]) -> dict[int, dict[str, Any]]:
    """One scene after the other, as if a robot went from table to table; truth by stamp.

    Every view is seen twice, a fifth of a second apart (the robot stands), and once blurred
    before it (the robot turns).
    """
    import cv2

    truth: dict[int, dict[str, Any]] = {}

    def frames() -> Iterator[BagFrame]:
        for number, shots in enumerate(scenes):
            start = _SECOND * (1 + _SCENE_S * number)
            for view, shot in enumerate(shots):
                stamp = start + view * _SECOND
                blurred = cv2.GaussianBlur(shot.rgb, (0, 0), 4)
                yield BagFrame(stamp, blurred, shot.depth_m)
                for repeat in (1, 2):
                    again = stamp + repeat * _PERIOD_NS
                    truth[again] = shot.record
                    yield BagFrame(again, shot.rgb, shot.depth_m)

    write_bag(path, frames(), CAMERA)
    return truth
