"""Image messages to arrays: what a camera sends becomes pixels or a reason, never an exception.

Takes anything with the fields of sensor_msgs/Image, CompressedImage and CameraInfo; imports no
ROS. Raw images that are rgb8 come out as a view of the message's memory: no copy.
"""

from __future__ import annotations

import struct
import sys
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import cv2
import numpy as np

from spacesgg_ros.graph import GraphError, Intrinsics, decode_depth
from spacesgg_ros.node.drops import Drop

_PNG_MAGIC = b"\x89PNG\r\n\x1a\n"
_COMPRESSED_DEPTH = struct.Struct("<iff")
"""compressed_depth_image_transport's header: format, depth quantisation A and B."""

# Encoding: samples a pixel, sample type, how it becomes RGB (None: it is).
# OpenCV names a Bayer pattern by its second row, ROS by its first: rggb8 is "BG".
_COLOUR: dict[str, tuple[int, type, int | None]] = {
    "rgb8": (3, np.uint8, None),
    "bgr8": (3, np.uint8, cv2.COLOR_BGR2RGB),
    "8UC3": (3, np.uint8, cv2.COLOR_BGR2RGB),  # OpenCV's own order where nothing is said
    "rgba8": (4, np.uint8, cv2.COLOR_RGBA2RGB),
    "bgra8": (4, np.uint8, cv2.COLOR_BGRA2RGB),
    "8UC4": (4, np.uint8, cv2.COLOR_BGRA2RGB),
    "mono8": (1, np.uint8, cv2.COLOR_GRAY2RGB),
    "8UC1": (1, np.uint8, cv2.COLOR_GRAY2RGB),
    "mono16": (1, np.uint16, cv2.COLOR_GRAY2RGB),
    "bayer_rggb8": (1, np.uint8, cv2.COLOR_BayerBG2RGB),
    "bayer_bggr8": (1, np.uint8, cv2.COLOR_BayerRG2RGB),
    "bayer_gbrg8": (1, np.uint8, cv2.COLOR_BayerGR2RGB),
    "bayer_grbg8": (1, np.uint8, cv2.COLOR_BayerGB2RGB),
    "yuv422": (2, np.uint8, cv2.COLOR_YUV2RGB_UYVY),
    "uyvy": (2, np.uint8, cv2.COLOR_YUV2RGB_UYVY),
    "yuv422_yuy2": (2, np.uint8, cv2.COLOR_YUV2RGB_YUY2),
    "yuyv": (2, np.uint8, cv2.COLOR_YUV2RGB_YUY2),
}


class ImageLike(Protocol):
    """The fields of sensor_msgs/Image."""

    height: int
    width: int
    encoding: str
    is_bigendian: int
    step: int
    data: Any


class CompressedLike(Protocol):
    """The fields of sensor_msgs/CompressedImage."""

    format: str
    data: Any


class CameraInfoLike(Protocol):
    """The fields of sensor_msgs/CameraInfo that are used."""

    height: int
    width: int
    k: Any


@dataclass(frozen=True)
class Refusal:
    """Why a message gives nothing: the reason to count and a sentence for the operator."""

    reason: Drop
    detail: str


def read_colour(message: Any) -> np.ndarray | Refusal:
    """``(H, W, 3)`` uint8 RGB of an Image or CompressedImage; may be a view of the message."""
    if hasattr(message, "format"):
        return _read_compressed_colour(message)
    return _read_raw_colour(message)


def _read_raw_colour(message: ImageLike) -> np.ndarray | Refusal:
    layout = _COLOUR.get(message.encoding)
    if layout is None:
        return _read_through_cv_bridge(message)
    samples, sample_type, to_rgb = layout
    pixels = _view_pixels(message, samples, np.dtype(sample_type))
    if isinstance(pixels, Refusal):
        return pixels
    if sample_type is np.uint16:
        # Not a bare cast: a big-endian sample's high byte is where the dtype says it is.
        pixels = (pixels >> 8).astype(np.uint8)
    if to_rgb is None:
        return pixels
    odd = message.width % 2 or message.height % 2
    if odd and (message.encoding.startswith("bayer") or samples == 2):
        size = f"{message.width}x{message.height}"
        return _bad(f"{message.encoding} needs an even size; this image is {size}")
    return cv2.cvtColor(pixels, to_rgb)


def read_depth(message: Any) -> np.ndarray | Refusal:
    """``(H, W)`` float32 metres of an Image or CompressedImage, NaN: no reading (REP 117, 118)."""
    if hasattr(message, "format"):
        return _read_compressed_depth(message)
    try:
        return decode_depth(
            message.data,
            message.encoding,
            message.width,
            message.height,
            message.step,
            bool(message.is_bigendian),
        )
    except GraphError as error:
        return Refusal(Drop.DEPTH_BAD_IMAGE, str(error))


def read_intrinsics(info: CameraInfoLike | None, width: int, height: int) -> Intrinsics | Refusal:
    """Intrinsics for a ``width`` x ``height`` image; calibrations at another size are scaled."""
    if info is None:
        return Refusal(Drop.INFO_MISSING, "no camera_info has come: objects stay 2D")
    fx, _, cx, _, fy, cy, *_ = info.k
    # Some drivers leave the size 0 and mean the image's own.
    size = (info.width or width, info.height or height)
    try:
        intrinsics = Intrinsics(float(fx), float(fy), float(cx), float(cy), *size)
    except GraphError as error:
        return Refusal(Drop.INFO_INVALID, f"camera_info: {error}")
    if size == (width, height):
        return intrinsics
    if abs(size[0] * height - size[1] * width) > 0.01 * size[0] * height:
        return Refusal(
            Drop.INFO_WRONG_SIZE,
            f"camera_info is for {size[0]}x{size[1]}, the image is {width}x{height}: "
            "another aspect ratio, so it is not this camera's",
        )
    return intrinsics.scaled_to(width, height)


def _bad(detail: str) -> Refusal:
    return Refusal(Drop.FRAME_BAD_IMAGE, detail)


def _view_pixels(message: ImageLike, samples: int, dtype: np.dtype) -> np.ndarray | Refusal:
    """The message's pixels without a copy, ``(H, W, samples)`` or ``(H, W)`` for one sample."""
    width, height, step = message.width, message.height, message.step
    if width <= 0 or height <= 0:
        return _bad(f"the image is {width}x{height}: it has no pixels")
    row = width * samples * dtype.itemsize
    if step < row:
        return _bad(
            f"step is {step} bytes, {width} pixels of {message.encoding} need at least {row}"
        )
    available, needed = len(memoryview(message.data).cast("B")), step * (height - 1) + row
    if available < needed:
        return _bad(f"{available} bytes of data, {height} rows of step {step} need {needed}")
    order: Literal[">", "<"] = ">" if message.is_bigendian else "<"
    shape = (height, width) if samples == 1 else (height, width, samples)
    strides = (step, samples * dtype.itemsize, dtype.itemsize)[: len(shape)]
    pixels: np.ndarray = np.ndarray(
        shape, dtype.newbyteorder(order), buffer=message.data, strides=strides
    )
    return pixels


def _read_through_cv_bridge(message: ImageLike) -> np.ndarray | Refusal:
    """What is left: encodings that only cv_bridge knows, where it is installed."""
    known = ", ".join(_COLOUR)
    try:
        from cv_bridge import CvBridge, CvBridgeError
    except ImportError:
        seen = message.encoding
        return _bad(f"unknown colour encoding '{seen}'; known without cv_bridge: {known}")
    try:
        return np.asarray(CvBridge().imgmsg_to_cv2(message, "rgb8"))
    except (CvBridgeError, cv2.error) as error:
        return _bad(f"neither known ({known}) nor to cv_bridge: '{message.encoding}' ({error})")


def _read_compressed_colour(message: CompressedLike) -> np.ndarray | Refusal:
    data = np.frombuffer(message.data, np.uint8)
    pixels = _decode_picture(data, cv2.IMREAD_COLOR)
    if pixels is None:
        return _bad(f"{data.size} bytes of '{message.format}' are neither a JPEG nor a PNG")
    return cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB, dst=pixels)


def _decode_picture(data: np.ndarray, flags: int) -> np.ndarray | None:
    """The picture in ``(n,)`` uint8, None where there is none.

    cv2 answers None to most of what is no picture, but raises on an empty buffer and on a header
    that promises more pixels than it takes or memory holds.
    """
    try:
        return cv2.imdecode(data, flags) if data.size else None
    except cv2.error:
        return None


def _read_compressed_depth(message: CompressedLike) -> np.ndarray | Refusal:
    data = np.frombuffer(message.data, np.uint8)
    start = max(bytes(data[:64]).find(_PNG_MAGIC), 0)
    raw = _decode_picture(data[start:], cv2.IMREAD_UNCHANGED)
    if raw is None or raw.ndim != 2 or raw.dtype != np.uint16:
        seen = f"{data.size} bytes" if raw is None else f"{raw.dtype}, shape {raw.shape}"
        return Refusal(
            Drop.DEPTH_BAD_IMAGE,
            f"compressed depth must be a 16-bit PNG of one channel; '{message.format}' has {seen}",
        )
    if message.format.startswith("32FC1") and start >= _COMPRESSED_DEPTH.size:
        # Inverse depth, quantised: raw = A / depth + B; 0 is no reading.
        _, a, b = _COMPRESSED_DEPTH.unpack(bytes(data[: _COMPRESSED_DEPTH.size]))
        with np.errstate(divide="ignore", invalid="ignore"):
            depth_m = (a / (raw.astype(np.float32) - b)).astype(np.float32)
        depth_m[(raw == 0) | ~(depth_m > 0) | ~np.isfinite(depth_m)] = np.nan
        return depth_m
    height, width = raw.shape
    return decode_depth(raw, "16UC1", width, height, 2 * width, sys.byteorder == "big")
