"""Each defect of the published stage 1, and that it is not here.

The published pipeline: ``d2p`` (depth to point cloud), ``layers_aggregation`` (depth intervals and
layers) and ``multiview_layers`` (order after turning the cloud).
"""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from spacesgg_ros.training.data.geometry.errors import GeometryError
from spacesgg_ros.training.data.geometry.measure import MeasureStage, measure_image
from spacesgg_ros.training.data.geometry.points import Cloud, back_project, make_cloud, write_ply
from spacesgg_ros.training.data.grounded import DepthFile, GroundedImage
from spacesgg_ros.training.data.rejected import Rejected
from spacesgg_ros.training.data.sources.masks import encode_mask

POSE = ((1.0, 0.0, 0.0, 5.0), (0.0, 0.0, 1.0, 0.0), (0.0, -1.0, 0.0, 0.0), (0.0, 0.0, 0.0, 1.0))
# A is nearer than B, and B's box comes after A's as text; C is in between.
A = ("a", (10, 10, 30, 30), 1.0)
B = ("b", (90, 10, 110, 30), 3.0)
C = ("c", (90, 60, 110, 80), 2.0)


def test_defect_1_pixels_without_depth_do_not_crash_the_projection(world):
    """d2p indexed an (N, 3) array with a 2-D mask: IndexError on any input."""
    depth = world.depth_of([A])
    depth[:, :80] = np.nan
    image = world.image([A])
    np.save(world.root / "depth.npy", depth)

    cloud = make_cloud(image, world.root)

    assert cloud.xyz.shape == (120, 160, 3)
    assert len(cloud.readings().xyz) == 120 * 80


def test_defect_2_every_image_has_its_own_pose_or_none(world):
    """Without world coordinates d2p had one pose for all images: IndexError at the second."""
    first = world.image([A])
    second = replace(first, id="two", camera_to_world=POSE)

    clouds = [make_cloud(image, world.root) for image in (first, second)]

    np.testing.assert_array_equal(clouds[0].xyz, clouds[1].xyz)
    in_world = make_cloud(second, world.root, world=True).xyz[60, 80]
    np.testing.assert_allclose(in_world, clouds[0].xyz[60, 80][[0, 2, 1]] * (1, 1, -1) + (5, 0, 0))


def test_defect_2_depth_in_floats_keeps_its_fractions(world):
    """d2p cast depth to uint16: 1.234 m became 1."""
    measured = measure_image(world.image([("a", (10, 10, 30, 30), 1.234)]), world.root)

    assert measured.objects[0].measured.depth == (1.234, 1.234, 1.234)


def test_defect_3_ply_colours_are_bytes_and_red_comes_first(tmp_path):
    """d2p wrote "10.0 20.0 30.0 0" under a uchar header, blue first."""
    rgb = np.array([[[10, 20, 30]]], np.uint8)
    write_ply(tmp_path / "a.ply", Cloud(np.ones((1, 1, 3), np.float32), rgb))

    content = (tmp_path / "a.ply").read_bytes()

    assert content.endswith(bytes([10, 20, 30]))
    assert (
        content.index(b"uchar red") < content.index(b"uchar green") < content.index(b"uchar blue")
    )


def test_defect_4_the_cloud_that_orders_need_is_the_cloud_that_is_written(world):
    """d2p wrote lists of points, multiview read H x W x 3 maps: nothing made one of the other."""
    image = world.image([A])

    structured = make_cloud(image, world.root)

    assert structured.xyz.shape == (image.height, image.width, 3)
    known = ~np.isnan(structured.xyz[..., 2])
    np.testing.assert_array_equal(structured.readings().xyz, structured.xyz[known])


def test_defect_4_depth_of_another_resolution_is_fitted_or_refused(world):
    """The published resolutions and crops had to agree by luck."""
    image = world.image([A, B])
    full = measure_image(image, world.root)
    np.save(world.root / "depth.npy", world.depth_of([A, B])[::2, ::2])
    half = measure_image(image, world.root)
    np.save(world.root / "depth.npy", world.depth_of([A, B])[:, :100])

    assert half.layers == full.layers
    with pytest.raises(GeometryError, match="100x120"):
        measure_image(image, world.root)


def test_defect_5_background_does_not_leak_into_the_interval(world):
    """Filter and value were different random draws: constant depth 120 gave [0, 120]."""
    mask = np.zeros((120, 160), bool)
    mask[10:30, 10:30] = np.eye(20, dtype=bool)  # a thirtieth of its box
    mask[10:30, 15:18] = True
    image = world.image([("a", (10, 10, 30, 30), 1.2)])
    thing = replace(image.objects[0], mask=encode_mask(mask))

    measured = measure_image(image.with_objects((thing,)), world.root)

    assert measured.objects[0].measured.depth == (1.2, 1.2, 1.2)
    assert measured.objects[0].measured.readings == mask.sum()


def test_defect_5_measuring_is_deterministic(world):
    """No seed was set."""
    rng = np.random.default_rng(0)
    depth = world.depth_of([A, B, C]) + rng.normal(0, 0.02, (120, 160)).astype(np.float32)
    image = world.image([A, B, C])
    np.save(world.root / "depth.npy", depth)

    bytes_of = {json.dumps(measure_image(image, world.root).to_dict()) for _ in range(3)}

    assert len(bytes_of) == 1


@pytest.mark.parametrize("inside", [1, 255])
def test_defect_6_masks_of_0_and_255_do_not_overflow(world, inside):
    """uint8 mask times depth: 120 became 136."""
    mask = np.zeros((120, 160), np.uint8)
    mask[10:30, 10:30] = inside
    image = world.image([("a", (10, 10, 30, 30), 0.12)])
    thing = replace(image.objects[0], mask=encode_mask(mask))

    measured = measure_image(image.with_objects((thing,)), world.root)

    assert measured.objects[0].measured.depth == (0.12, 0.12, 0.12)


def test_defect_7_layers_go_by_depth_not_by_the_text_of_boxes(world):
    """Depths A 200, B 50, C 120 gave C, B, A."""
    things = [
        ("a", (10, 10, 30, 30), 2.0),
        ("b", (50, 60, 70, 80), 0.5),
        ("c", (90, 10, 110, 30), 1.2),
    ]

    measured = measure_image(world.image(things), world.root)

    assert measured.layers == ((1,), (2,), (0,))


def test_defect_7_an_object_is_in_one_layer(world):
    """An object whose interval covers several seeds stood in several layers."""
    floor = np.zeros((120, 160), bool)
    floor[100:] = True
    image = world.image([A, B])
    depth = world.depth_of([A, B])
    depth[100:] = np.linspace(0.5, 5.0, 160)
    np.save(world.root / "depth.npy", depth)
    thing = replace(image.objects[0], box_px=(0.0, 100.0, 160.0, 120.0), mask=encode_mask(floor))

    measured = measure_image(image.with_objects((*image.objects, thing)), world.root)

    placed = [i for layer in measured.layers for i in layer]
    assert sorted(placed) == [0, 1, 2]


@pytest.mark.parametrize(
    ("kind", "stored"), [("metric", [1.0, 3.0]), ("relative", [0.2, 0.9]), ("inverse", [0.9, 0.2])]
)
def test_defect_7_the_nearest_is_in_layer_1_for_every_kind_of_depth(world, kind, stored):
    """Depth Anything's disparity put the farthest first."""
    near, far = ((*thing[:2], value) for thing, value in zip((A, B), stored, strict=True))
    image = world.image([near, far], depth=DepthFile("depth.npy", kind, 1.0))

    measured = measure_image(image, world.root)

    assert measured.layers == ((0,), (1,))
    said = {o.predicate for o in measured.orders if o.view == "camera"}
    assert "in front of" in said and "behind" not in said


def test_defect_8_a_caption_is_no_object(world):
    """With a caption the whole image was dropped."""
    image = world.image([A, B], caption="An a beside a b.")

    measured = measure_image(image, world.root)

    assert measured.caption == image.caption
    assert [o.label for o in measured.objects] == ["a", "b"]
    assert measured.layers == ((0,), (1,))


def test_defect_9_orders_have_all_three_axes_in_one_schema(world):
    """multiview wrote pairs along z only; the prompts wanted left, up and front of each."""
    # A is left of, higher than and in front of C.
    measured = measure_image(world.image([A, C]), world.root)

    again = GroundedImage.from_dict(json.loads(json.dumps(measured.to_dict())))
    told = {o.predicate for o in again.orders if o.view == "camera"}
    assert told == {"to the left of", "in front of", "above"}


def test_defect_10_all_four_views_are_there(world):
    """Only the back view (theta = pi) could be computed."""
    measured = measure_image(world.image([A, C]), world.root)

    assert {o.view for o in measured.orders} == {"camera", "left", "right", "back"}
    along = [o for o in measured.orders if o.predicate in ("behind", "in front of")]
    sides = {o.view: o.predicate for o in along}
    # Seen from the left, what is on the left is in front; from the right it is behind.
    assert sides == {
        "camera": "in front of", "left": "in front of", "right": "behind", "back": "behind",
    }  # fmt: skip


def test_defect_10_an_interval_rests_on_more_than_ten_points(world):
    """Ten random points of a slanted thing rarely held its ends."""
    depth = world.depth_of([])
    depth[10:110, 10:150] = np.linspace(1.0, 2.0, 140)
    image = world.image([("fence", (10, 10, 150, 110), 1.0)])
    np.save(world.root / "depth.npy", depth)

    near, median, far = measure_image(image, world.root).objects[0].measured.depth

    assert (near, median, far) == pytest.approx((1.05, 1.5, 1.95), abs=0.01)


def test_defect_10_no_pair_is_told_twice(world):
    """Every pair was visited from both sides."""
    measured = measure_image(world.image([A, B, C]), world.root)

    keys = [(o.view, o.subject, o.target, o.predicate) for o in measured.orders]
    mirrored = {(v, t, s) for v, s, t, _ in keys} & {(v, s, t) for v, s, t, _ in keys}
    assert len(keys) == len(set(keys)) and not mirrored


def test_defect_10_without_points_there_is_no_interval(world):
    """Fewer than ten points gave [-100000, 100000], which encloses everything."""
    tiny = ("tiny", (100, 100, 102, 102), 1.0)

    measured = measure_image(world.image([A, B, tiny]), world.root)

    assert measured.objects[2].measured is None
    assert measured.layers == ((0,), (1,))


def test_defect_10_the_turned_signs_are_those_of_the_turned_cloud():
    """Half a turn about the vertical: x and z change sign, y stays."""
    point = back_project(np.full((1, 1), 2.0), _pinhole())[0, 0]
    half_turn = np.array([[-1, 0, 0, 0], [0, 1, 0, 0], [0, 0, -1, 0], [0, 0, 0, 1.0]])

    turned = back_project(np.full((1, 1), 2.0), _pinhole(), half_turn)[0, 0]

    assert turned.tolist() == (point * (-1, 1, -1)).tolist()


def test_defect_13_nothing_is_dropped_silently(world):
    """Any exception dropped the image with a print."""
    good = world.image([A])
    out = MeasureStage(world.root)(
        [good.to_dict(), replace(good, id="two", depth=DepthFile("gone.npy")).to_dict()]
    )

    assert out[0]["id"] == "one"
    assert isinstance(out[1], Rejected)
    assert (out[1].id, out[1].reason) == ("two", "depth file missing")
    assert "gone.npy" in out[1].detail


def _pinhole():
    from spacesgg_ros.graph.types import Intrinsics

    return Intrinsics(1.0, 1.0, -1.0, -1.0, 1, 1)
