"""A small recorded world for the tests of the loop: coloured blocks, a camera that pans."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np

from spacesgg_ros.demo.bag_writer import BagFrame, write_bag
from spacesgg_ros.demo.recording import Recording
from spacesgg_ros.graph import TextGraph, TextObject, TextRelation, encode_box, write_graph
from spacesgg_ros.graph.types import Intrinsics
from spacesgg_ros.training.data.from_bag import build_review
from spacesgg_ros.training.data.from_bag_frames import KeyframeConfig
from spacesgg_ros.training.data.review_record import Review

WIDTH, HEIGHT = 160, 120
CAMERA = Intrinsics(150, 150, 79.5, 59.5, WIDTH, HEIGHT)
SECOND = 1_000_000_000
BLOCKS = (("mug", (210, 40, 40), 90, 60), ("bowl", (40, 170, 60), 140, 55))
"""Name, colour, left edge and top on the panorama; 30 x 30 pixels each, one metre away."""


def panorama() -> tuple[np.ndarray, np.ndarray]:
    """Colour ``(120, 400, 3)`` with fine texture everywhere, and depth in metres."""
    rng = np.random.default_rng(0)
    noise = cv2.resize(rng.integers(0, 90, (60, 200), np.uint8), (400, HEIGHT))
    rgb = np.stack([noise + 80] * 3, axis=-1).astype(np.uint8)
    depth = np.full((HEIGHT, 400), 2.0, np.float32)
    for _, colour, left, top in BLOCKS:
        pattern = rng.integers(-25, 25, (10, 10, 1)).repeat(3, 0).repeat(3, 1)
        rgb[top : top + 30, left : left + 30] = np.clip(np.array(colour) + pattern, 0, 255)
        depth[top : top + 30, left : left + 30] = 1.0
    return rgb, depth


def pan(offsets: Sequence[int], blurred: Sequence[int] = ()) -> Iterator[BagFrame]:
    """One frame a tenth of a second, its left edge at ``offsets[k]`` of the panorama."""
    rgb, depth = panorama()
    for k, offset in enumerate(offsets):
        picture = rgb[:, offset : offset + WIDTH]
        if k in blurred:
            picture = cv2.GaussianBlur(picture, (0, 0), 5)
        yield BagFrame(SECOND + k * SECOND // 10, picture, depth[:, offset : offset + WIDTH])


@dataclass
class ColourModel:
    """A "model" that finds the blocks by their colour.

    Attributes:
        slips: calls (from 0) in which it says "cup" for the mug.
        fail_at: the call at which the power goes out; None: never.
    """

    model_id: str = "colours"
    slips: tuple[int, ...] = ()
    fail_at: int | None = None
    calls: int = 0
    text: str = field(default="", init=False)

    def write_graph(self, rgb: np.ndarray) -> ColourModel:
        if self.calls == self.fail_at:
            raise KeyboardInterrupt
        objects = []
        for name, colour, _, _ in BLOCKS:
            near = (np.abs(rgb.astype(int) - colour).max(axis=-1) < 60).astype(np.uint8)
            near = cv2.morphologyEx(near, cv2.MORPH_OPEN, np.ones((5, 5), np.uint8))
            if near.sum() < 200:
                continue
            x, y, w, h = cv2.boundingRect(near)
            label = "cup" if name == "mug" and self.calls in self.slips else name
            box = encode_box((x, y, x + w, y + h), rgb.shape[1], rgb.shape[0])
            objects.append(TextObject((label,), box))
        relations = (TextRelation(0, "to the right of", 1),) if len(objects) == 2 else ()
        self.calls += 1
        self.text = write_graph(TextGraph(tuple(objects), relations))
        return self


PAN = [10 * (k // 2) for k in range(12)]
"""Twelve frames: each view twice, ten pixels (a sixteenth of the picture) between views."""


def label_pan(folder: Path, model: ColourModel | None = None) -> Review:
    """A review of :data:`PAN` in ``folder/review``."""
    bag = folder / "pan.mcap"
    if not bag.exists():
        write_bag(bag, pan(PAN), CAMERA)
    with Recording(bag) as recording:
        config = KeyframeConfig(every_s=0.0)
        return build_review(recording, folder / "review", model or ColourModel(), config, ["mug"])
