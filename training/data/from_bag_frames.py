"""Keyframes of a recorded RGB-D camera: paired, aligned, chosen by motion, time and sharpness."""

from __future__ import annotations

import enum
from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import cv2
import numpy as np

from spacesgg_ros.demo.recording import CameraEvent, Recording
from spacesgg_ros.graph import Intrinsics, RGBDFrame, align_depth
from spacesgg_ros.graph.depth import same_aspect
from spacesgg_ros.node.drops import DropCounters
from spacesgg_ros.node.images import Refusal, read_colour, read_depth, read_intrinsics
from spacesgg_ros.node.pairing import FramePairer, Pair, PairingConfig

_NEVER_NS = 2**62
_CORNERS = 80
_MIN_CORNERS = 8
_MIN_FOUND = 0.3
_MAX_ROUND_TRIP_PX = 1.0
_RECENT = 15
_FLAT = 4.0


class FrameFate(enum.Enum):
    """What became of a frame of the bag."""

    KEYFRAME = "keyframe"
    DUPLICATE = "near-duplicate"
    BLURRED = "blurred"
    BAD = "bad"


@dataclass
class FrameCounts:
    """How many frames met which fate, and the bad ones with their reason."""

    by_fate: Counter[FrameFate] = field(default_factory=Counter)
    bad: list[tuple[int, str]] = field(default_factory=list)

    def add_bad(self, stamp_ns: int, reason: str) -> None:
        """One frame that gives no picture with depth."""
        self.by_fate[FrameFate.BAD] += 1
        self.bad.append((stamp_ns, reason))

    def to_dict(self) -> dict[str, int]:
        """Every fate by name."""
        return {fate.value: self.by_fate[fate] for fate in FrameFate}


def read_frames(recording: Recording, counts: FrameCounts) -> Iterator[RGBDFrame]:
    """Colour with its depth on the same pixels, in time order; what is unusable goes to ``counts``.

    Depth must be registered to colour (same TF frame and field of view), as the node wants it;
    another resolution is resampled to the colour image's.
    """
    info = next((recording.message(e) for e in _events(recording, "camera_info")), None)
    # An image without depth is listed as such: it never goes on alone.
    pairer: FramePairer[CameraEvent] = FramePairer(
        PairingConfig(depth_timeout_ns=_NEVER_NS), DropCounters()
    )
    waiting: dict[int, None] = {}
    for event in recording.events():
        if event.role == "camera_info":
            info = recording.message(event)
            continue
        if event.role == "image":
            waiting[event.time_ns] = None
            pairs = pairer.add_image(event.time_ns, event, event.time_ns)
        else:
            pairs = pairer.add_depth(event.time_ns, event, event.time_ns)
        for pair in pairs:
            waiting.pop(pair.stamp_ns, None)
            frame = _complete(recording, pair, info)
            if isinstance(frame, str):
                counts.add_bad(pair.stamp_ns, frame)
            else:
                yield frame
    for stamp_ns in waiting:
        why = "no depth image of the same moment, or out of order" if stamp_ns else "no stamp"
        counts.add_bad(stamp_ns, why)


def _events(recording: Recording, role: str) -> Iterator[CameraEvent]:
    return (event for event in recording.events() if event.role == role)


def _complete(recording: Recording, pair: Pair[CameraEvent], info: Any) -> RGBDFrame | str:
    """The frame, or why there is none."""
    image = recording.message(pair.image)
    rgb = read_colour(image)
    if isinstance(rgb, Refusal):
        return rgb.detail
    height, width = rgb.shape[:2]
    camera = read_intrinsics(info, width, height)
    if isinstance(camera, Refusal):
        return camera.detail
    assert pair.depth is not None  # the pairer never gives up on depth
    depth_message = recording.message(pair.depth)
    depth = read_depth(depth_message)
    if isinstance(depth, Refusal):
        return depth.detail
    colour_frame, depth_frame = image.header.frame_id, depth_message.header.frame_id
    if depth_frame and depth_frame != colour_frame:
        return (
            f"depth is in frame '{depth_frame}', colour in '{colour_frame}': record the camera's "
            "registered depth, or name it by --depth-topic"
        )
    if not same_aspect((depth.shape[1], depth.shape[0]), (width, height)):
        return (
            f"depth is {depth.shape[1]}x{depth.shape[0]}, colour {width}x{height}: another field "
            "of view; record the camera's registered depth"
        )
    aligned = align_depth(depth, width, height)
    return RGBDFrame(pair.stamp_ns, colour_frame, np.ascontiguousarray(rgb), aligned, camera)


@dataclass(frozen=True)
class KeyframeConfig:
    """Which frames are worth a look.

    Attributes:
        every_s: least time between two keyframes, seconds.
        motion: how far the picture must have moved since the last one, share of its width
            (median over corners).
        sharpness: a frame counts as blurred below this share of its neighbours' sharpness.
        limit: most keyframes; 0: no limit.
    """

    every_s: float = 0.5
    motion: float = 0.04
    sharpness: float = 0.5
    limit: int = 0

    def __post_init__(self) -> None:
        if self.every_s < 0 or not 0 <= self.motion < 1 or not 0 <= self.sharpness < 1:
            raise ValueError(
                "keyframes need every_s >= 0, motion and sharpness in 0..1; got "
                f"{self.every_s}, {self.motion}, {self.sharpness}"
            )


class KeyframeChooser:
    """Decides frame by frame; one pass, constant memory."""

    def __init__(self, config: KeyframeConfig) -> None:
        self.config = config
        self._recent: deque[float] = deque(maxlen=_RECENT)
        self._last: np.ndarray | None = None
        self._last_ns = 0

    def judge(self, stamp_ns: int, grey: np.ndarray) -> FrameFate:
        """The fate of the next frame.

        Args:
            grey: ``(h, w)`` uint8, small (:func:`spacesgg_ros.graph.tracking.shrink_grey`).
        """
        sharp = measure_sharpness(grey)
        usual = float(np.median(self._recent)) if self._recent else sharp
        self._recent.append(sharp)
        if self._last is not None:
            # A jump back in time is a bag that looped: its frames are judged as new ones.
            if 0 <= stamp_ns - self._last_ns < self.config.every_s * 1e9:
                return FrameFate.DUPLICATE
            if measure_motion(self._last, grey) < self.config.motion:
                return FrameFate.DUPLICATE
        if sharp < max(self.config.sharpness * usual, _FLAT):
            return FrameFate.BLURRED
        self._last, self._last_ns = grey, stamp_ns
        return FrameFate.KEYFRAME


def measure_sharpness(grey: np.ndarray) -> float:
    """Variance of the Laplacian of ``(h, w)`` uint8: high for fine detail, low for blur."""
    return float(cv2.Laplacian(grey, cv2.CV_32F).var())


def measure_motion(then: np.ndarray, now: np.ndarray) -> float:
    """How far the picture moved, median over corners, as a share of its width; 1: all is new.

    Corners are followed by optical flow and back; where too few survive, the view has changed.
    """
    if then.shape != now.shape:
        return 1.0
    corners = cv2.goodFeaturesToTrack(then, _CORNERS, 0.01, 6)
    if corners is None or len(corners) < _MIN_CORNERS:
        # Nothing to follow: compare the pictures themselves.
        return float(cv2.absdiff(then, now).mean()) / 255.0
    there, ok, _ = cv2.calcOpticalFlowPyrLK(then, now, corners, None, maxLevel=4)
    back, ok_back, _ = cv2.calcOpticalFlowPyrLK(now, then, there, None, maxLevel=4)
    error = np.abs(back - corners).reshape(-1, 2).max(axis=1)
    good = (ok.ravel() > 0) & (ok_back.ravel() > 0) & (error < _MAX_ROUND_TRIP_PX)
    if good.mean() < _MIN_FOUND:
        return 1.0
    moved = np.linalg.norm((there - corners).reshape(-1, 2)[good], axis=1)
    return float(np.median(moved)) / then.shape[1]


def intrinsics_list(camera: Intrinsics) -> list[float]:
    """``[fx, fy, cx, cy]`` in pixels, as frame records have it."""
    return [camera.fx, camera.fy, camera.cx, camera.cy]
