"""Held-out frames as an evaluation reads them."""

from __future__ import annotations

import itertools
import zlib
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from spacesgg_ros.extras import require
from spacesgg_ros.graph.types import Intrinsics, RGBDFrame
from spacesgg_ros.training.scenes.dataset import (
    SceneSetConfig,
    add_depth_noise,
    frame_record,
    read_shards,
    render_frames,
)


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
        return RGBDFrame(stamp_ns, "camera_optical_frame", self.rgb, self.depth_m, self.intrinsics)

    @property
    def intrinsics(self) -> Intrinsics:
        return Intrinsics(*self.record["intrinsics"], self.record["width"], self.record["height"])


def read_frames(
    shards: Sequence[Path], limit: int | None = None, keys: Collection[str] | None = None
) -> Iterator[TestFrame]:
    """Frames of some shards, in order: the first ``limit``, of them those named by ``keys``."""
    for record, files in itertools.islice(read_shards(list(shards)), limit):
        if keys is not None and record["key"] not in keys:
            continue
        rgb = cv2.cvtColor(_decode(files["jpg"], cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)
        depth_m = _decode(files["depth.png"], cv2.IMREAD_UNCHANGED) / np.float32(1000)
        holes = files.get("holes.png")  # shards rendered before holes were have none
        yield make_frame(
            record,
            rgb,
            depth_m,
            None if holes is None else _decode(holes, cv2.IMREAD_GRAYSCALE) > 0,
        )


def render_test_frames(config: SceneSetConfig, scenes: range, cache: Path) -> Iterator[TestFrame]:
    """Frames of some scenes, rendered now in this process.

    Raises:
        MissingExtraError: the extra ``scenes`` is not installed.
        AssetError: the furniture catalogue is not installed.
    """
    require("moderngl", "scenes")
    for frame in render_frames(config, scenes, cache):
        yield make_frame(frame_record(frame), frame.rgb, frame.depth_m, frame.holes)


def make_frame(
    record: dict, rgb: np.ndarray, depth_m: np.ndarray, holes: np.ndarray | None = None
) -> TestFrame:
    """Add the noise of a depth camera; arguments as in :class:`TestFrame`, but exact."""
    rng = np.random.default_rng(zlib.crc32(str(record["key"]).encode()))
    noisy = add_depth_noise(depth_m, rng, holes)
    noisy[noisy == 0] = np.nan
    return TestFrame(rgb, noisy, record)


def _decode(payload: bytes, flags: int) -> np.ndarray:
    image = cv2.imdecode(np.frombuffer(payload, np.uint8), flags)
    if image is None:
        raise ValueError("a shard holds a picture that cannot be decoded; render it again")
    return image
