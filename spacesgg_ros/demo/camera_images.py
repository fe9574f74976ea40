"""Recorded camera messages, compressed or raw, as the raw images a camera driver publishes."""

from __future__ import annotations

import array
import struct
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from spacesgg_ros.demo import DemoError

_PNG_MAGIC = b"\x89PNG\r\n\x1a\n"
_COMPRESSED_DEPTH_HEADER = struct.Struct("<iff")
"""image_transport's compressedDepth ConfigHeader: format, depth quantisation A and B."""


@dataclass(frozen=True)
class RawImage:
    """The payload of a ``sensor_msgs/Image``: ``data`` holds ``height`` rows of ``step`` bytes."""

    height: int
    width: int
    encoding: str
    is_bigendian: bool
    step: int
    data: array.array[int]


def raw_image(pixels: np.ndarray, encoding: str) -> RawImage:
    """``pixels`` ``(H, W[, C])``, native byte order, as the payload of an Image message."""
    pixels = np.ascontiguousarray(pixels)
    height, width = pixels.shape[:2]
    return RawImage(
        height, width, encoding, False, pixels.nbytes // max(height, 1), bytes_array(pixels)
    )


def bytes_array(buffer: Any) -> array.array[int]:
    """The bytes of ``buffer`` as ``array('B')``, the only type rclpy assigns without a loop."""
    data = array.array("B")
    data.frombytes(memoryview(buffer).cast("B"))
    return data


def decode_colour(data: Any) -> RawImage:
    """A JPEG or PNG colour image (any buffer of bytes) as rgb8.

    Raises:
        DemoError: the bytes are not an image.
    """
    bgr = _decode(data, cv2.IMREAD_COLOR, "colour")
    return raw_image(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB), "rgb8")


def decode_depth(data: Any, compressed_format: str) -> RawImage:
    """A compressed depth image as 16UC1 (millimetres) or 32FC1 (metres).

    Understands plain 16-bit PNG (``png``) and image_transport's ``compressedDepth``: a 12-byte
    header before the PNG, and, for 32FC1, inverse depth quantised as ``A / depth + B``.

    Raises:
        DemoError: not an image, or not 16 bits deep.
    """
    raw = bytes(data)
    start = raw.find(_PNG_MAGIC, 0, 64)
    pixels = _decode(raw[max(start, 0) :], cv2.IMREAD_UNCHANGED, "depth")
    if pixels.ndim != 2 or pixels.dtype != np.uint16:
        raise DemoError(
            f"a compressed depth image must be a 16-bit PNG with one channel; this one "
            f"({compressed_format!r}) has shape {pixels.shape} and type {pixels.dtype}"
        )
    if compressed_format.startswith("32FC1") and start >= _COMPRESSED_DEPTH_HEADER.size:
        _, scale, shift = _COMPRESSED_DEPTH_HEADER.unpack_from(raw)
        depth = np.full(pixels.shape, np.nan, np.float32)
        valid = pixels > 0
        depth[valid] = scale / (pixels[valid].astype(np.float32) - shift)
        return raw_image(depth, "32FC1")
    return raw_image(pixels, "16UC1")


def _decode(data: Any, flags: int, what: str) -> np.ndarray:
    buffer = np.frombuffer(data, np.uint8)
    # cv2 returns None on most of what is not an image, but raises on an empty buffer and on a
    # header that promises too many pixels.
    try:
        pixels = cv2.imdecode(buffer, flags) if buffer.size else None
    except cv2.error:
        pixels = None
    if pixels is None:
        raise DemoError(f"a {what} message of {buffer.size} bytes is not a JPEG or PNG image")
    return pixels
