"""A single RGB-D picture as a recording of a camera that stands still."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from spacesgg_ros.demo import DemoError
from spacesgg_ros.demo.bag_writer import BagFrame, write_bag
from spacesgg_ros.graph.types import GraphError, Intrinsics


@dataclass(frozen=True)
class StillFrame:
    """``rgb`` ``(H, W, 3)`` uint8, ``depth_m`` ``(H, W)`` float32 metres, NaN: no reading."""

    rgb: np.ndarray
    depth_m: np.ndarray
    intrinsics: Intrinsics


def read_still(rgb: Path, depth: Path, intrinsics: str) -> StillFrame:
    """Read a colour picture and its depth (16-bit PNG in millimetres or ``.npy`` in metres).

    Args:
        intrinsics: ``"fx,fy,cx,cy"`` in pixels.

    Raises:
        DemoError: a file is missing or of another kind, or the two differ in size.
    """
    bgr = _read(rgb, cv2.IMREAD_COLOR)
    height, width = bgr.shape[:2]
    try:
        fx, fy, cx, cy = (float(part) for part in intrinsics.split(","))
        camera = Intrinsics(fx, fy, cx, cy, width, height)
    except GraphError as error:
        raise DemoError(str(error)) from error
    except ValueError as error:
        raise DemoError(f"intrinsics {intrinsics!r}: expected four numbers fx,fy,cx,cy") from error
    if depth.suffix == ".npy":
        metres = _read_metres(depth)
    else:
        raw = _read(depth, cv2.IMREAD_UNCHANGED)
        if raw.ndim != 2 or raw.dtype != np.uint16:
            raise DemoError(
                f"{depth}: expected one channel of 16 bits (millimetres), found "
                f"{raw.shape} {raw.dtype}"
            )
        metres = np.where(raw > 0, raw * np.float32(1e-3), np.float32(np.nan))
    if metres.shape != (height, width):
        raise DemoError(
            f"depth is {metres.shape[1]}x{metres.shape[0]}, colour {width}x{height}; they must be "
            "of the same pixels"
        )
    return StillFrame(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB), metres, camera)


def record_still(
    path: Path,
    still: StillFrame,
    frames: int = 30,
    rate_hz: float = 15.0,
    frame_id: str = "camera_optical_frame",
) -> None:
    """Write ``frames`` copies of ``still`` to a new MCAP file.

    Raises:
        DemoError: the file exists already.
    """
    period_ns = round(1e9 / rate_hz)
    write_bag(
        path,
        (
            BagFrame(1_000_000_000 + index * period_ns, still.rgb, still.depth_m)
            for index in range(frames)
        ),
        still.intrinsics,
        frame_id,
    )


def _read(path: Path, flags: int) -> np.ndarray:
    if not path.is_file():
        raise DemoError(f"no file {path}")
    pixels = (
        cv2.imdecode(np.frombuffer(path.read_bytes(), np.uint8), flags)
        if (path.stat().st_size)
        else None
    )
    if pixels is None:
        raise DemoError(f"{path} is no picture that OpenCV reads")
    return pixels


def _read_metres(path: Path) -> np.ndarray:
    try:
        metres = np.load(path, allow_pickle=False)
    except (OSError, ValueError) as error:
        raise DemoError(f"cannot read {path}: {error}") from error
    if metres.ndim != 2 or metres.dtype.kind != "f":
        raise DemoError(
            f"{path}: expected (H, W) floats in metres, found {metres.shape} {metres.dtype}"
        )
    return metres.astype(np.float32)
