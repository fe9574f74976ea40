"""Frames that no training saw, with exact ground truth, shipped so that benchmarks run anywhere.

``python -m spacesgg_ros.bench.held_out CACHE`` renders them again (needs the extra ``scenes`` and
the furniture catalogue that ``training/scenes`` uses).
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from spacesgg_ros.bench.result import BenchError
from spacesgg_ros.extras import require
from spacesgg_ros.graph.types import Intrinsics

SHARD = Path(__file__).parent / "held_out" / "test-seen-640x480.tar"
_SCENES = range(900, 908)  # of split "test-seen", which training never reads
_MORE_SCENES = range(950, 990)  # likewise; nothing was ever tuned on them


@dataclass(frozen=True)
class HeldOutFrame:
    """A rendered frame.

    Attributes:
        rgb: ``(H, W, 3)`` uint8.
        depth_m: ``(H, W)`` float32 metres with the noise of a consumer RGB-D camera, NaN: none.
        record: ground truth as ``training.scenes.dataset.frame_record`` writes it.
    """

    key: str
    rgb: np.ndarray
    depth_m: np.ndarray
    intrinsics: Intrinsics
    record: dict[str, Any]


def read_held_out(limit: int | None = None) -> Iterator[HeldOutFrame]:
    """The frames in order; the noise of each is always the same.

    Raises:
        BenchError: the shard is missing.
    """
    if not SHARD.is_file():
        raise BenchError(
            f"no held-out frames at {SHARD}; render them with "
            "python -m spacesgg_ros.bench.held_out CACHE (extra 'scenes')"
        )
    frames = require("spacesgg_ros.training.evaluate.frames", "scenes")
    for frame in frames.read_frames([SHARD], limit):
        yield HeldOutFrame(frame.key, frame.rgb, frame.depth_m, frame.intrinsics, frame.record)


def render_more(cache: Path) -> Iterator[HeldOutFrame]:
    """Frames of 40 further held-out scenes, rendered now.

    Eight scenes are too few for a median: over random eights of 80 scenes it varied twofold.

    Raises:
        MissingExtraError: the extra ``scenes`` is not installed.
        AssetError: the furniture catalogue is not installed.
    """
    dataset = require("spacesgg_ros.training.scenes.dataset", "scenes")
    frames = require("spacesgg_ros.training.evaluate.frames", "scenes")
    config = dataset.SceneSetConfig("test-seen", len(_MORE_SCENES) * 3, width=640, height=480)
    for frame in frames.render_test_frames(config, _MORE_SCENES, cache):
        yield HeldOutFrame(frame.key, frame.rgb, frame.depth_m, frame.intrinsics, frame.record)


def render_held_out(cache: Path) -> None:
    """Render the shard anew. ``cache``: the folder of packed models."""
    import io
    import tarfile

    dataset = require("spacesgg_ros.training.scenes.dataset", "scenes")
    config = dataset.SceneSetConfig("test-seen", len(_SCENES) * 3, width=640, height=480)
    SHARD.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(SHARD, "w") as tar:
        for frame in dataset.render_frames(config, _SCENES, cache):
            for suffix, payload in dataset.frame_members(frame):
                info = tarfile.TarInfo(f"{frame.key}.{suffix}")
                info.size = len(payload)
                tar.addfile(info, io.BytesIO(payload))
            print(frame.key, len(frame.truth.objects), "objects", flush=True)


if __name__ == "__main__":
    render_held_out(Path(sys.argv[1]))
