"""The slow baseline does what the published scripts did, defects included."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from spacesgg_ros.bench import published_stage1 as published

K = np.array([[2.0, 0, 1], [0, 4, 0], [0, 0, 1]])


def painted(values: dict[str, int]) -> tuple[dict[str, list], np.ndarray]:
    """A square of 20 pixels for each key, side by side."""
    depth = np.zeros((20, 20 * len(values), 3), np.uint8)
    objects = {}
    for i, (key, value) in enumerate(values.items()):
        depth[:, 20 * i : 20 * i + 20] = value
        mask = np.zeros(depth.shape[:2], np.uint8)
        mask[:, 20 * i : 20 * i + 20] = 1
        objects[key] = ["thing", [20 * i, 0, 20 * i + 20, 20], mask]
    return objects, depth


def test_layers_come_in_the_reverse_order_of_the_keys():
    objects, depth = painted({"A": 200, "B": 50, "C": 120})

    assert published.aggregate_layers(objects, depth) == [["C"], ["B"], ["A"]]


def test_background_leaks_into_a_range():
    objects, depth = painted({"A": 120})
    objects["A"][-1][:, ::2] = 0

    published.aggregate_layers(objects, depth)

    assert objects["A"][-1] == [0, 120]


def test_from_behind_the_near_is_far_and_each_pair_comes_twice():
    objects, depth = painted({"near": 1, "far": 3})
    published.aggregate_layers(objects, depth)
    z = depth[..., 0].astype(float)

    orders = published.order_from_behind(objects, np.stack([z, z, z], axis=2))

    assert orders == [("near", "far")] * 2


def test_the_ascii_cloud_has_float_colours_blue_first(tmp_path: Path):
    depth = np.array([[2000, 0, 2000]], np.uint16)
    bgr = np.full((1, 3, 3), (10, 20, 30), np.uint8)

    count = published.write_cloud(tmp_path / "a.ply", bgr, depth, K, np.eye(4), 1000.0)

    lines = (tmp_path / "a.ply").read_text().splitlines()
    assert count == 2
    assert lines[lines.index("end_header") + 1] == ("-1.000000 0.000000 2.000000 10.0 20.0 30.0 0")
