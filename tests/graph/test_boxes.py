import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spacesgg_ros.graph import GraphError, box_iou, clip_box, decode_box, encode_box

SIZES = [(640, 480), (480, 640), (641, 480), (480, 641), (333, 332), (100, 100), (1920, 1)]


@pytest.mark.parametrize(
    ("box", "size", "expected"),
    [
        # ASMv2's padding: (side - dim) // 2 on the shorter axis.
        pytest.param((0, 0, 640, 480), (640, 480), (0, 125, 999, 874), id="wide image"),
        pytest.param((0, 0, 480, 640), (480, 640), (125, 0, 874, 999), id="tall image"),
        pytest.param((0, 0, 5, 2), (5, 2), (0, 200, 999, 599), id="odd difference"),
        pytest.param((-50, -500, 900, 900), (640, 480), (0, 0, 999, 999), id="outside clipped"),
    ],
)
def test_encode_follows_the_square_padding(box, size, expected):
    assert encode_box(box, *size) == expected


@pytest.mark.parametrize("size", SIZES)
@given(fractions=st.tuples(*[st.floats(0, 1)] * 4))
def test_round_trip_error_is_below_one_step(size, fractions):
    width, height = size
    box = tuple(f * d for f, d in zip(fractions, (width, height, width, height), strict=True))
    error = np.abs(np.subtract(decode_box(encode_box(box, *size), *size), box))
    assert (error <= max(size) / 999 * 0.5 + 1e-9).all()


@pytest.mark.parametrize("size", [(640, 480), (480, 641), (999, 998)])
@given(box=st.tuples(*[st.integers(0, 999)] * 4))
def test_text_survives_pixels(size, box):
    assert encode_box(decode_box(box, *size), *size) == box


@pytest.mark.parametrize("size", [(0, 480), (640, -1)])
def test_an_empty_image_is_refused(size):
    with pytest.raises(GraphError, match="positive size"):
        encode_box((0, 0, 1, 1), *size)


def test_a_box_that_is_not_finite_is_refused():
    with pytest.raises(GraphError, match="finite"):
        encode_box((0, 0, float("nan"), 1), 640, 480)


def test_clip_keeps_what_lies_inside():
    assert clip_box((-5, 10, 700, 700), 640, 480) == (0, 10, 640, 480)


def test_iou_of_every_pair():
    a = np.array([[0, 0, 2, 2], [5, 5, 5, 5]])
    b = np.array([[0, 0, 2, 2], [1, 0, 3, 2], [4, 4, 3, 3]])
    np.testing.assert_allclose(box_iou(a, b), [[1, 1 / 3, 0], [0, 0, 0]])


def test_iou_without_boxes_is_empty():
    assert box_iou(np.empty((0, 4)), np.ones((3, 4))).shape == (0, 3)
