"""An object's intervals come from its own pixels, evenly, and a few wrong ones do not matter."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spacesgg_ros.graph.ground import ground_axes
from spacesgg_ros.training.data.geometry.intervals import (
    choose_pixels,
    measure_spans,
    sample_objects,
)
from spacesgg_ros.training.data.sources.masks import MaskError, encode_mask

CAMERA_AXES = ground_axes(None)


def masks() -> st.SearchStrategy[np.ndarray]:
    return st.builds(
        lambda height, width, share, seed: (
            np.random.default_rng(seed).random((height, width)) < share
        ),
        st.integers(1, 12),
        st.integers(1, 12),
        st.sampled_from([0.0, 0.2, 0.7, 1.0]),
        st.integers(0, 1000),
    )


@settings(max_examples=50)
@given(mask=masks(), most=st.integers(1, 200))
def test_chosen_pixels_are_inside_and_none_twice(mask, most):
    pixels = choose_pixels([encode_mask(~mask), encode_mask(mask)], mask.shape, most)[1]
    columns, rows = np.divmod(pixels[pixels >= 0], len(mask))

    assert mask[rows, columns].all()
    assert len(set(zip(columns.tolist(), rows.tolist(), strict=True))) == len(columns)
    assert len(columns) == min(most, int(mask.sum()))


def test_chosen_pixels_spread_over_a_mask_whose_columns_are_as_long_as_the_stride():
    mask = np.ones((100, 1000), bool)

    columns, rows = np.divmod(choose_pixels([encode_mask(mask)], mask.shape, 1000)[0], 100)

    assert len(set(columns.tolist())) == 1000
    deciles = np.bincount(rows // 10, minlength=10)
    assert deciles.min() >= 90 and deciles.max() <= 110


def test_mask_of_another_size_is_refused(world):
    things = [("mug", (10, 10, 30, 30), 1.0)]

    with pytest.raises(MaskError, match=r"\(120, 160\) on an image of \(60, 80\)"):
        sample_objects(np.ones((60, 80)), world.objects_of(things), world.image([]).camera, 100)


def test_spans_of_a_flat_thing_by_hand(world):
    # 40 x 20 pixels at 2 m with f = 100: 0.8 m wide, 0.4 m high, centre at the optical axis.
    things = [("sign", (60, 50, 100, 70), 2.0)]
    image = world.image(things)
    samples = sample_objects(world.depth_of(things), image.objects, image.camera, 1024)

    spans = measure_spans(samples, CAMERA_AXES, 8, tail=0.0)

    np.testing.assert_allclose(spans.depth, [[2.0, 2.0, 2.0]])
    np.testing.assert_allclose(spans.low, [[-0.39, -0.19, 2.0]])
    np.testing.assert_allclose(spans.high, [[0.39, 0.19, 2.0]])
    np.testing.assert_allclose(spans.seen_low, [[-0.39, 2.0, -0.19]])  # right, forward, up
    np.testing.assert_allclose(spans.seen_high, [[0.39, 2.0, 0.19]])
    assert spans.readings.tolist() == [800]


def test_a_few_wrong_pixels_do_not_move_the_ends(world):
    things = [("box", (60, 50, 100, 70), 2.0)]
    image = world.image(things)
    depth = world.depth_of(things)
    depth[50, 60:100] = 4.0  # a twentieth of the mask leaks onto the background
    depth[69, 60:80] = 0.3

    samples = sample_objects(depth, image.objects, image.camera, 1024)
    spans = measure_spans(samples, CAMERA_AXES, 8, tail=0.05)

    np.testing.assert_allclose(spans.depth, [[2.0, 2.0, 2.0]])


def test_pixels_without_a_reading_do_not_count(world):
    things = [("box", (60, 50, 100, 70), 2.0)]
    image = world.image(things)
    depth = world.depth_of(things)
    depth[50:60] = np.nan

    samples = sample_objects(depth, image.objects, image.camera, 1024)
    spans = measure_spans(samples, CAMERA_AXES, 8, tail=0.0)

    assert spans.readings.tolist() == [400]
    np.testing.assert_allclose(spans.low[0, 1], 0.01)  # the upper half is gone


def test_an_object_with_too_few_readings_is_unknown(world):
    things = [("crumb", (60, 50, 62, 53), 2.0), ("box", (10, 10, 30, 30), 1.0)]
    image = world.image(things)

    samples = sample_objects(world.depth_of(things), image.objects, image.camera, 1024)
    spans = measure_spans(samples, CAMERA_AXES, least=8, tail=0.05)

    assert spans.known.tolist() == [False, True]
    assert np.isnan(spans.position[0]).all() and np.isfinite(spans.position[1]).all()


def test_no_object_measures_as_nothing(world):
    samples = sample_objects(world.depth_of([]), (), world.image([]).camera, 100)

    assert measure_spans(samples, CAMERA_AXES, 8, 0.05).depth.shape == (0, 3)


def test_a_box_counts_its_foreground_not_the_wall_behind(world):
    painted = [("vase", (50, 30, 100, 90), 1.5)]
    boxed = [("vase", (44, 24, 106, 96), 1.5)]  # two fifths of the box are wall
    image = world.image(boxed, masks=False)

    samples = sample_objects(world.depth_of(painted), image.objects, image.camera, 1024)
    spans = measure_spans(samples, CAMERA_AXES, 8, 0.05)

    np.testing.assert_allclose(spans.depth, [[1.5, 1.5, 1.5]], rtol=1e-6)


def test_what_lies_in_a_smaller_box_is_not_the_larger_ones(world):
    things = [("table", (20, 40, 140, 110), 2.0), ("bowl", (30, 45, 130, 95), 1.0)]
    image = world.image(things, masks=False)

    samples = sample_objects(world.depth_of(things), image.objects, image.camera, 1024)
    spans = measure_spans(samples, CAMERA_AXES, 8, 0.05)

    np.testing.assert_allclose(spans.depth[:, 1], [2.0, 1.0], rtol=1e-6)


def test_masks_and_boxes_mix_in_one_image(world):
    things = [("mug", (10, 10, 40, 40), 1.0), ("bowl", (80, 60, 130, 95), 2.0)]
    masked, boxed = world.objects_of(things), world.objects_of(things, masks=False)

    samples = sample_objects(
        world.depth_of(things), (masked[0], boxed[1]), world.image([]).camera, 1024
    )
    spans = measure_spans(samples, CAMERA_AXES, 8, 0.05)

    np.testing.assert_allclose(spans.depth[:, 1], [1.0, 2.0], rtol=1e-6)
    np.testing.assert_allclose(spans.position[1, :2], [0.505, 0.355], atol=0.05)
