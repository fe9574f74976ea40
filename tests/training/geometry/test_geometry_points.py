"""Depth becomes points, and points files that an independent reader understands."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spacesgg_ros.graph.types import Intrinsics
from spacesgg_ros.training.data.geometry.errors import GeometryError
from spacesgg_ros.training.data.geometry.points import (
    Cloud,
    back_project,
    make_cloud,
    pose_matrix,
    write_npz,
    write_ply,
)

NAN = np.nan
CAMERA = Intrinsics(2.0, 4.0, 1.0, 0.0, 3, 2)
DEPTH = np.array([[2.0, NAN, 2.0], [4.0, 4.0, NAN]], np.float32)
# By hand: x = (u - 1) / 2 z, y = v / 4 z.
POINTS = [[-1, 0, 2], [NAN] * 3, [1, 0, 2], [-2, 1, 4], [0, 1, 4], [NAN] * 3]


def cloud() -> Cloud:
    rgb = np.arange(18, dtype=np.uint8).reshape(2, 3, 3)
    return Cloud(back_project(DEPTH, CAMERA), rgb)


def read_ply_by_hand(path: Path) -> tuple[list[str], list[tuple]]:
    """Header lines and (x, y, z, red, green, blue) rows, with nothing but ``struct``."""
    header, body = path.read_bytes().split(b"end_header\n", 1)
    lines = header.decode("ascii").splitlines()
    count = next(int(line.split()[2]) for line in lines if line.startswith("element vertex"))
    assert len(body) == 15 * count
    return lines, list(struct.iter_unpack("<fffBBB", body))


def test_pixels_become_points():
    np.testing.assert_array_equal(
        back_project(DEPTH, CAMERA), np.reshape(POINTS, (2, 3, 3)).astype(np.float32)
    )


def test_points_go_to_the_world_by_the_pose():
    # Optical axes to a world with z up: x stays, z becomes y, y becomes -z; raised by 10.
    pose = np.array([[1, 0, 0, 0], [0, 0, 1, 0], [0, -1, 0, 10], [0, 0, 0, 1.0]])

    points = back_project(DEPTH, CAMERA, pose)

    assert points[1, 0].tolist() == [-2.0, 4.0, 9.0]
    assert np.isnan(points[0, 1]).all()


def test_intrinsics_follow_the_depth_resolution():
    halved = back_project(np.full((1, 2), 2.0, np.float32), Intrinsics(4, 4, 1.5, 0.5, 4, 2))

    # The principal point is the picture's middle at any resolution.
    np.testing.assert_allclose(halved[0, :, 0], [-0.5, 0.5])


@given(
    z=st.floats(0.1, 50),
    u=st.integers(0, 7),
    v=st.integers(0, 5),
    f=st.floats(1, 1000),
    c=st.floats(-5, 12),
)
def test_a_point_projects_back_onto_its_pixel(z, u, v, f, c):
    camera = Intrinsics(f, 2 * f, c, c, 8, 6)

    x, y, depth = back_project(np.full((6, 8), z, np.float32), camera)[v, u].astype(float)

    assert f * x / depth + c == pytest.approx(u, abs=1e-3)
    assert 2 * f * y / depth + c == pytest.approx(v, abs=1e-3)


def test_unstructured_ply_reads_by_hand(tmp_path: Path):
    written = write_ply(tmp_path / "a.ply", cloud().readings())

    lines, rows = read_ply_by_hand(tmp_path / "a.ply")
    assert lines[:2] == ["ply", "format binary_little_endian 1.0"]
    assert [line for line in lines if line.startswith("property")] == [
        "property float x",
        "property float y",
        "property float z",
        "property uchar red",
        "property uchar green",
        "property uchar blue",
    ]
    assert written == 4
    assert rows == [
        (-1.0, 0.0, 2.0, 0, 1, 2),
        (1.0, 0.0, 2.0, 6, 7, 8),
        (-2.0, 1.0, 4.0, 9, 10, 11),
        (0.0, 1.0, 4.0, 12, 13, 14),
    ]


def test_structured_ply_keeps_the_grid(tmp_path: Path):
    write_ply(tmp_path / "a.ply", cloud())

    lines, rows = read_ply_by_hand(tmp_path / "a.ply")
    assert "obj_info num_cols 3" in lines and "obj_info num_rows 2" in lines
    assert len(rows) == 6 and np.isnan(rows[1][:3]).all() and rows[1][3:] == (3, 4, 5)


def test_a_cloud_without_a_point_is_still_a_file(tmp_path: Path):
    empty = Cloud(np.full((1, 1, 3), NAN, np.float32), np.zeros((1, 1, 3), np.uint8))

    assert write_ply(tmp_path / "a.ply", empty.readings()) == 0
    assert read_ply_by_hand(tmp_path / "a.ply")[1] == []


@pytest.mark.parametrize("structured", [True, False])
def test_npz_holds_the_cloud_and_the_same_bytes_again(tmp_path: Path, structured):
    told = cloud() if structured else cloud().readings()
    for name in ("a", "b"):
        write_npz(tmp_path / f"{name}.npz", told)

    with np.load(tmp_path / "a.npz", allow_pickle=False) as arrays:
        np.testing.assert_array_equal(arrays["xyz"], told.xyz)
        np.testing.assert_array_equal(arrays["rgb"], told.rgb)
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()


def test_colours_are_red_first(world):
    made = make_cloud(world.image([]), world.root)

    assert made.rgb[0, 0].tolist() == [30, 20, 10]  # OpenCV painted blue, green, red


@pytest.mark.parametrize(
    ("changes", "in_world", "reason"),
    [
        ({}, True, "no pose"),
        ({"camera_to_world": ((1.0, 0.0), (0.0, 1.0))}, True, "bad pose"),
        ({"camera_to_world": tuple(map(tuple, 2 * np.eye(4)))}, True, "bad pose"),
        ({"camera_to_world": ((1.0,), (0.0, 1.0))}, True, "bad pose"),
        ({"depth": None}, False, "no depth"),
    ],
)
def test_no_cloud_without_what_it_needs(world, changes, in_world, reason):
    with pytest.raises(GeometryError) as caught:
        make_cloud(world.image([], **changes), world.root, in_world)

    assert caught.value.reason == reason


def test_a_pose_is_read_as_it_is(world):
    pose = tuple(map(tuple, np.eye(4)))

    assert (pose_matrix(world.image([], camera_to_world=pose)) == np.eye(4)).all()


def test_without_intrinsics_the_camera_is_sixty_degrees_wide(world):
    seen = make_cloud(world.image([], camera=None), world.root).xyz

    # The picture's edges are half a pixel beyond the outermost points: 2 tan(30 deg) apart.
    row = seen[60]
    width = (row[-1, 0] - row[0, 0]) * len(row) / (len(row) - 1) / row[0, 2]
    assert width == pytest.approx(2 * np.tan(np.radians(30)), rel=1e-4)
