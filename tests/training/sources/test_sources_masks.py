import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from spacesgg_ros.training.data.sources.masks import (
    MaskError,
    decode_mask,
    encode_labels,
    encode_mask,
    fill_polygons,
    mask_area,
    mask_box,
    read_counts,
    read_instances,
    read_segment_ids,
    read_segmentation,
)

SHAPES = arrays.array_shapes(min_dims=2, max_dims=2, max_side=40)
MASKS = arrays.arrays(bool, SHAPES)

# Down the columns: column 0 is 0 1 1, column 1 is 1 0 0.
SMALL = np.array([[0, 1], [1, 0], [1, 0]], bool)


def test_runs_go_down_the_columns_and_start_outside() -> None:
    assert read_counts(encode_mask(SMALL)).tolist() == [1, 3, 2]


def test_a_mask_that_starts_inside_has_an_empty_first_run() -> None:
    assert read_counts(encode_mask(np.ones((2, 3), bool))).tolist() == [0, 6]


def test_text_is_cocos_five_bits_a_character() -> None:
    # 100 = 3 * 32 + 4: character 4 + 32 + 48 = "T", then 3 + 48 = "3"; the fourth run, 16, is
    # written as its difference to the second, 100: -84 = -3 * 32 + 12: "\" and "M".
    mask = np.zeros(400, bool)
    mask[100:200] = mask[284:300] = True
    mask = mask.reshape(4, 100).T
    assert read_counts(encode_mask(mask)).tolist() == [100, 100, 84, 16, 100]
    assert encode_mask(mask)["counts"] == "T3T3d2\\M`0"


@settings(max_examples=50)
@given(MASKS)
def test_a_mask_survives_its_run_lengths(mask: np.ndarray) -> None:
    rle = encode_mask(mask)
    assert (decode_mask(rle) == mask).all()
    assert mask_area(rle) == mask.sum()
    assert (decode_mask({**rle, "counts": read_counts(rle).tolist()}) == mask).all()


@settings(max_examples=50)
@given(MASKS)
def test_the_box_of_the_runs_is_the_box_of_the_pixels(mask: np.ndarray) -> None:
    rows, columns = np.nonzero(mask)
    box = mask_box(encode_mask(mask))
    if not len(rows):
        assert box is None
    else:
        assert box == (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)


@settings(max_examples=50)
@given(arrays.arrays(np.int32, SHAPES, elements=st.integers(0, 4)))
def test_all_labels_at_once_are_what_each_is_alone(labels: np.ndarray) -> None:
    masks = encode_labels(labels)
    assert sorted(masks) == np.unique(labels).tolist()
    for value, rle in masks.items():
        assert rle == encode_mask(labels == value)


@settings(max_examples=50)
@given(MASKS)
def test_run_lengths_are_pycocotools_own(mask: np.ndarray) -> None:
    coco = pytest.importorskip("pycocotools.mask")
    theirs = coco.encode(np.asfortranarray(mask.astype(np.uint8)))
    assert encode_mask(mask)["counts"] == theirs["counts"].decode()


@pytest.mark.parametrize(
    ("rle", "why"),
    [
        ({"size": [2, 2], "counts": [1, 2]}, "too few pixels"),
        ({"size": [2, 2], "counts": [1, 4]}, "too many pixels"),
        ({"size": [2, 2], "counts": [5, -1]}, "a negative run"),
        ({"size": [0, 4], "counts": []}, "no size"),
        ({"size": [2], "counts": [4]}, "half a size"),
        ({"counts": [4]}, "no size at all"),
        ({"size": [2, 2]}, "no runs"),
        ({"size": [2, 2], "counts": "T"}, "text cut off"),
        ({"size": [2, 2], "counts": ""}, "no text"),
        ({"size": [2, 2], "counts": "4 "}, "a character below the range"),
        ({"size": [2, 2], "counts": "4é"}, "a character beyond ASCII"),
        ({"size": [2, 2], "counts": "oooooooooo0"}, "a number without end"),
        ({"size": [2, 2], "counts": [[1], [2, 3]]}, "nested runs"),
        ({"size": [2, 2], "counts": None}, "null runs"),
        ({"size": ["a", 2], "counts": [4]}, "a word for a size"),
    ],
)
def test_broken_run_lengths_are_refused(rle: dict, why: str) -> None:
    with pytest.raises(MaskError):
        decode_mask(rle)


@given(st.text(alphabet=[chr(c) for c in range(40, 120)], max_size=12))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        mask = decode_mask({"size": [3, 3], "counts": text})
    except MaskError:
        return
    assert mask.shape == (3, 3)


def test_a_polygon_covers_the_pixels_whose_centre_it_holds() -> None:
    mask = fill_polygons([[2, 1, 6, 1, 6, 4, 2, 4]], 10, 8)
    assert mask_box(encode_mask(mask)) == (2, 1, 6, 4)
    assert mask.sum() == 4 * 3
    shifted = fill_polygons([[2.6, 1, 6.6, 1, 6.6, 4, 2.6, 4]], 10, 8)
    assert mask_box(encode_mask(shifted)) == (3, 1, 7, 4)


def test_a_triangle_has_half_the_square() -> None:
    # Centres (x + .5, y + .5) with y > x: 0 + 1 + 2 + 3 under the diagonal, and those on it,
    # whose centre the slanted edge goes through, count to the right of it, which is outside.
    mask = fill_polygons([[0, 0, 4, 4, 0, 4]], 4, 4)
    assert mask.sum() == 6
    assert not mask[0, 3]
    assert mask[3, 0]


def test_parts_are_united_and_corners_may_lie_outside() -> None:
    parts = [[0, 0, 4, 0, 4, 4, 0, 4], [2, 2, 30, 2, 30, 30, 2, 30]]
    assert fill_polygons(parts, 6, 6).sum() == 16 + 16 - 4


@pytest.mark.parametrize(
    "polygons",
    [[], [[]], [[1, 2, 3, 4]], [[1, 2, 3, 4, 5]], [[1, 2, 3, 4, 5, float("nan")]], [["a"] * 6]],
)
def test_what_is_no_polygon_is_refused(polygons: list) -> None:
    with pytest.raises(MaskError):
        fill_polygons(polygons, 4, 4)


def test_polygons_agree_with_pycocotools() -> None:
    coco = pytest.importorskip("pycocotools.mask")
    rng = np.random.default_rng(0)
    for _ in range(30):
        angles = np.sort(rng.uniform(0, 2 * np.pi, 12))
        corners = 60 + rng.uniform(20, 50, (12, 1)) * np.stack([np.cos(angles), np.sin(angles)], 1)
        polygon = [corners.ravel().tolist()]
        ours = fill_polygons(polygon, 120, 120)
        theirs = coco.decode(coco.merge(coco.frPyObjects(polygon, 120, 120))).astype(bool)
        assert (ours & theirs).sum() / (ours | theirs).sum() > 0.97


def test_a_segmentation_may_be_polygons_or_either_kind_of_run_lengths() -> None:
    polygon = read_segmentation([[0, 0, 2, 0, 2, 1, 0, 1]], 3, 2)
    assert read_segmentation({"size": [2, 3], "counts": [0, 1, 1, 1, 3]}, 3, 2) == polygon
    assert read_segmentation(polygon, 3, 2) == polygon
    for broken in ("0,0", {"size": [3, 2], "counts": [6]}, 7):
        with pytest.raises(MaskError):
            read_segmentation(broken, 3, 2)


def test_segment_ids_are_red_then_green_then_blue() -> None:
    bgr = np.zeros((2, 3, 3), np.uint8)
    bgr[1, 2] = (3, 2, 1)
    ids = read_segment_ids(cv2.imencode(".png", bgr)[1].tobytes())
    assert ids[1, 2] == 1 + 256 * 2 + 65536 * 3
    assert ids[0, 0] == 0


@pytest.mark.parametrize("data", [b"", b"no picture"])
def test_what_is_no_mask_picture_is_refused(data: bytes) -> None:
    with pytest.raises(MaskError):
        read_segment_ids(data)
    with pytest.raises(MaskError):
        read_instances(data)


def test_a_grey_picture_has_no_segment_ids_and_a_colour_one_no_instances() -> None:
    grey = cv2.imencode(".png", np.zeros((2, 2), np.uint8))[1].tobytes()
    colour = cv2.imencode(".png", np.zeros((2, 2, 3), np.uint8))[1].tobytes()
    with pytest.raises(MaskError):
        read_segment_ids(grey)
    with pytest.raises(MaskError):
        read_instances(colour)
