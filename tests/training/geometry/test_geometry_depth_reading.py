"""Depth of any file and kind becomes distances that grow away from the camera."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from spacesgg_ros.training.data.geometry.depth_reading import (
    decode_stored,
    read_depth,
    to_distance,
)
from spacesgg_ros.training.data.geometry.errors import GeometryError
from spacesgg_ros.training.data.grounded import DepthFile, GroundedImage

NAN = np.nan
SENSOR = np.array([[1000, 2000], [0, 1500]], np.uint16)
METRES = np.array([[1.0, 2.0], [NAN, 1.5]], np.float32)


def image_of(depth: DepthFile | None, width: int = 2, height: int = 2) -> GroundedImage:
    return GroundedImage("one", "one.png", width, height, (), depth=depth)


@pytest.mark.parametrize(
    ("name", "stored", "kind", "scale"),
    [
        ("16UC1.png", SENSOR, "metric", 0.001),
        ("scaled.png", SENSOR * 5, "metric", 0.0002),
        ("32FC1.npy", METRES, "metric", 1.0),
        ("float64.npy", METRES.astype(np.float64), "metric", 1.0),
        ("named.npz", METRES, "metric", 1.0),
        ("float.tiff", METRES, "metric", 1.0),
        ("8bit.png", (SENSOR // 500).astype(np.uint8), "relative", 0.5),
        ("disparity.npy", 1.0 / METRES, "inverse", 1.0),
        ("disparity.png", np.array([[6000, 3000], [0, 4000]], np.uint16), "inverse", 1 / 6000),
    ],
)
def test_every_format_and_kind_reads_as_the_same_distances(
    tmp_path: Path, store, name, stored, kind, scale
):
    depth = read_depth(image_of(DepthFile(store(name, stored), kind, scale)), tmp_path)

    assert depth.dtype == np.float32
    np.testing.assert_allclose(depth, METRES, rtol=1e-6)


@pytest.mark.parametrize("bad", [0.0, -1.0, np.inf, -np.inf, NAN, 100.0, 65.535e3])
def test_what_is_no_distance_is_no_reading(bad):
    stored = np.array([[bad, 99.0]])

    depth = to_distance(stored, DepthFile("a.npy", "metric", 1.0))

    assert np.isnan(depth[0, 0]) and depth[0, 1] == 99.0


def test_relative_depth_has_no_farthest_metre():
    depth = to_distance(np.array([[5000.0]]), DepthFile("a.npy", "relative", 1.0))

    assert depth[0, 0] == 5000.0


def test_smaller_depth_is_sampled_not_blended(tmp_path: Path, store):
    file = DepthFile(store("small.npy", np.array([[1.0, 3.0]], np.float32)), "metric", 1.0)

    depth = read_depth(image_of(file, width=4, height=2), tmp_path)

    assert depth.tolist() == [[1.0, 1.0, 3.0, 3.0]] * 2


def test_depth_of_another_shape_is_refused(tmp_path: Path, store):
    file = DepthFile(store("wide.npy", np.ones((2, 4), np.float32)), "metric", 1.0)

    with pytest.raises(GeometryError, match="aspect ratios differ") as caught:
        read_depth(image_of(file), tmp_path)

    assert caught.value.reason == "depth does not fit the image"


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("gone.npy", None, "depth file missing"),
        ("text.png", b"no picture", "depth file unreadable"),
        ("empty.png", b"", "depth file unreadable"),
        ("text.npy", b"no array", "depth file unreadable"),
        ("text.npz", b"PK no zip", "depth file unreadable"),
        ("colour.png", np.ones((2, 2, 3), np.uint8), "depth is not one channel"),
        ("words.npy", np.array([["a", "b"]]), "depth is not one channel"),
        ("millimetres.npy", np.full((2, 2), 1500.0), "no depth reading"),
        ("black.png", np.zeros((2, 2), np.uint16), "no depth reading"),
    ],
)
def test_unusable_file_says_why(tmp_path: Path, store, name, content, reason):
    if isinstance(content, bytes):
        (tmp_path / name).write_bytes(content)
    elif content is not None:
        store(name, content)

    with pytest.raises(GeometryError) as caught:
        read_depth(image_of(DepthFile(name, "metric", 1.0)), tmp_path)

    assert caught.value.reason == reason


def test_image_without_depth_says_so(tmp_path: Path):
    with pytest.raises(GeometryError) as caught:
        read_depth(image_of(None), tmp_path)

    assert caught.value.reason == "no depth"


def test_npz_with_other_names_needs_to_hold_one_array(tmp_path: Path):
    np.savez(tmp_path / "one.npz", z=METRES)
    np.savez(tmp_path / "two.npz", a=METRES, b=METRES)

    assert decode_stored((tmp_path / "one.npz").read_bytes(), "one.npz").shape == (2, 2)
    with pytest.raises(GeometryError, match="expected an array 'depth'"):
        decode_stored((tmp_path / "two.npz").read_bytes(), "two.npz")


def test_stored_values_are_not_changed():
    data = cv2.imencode(".png", SENSOR)[1].tobytes()

    stored = decode_stored(data, "a.png")

    assert stored.dtype == np.uint16 and (stored == SENSOR).all()
