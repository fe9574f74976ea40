import numpy as np
import pytest

from spacesgg_ros.graph import GraphError, Intrinsics, align_depth, decode_depth

NAN = float("nan")


def test_millimetres_become_metres_and_zero_is_no_reading():
    raw = np.array([[0, 1500], [65535, 1]], dtype="<u2")
    depth = decode_depth(raw.tobytes(), "16UC1", 2, 2, 4, False)
    assert depth.dtype == np.float32
    np.testing.assert_allclose(depth, [[NAN, 1.5], [65.535, 0.001]], rtol=1e-6)


def test_metres_keep_their_value_and_bad_ones_are_no_reading():
    raw = np.array([[0.0, NAN, np.inf], [-np.inf, -1.0, 2.5]], dtype="<f4")
    depth = decode_depth(raw.tobytes(), "32FC1", 3, 2, 12, False)
    np.testing.assert_array_equal(depth, np.float32([[NAN, NAN, NAN], [NAN, NAN, 2.5]]))


@pytest.mark.parametrize(("encoding", "dtype"), [("mono16", ">u2"), ("32FC1", ">f4")])
def test_byte_order_is_obeyed(encoding, dtype):
    raw = np.array([[2, 3]], dtype=dtype)
    depth = decode_depth(raw.tobytes(), encoding, 2, 1, raw.nbytes, True)
    unit = 0.001 if encoding == "mono16" else 1.0
    np.testing.assert_allclose(depth, [[2 * unit, 3 * unit]], rtol=1e-6)


@pytest.mark.parametrize("step", [6, 7, 64])
def test_padded_rows_are_skipped(step):
    rows = [np.array([1000 * r, 2, 3], "<u2").tobytes().ljust(step, b"\xff") for r in (1, 2)]
    depth = decode_depth(b"".join(rows), "16UC1", 3, 2, step, False)
    np.testing.assert_allclose(depth, [[1, 0.002, 0.003], [2, 0.002, 0.003]], rtol=1e-6)


def test_the_last_row_needs_no_padding():
    data = b"\x01\x00".ljust(8, b"\0") + b"\x02\x00"
    assert decode_depth(data, "16UC1", 1, 2, 8, False).shape == (2, 1)


@pytest.mark.parametrize("wrap", [bytearray, memoryview, lambda b: np.frombuffer(b, np.uint8)])
def test_any_buffer_is_read(wrap):
    data = np.array([[7, 8]], "<u2").tobytes()
    np.testing.assert_allclose(
        decode_depth(wrap(data), "16UC1", 2, 1, 4, False), [[0.007, 0.008]], rtol=1e-6
    )


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        pytest.param({"encoding": "rgb8"}, "'rgb8' is not supported", id="wrong encoding"),
        pytest.param({"step": 7}, "step is 7 bytes; 4 pixels", id="small step"),
        pytest.param({"step": 0}, "step is 0", id="zero step"),
        pytest.param({"data": b"abc"}, "has 3 bytes", id="short data"),
        pytest.param({"data": b""}, "has 0 bytes", id="empty data"),
        pytest.param({"width": 0}, "positive size", id="no columns"),
        pytest.param({"height": -1}, "positive size", id="negative rows"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_refused_with_the_reason(change, reason):
    message = {
        "data": bytes(24), "encoding": "16UC1", "width": 4, "height": 3, "step": 8,
        "is_bigendian": False,
    }  # fmt: skip
    with pytest.raises(GraphError, match=reason):
        decode_depth(**{**message, **change})


def test_depth_of_half_the_size_is_scaled_by_the_nearest_pixel():
    aligned = align_depth(np.float32([[1, 2], [3, NAN]]), 4, 4)
    np.testing.assert_array_equal(aligned[0], [1, 1, 2, 2])
    np.testing.assert_array_equal(aligned[3], np.float32([3, 3, NAN, NAN]))


def test_another_aspect_ratio_is_refused():
    with pytest.raises(GraphError, match="aspect ratios differ"):
        align_depth(np.ones((480, 640), np.float32), 1280, 720)


def test_intrinsics_relate_another_field_of_view():
    depth = np.arange(1, 17, dtype=np.float32).reshape(4, 4)
    wide = Intrinsics(2, 2, 1.5, 1.5, 4, 4)
    narrow = Intrinsics(4, 4, 1.5, 1.5, 4, 4)
    aligned = align_depth(depth, 4, 4, depth_intrinsics=wide, colour_intrinsics=narrow)
    np.testing.assert_array_equal(np.unique(aligned), [6, 7, 10, 11])
    outside = align_depth(depth, 4, 4, depth_intrinsics=narrow, colour_intrinsics=wide)
    assert np.isnan(outside[0, 0]) and outside[1, 1] == 1
