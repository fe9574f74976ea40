"""Held-out frames as an evaluation reads them."""

from __future__ import annotations

import itertools
import zlib
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from spacesgg_ros.graph.types import Intrinsics, RGBDFrame
from spacesgg_ros.training.scenes.dataset import add_depth_noise, read_shards


@dataclass(frozen=True)
class TestFrame:
    """A rendered frame with its truth.

    Attributes:
        rgb: ``(H, W, 3)`` uint8.
        depth_m: ``(H, W)`` float32 metres with the noise of a consumer camera, NaN: none; the
            noise of a frame is always the same.
        record: as :mod:`spacesgg_ros.training.scenes.dataset` writes it.
    """

    __test__ = False  # pytest: no test case

    rgb: np.ndarray
    depth_m: np.ndarray
    record: dict

    @property
    def key(self) -> str:
        return str(self.record["key"])

    def at(self, stamp_ns: int) -> RGBDFrame:
        """The frame as the node gets it."""
        width, height = self.record["width"], self.record["height"]
        intrinsics = Intrinsics(*self.record["intrinsics"], width, height)
        return RGBDFrame(stamp_ns, "camera_optical_frame", self.rgb, self.depth_m, intrinsics)


def read_frames(
    shards: Sequence[Path], limit: int | None = None, keys: Collection[str] | None = None
) -> Iterator[TestFrame]:
    """Frames of some shards, in order: the first ``limit``, of them those named by ``keys``."""
    for record, files in itertools.islice(read_shards(list(shards)), limit):
        if keys is not None and record["key"] not in keys:
            continue
        bgr = cv2.imdecode(np.frombuffer(files["jpg"], np.uint8), cv2.IMREAD_COLOR)
        millimetres = cv2.imdecode(
            np.frombuffer(files["depth.png"], np.uint8), cv2.IMREAD_UNCHANGED
        )
        rng = np.random.default_rng(zlib.crc32(str(record["key"]).encode()))
        depth_m = add_depth_noise(millimetres / np.float32(1000), rng)
        depth_m[depth_m == 0] = np.nan
        yield TestFrame(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB), depth_m, record)
