"""A small recorded camera: coloured blocks that move in front of a wall."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from spacesgg_ros.demo.bag_writer import BagFrame, write_bag
from spacesgg_ros.graph.types import Intrinsics

PERIOD_NS = 66_666_667
INTRINSICS = Intrinsics(fx=150, fy=150, cx=79.5, cy=59.5, width=160, height=120)


def moving_blocks(count: int) -> Iterator[BagFrame]:
    for index in range(count):
        rgb = np.full((120, 160, 3), 128, np.uint8)
        depth = np.full((120, 160), 2.0, np.float32)
        rgb[40:80, 20 + index : 60 + index] = (200, 30, 30)
        depth[40:80, 20 + index : 60 + index] = 1.0
        rgb[50:90, 100:130] = (30, 30, 200)
        depth[50:90, 100:130] = 1.25
        depth[:5] = np.nan
        yield BagFrame(1_000_000_000 + index * PERIOD_NS, rgb, depth)


@pytest.fixture(scope="session")
def blocks_bag(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("rosbags")
    path = tmp_path_factory.mktemp("bags") / "blocks.mcap"
    write_bag(path, moving_blocks(6), INTRINSICS)
    return path
