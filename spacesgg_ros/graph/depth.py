"""Depth images: from message bytes to metres, and onto the colour image's grid."""

from __future__ import annotations

import numpy as np

from spacesgg_ros.graph.types import GraphError, Intrinsics

_MILLIMETRE = np.float32(0.001)
_ENCODINGS = {"16UC1": np.uint16, "mono16": np.uint16, "32FC1": np.float32}
_ASPECT_TOLERANCE = 0.01

DepthBuffer = bytes | bytearray | memoryview | np.ndarray


def decode_depth(
    data: DepthBuffer, encoding: str, width: int, height: int, step: int, is_bigendian: bool
) -> np.ndarray:
    """Depth message to metres; the unit follows from the encoding (REP 117, 118).

    Args:
        data: the rows, ``step`` bytes apart; any contiguous buffer.
        encoding: 16UC1 or mono16 (millimetres, 0 = no reading) or 32FC1 (metres).
        width, height: pixels.
        step: bytes from one row to the next, at least ``width`` times the pixel size.
        is_bigendian: byte order of the samples.

    Returns:
        ``(height, width)`` float32 metres; NaN for 0, NaN, infinities and negative values.
        Always a new array.

    Raises:
        GraphError: unknown encoding, no pixels, ``step`` too small or too little data.
    """
    if encoding not in _ENCODINGS:
        expected = ", ".join(_ENCODINGS)
        raise GraphError(f"depth encoding '{encoding}' is not supported; expected {expected}")
    if width <= 0 or height <= 0:
        raise GraphError(f"depth image is {width}x{height}; expected a positive size")
    dtype = np.dtype(_ENCODINGS[encoding]).newbyteorder(">" if is_bigendian else "<")
    row = width * dtype.itemsize
    if step < row:
        raise GraphError(
            f"depth step is {step} bytes; {width} pixels of {encoding} need at least {row}"
        )
    if isinstance(data, np.ndarray):
        buffer = np.ascontiguousarray(data).view(np.uint8).reshape(-1)
    else:
        buffer = np.frombuffer(data, np.uint8)
    available = buffer.size
    needed = step * (height - 1) + row
    if available < needed:
        raise GraphError(
            f"depth data has {available} bytes; {height} rows of step {step} need {needed}"
        )
    raw: np.ndarray = np.ndarray(
        (height, width), dtype, buffer=buffer, strides=(step, dtype.itemsize)
    )
    if dtype.kind == "u":
        depth_m: np.ndarray = np.multiply(raw, _MILLIMETRE, dtype=np.float32)
        depth_m[raw == 0] = np.nan
        return depth_m
    depth_m = raw.astype(np.float32)
    # Written so that a NaN compares false and stays NaN.
    valid = (depth_m > 0) & (depth_m < np.inf)
    depth_m[~valid] = np.nan
    return depth_m


def align_depth(
    depth_m: np.ndarray,
    width: int,
    height: int,
    *,
    depth_intrinsics: Intrinsics | None = None,
    colour_intrinsics: Intrinsics | None = None,
) -> np.ndarray:
    """Depth sampled on a ``width`` x ``height`` colour grid by the nearest pixel.

    With both intrinsics the grids are related by them (same optical centre and axes, as a
    registered depth image has); otherwise both must show the same field of view, which an
    equal aspect ratio is taken to mean. Values are never interpolated: a mean of foreground
    and background is a surface that is not there.

    Returns:
        ``(height, width)`` float32 metres, NaN outside the depth image's view; the input itself
        where it already has that size and no intrinsics say otherwise.

    Raises:
        GraphError: the aspect ratios differ and no intrinsics relate the grids.
    """
    rows, columns = depth_m.shape
    if depth_intrinsics is not None and colour_intrinsics is not None:
        source = depth_intrinsics.scaled_to(columns, rows)
        target = colour_intrinsics.scaled_to(width, height)
        u = (np.arange(width) - target.cx) / target.fx * source.fx + source.cx
        v = (np.arange(height) - target.cy) / target.fy * source.fy + source.cy
    elif (rows, columns) == (height, width):
        return depth_m
    elif same_aspect((columns, rows), (width, height)):
        u = (np.arange(width) + 0.5) * (columns / width) - 0.5
        v = (np.arange(height) + 0.5) * (rows / height) - 0.5
    else:
        raise GraphError(
            f"depth is {columns}x{rows}, colour {width}x{height}: aspect ratios differ and no "
            "camera_info of the depth image relates them; register depth to colour"
        )
    ui, vi = np.rint(u).astype(np.intp), np.rint(v).astype(np.intp)
    u_in, v_in = (ui >= 0) & (ui < columns), (vi >= 0) & (vi < rows)
    aligned: np.ndarray = depth_m[np.ix_(vi.clip(0, rows - 1), ui.clip(0, columns - 1))]
    aligned = aligned.astype(np.float32, copy=False)
    if not (u_in.all() and v_in.all()):
        aligned[~(v_in[:, None] & u_in[None, :])] = np.nan
    return aligned


def same_aspect(a: tuple[int, int], b: tuple[int, int]) -> bool:
    """Whether two ``(width, height)`` sizes have the same aspect ratio to within a percent."""
    return abs(a[0] * b[1] - a[1] * b[0]) <= _ASPECT_TOLERANCE * a[0] * b[1]
