"""Why something that came in did not go on: one reason each, all of them counted."""

from __future__ import annotations

import enum
import threading
from collections import Counter


class Drop(enum.Enum):
    """A reason; the value is its key in ``/diagnostics`` (``drops.*``, or ``skipped.*`` for those
    in EXPECTED) and in the demo's summary.

    ``frame_*``: a colour image gave no graph. ``depth_*``: a depth image was not used (the graph
    may still come, as 2D). ``info_*``: the camera's calibration was not used. ``keyframe_*``:
    the model did not read an image, or its answer came too late.
    """

    FRAME_NO_STAMP = "frame_no_stamp"  # header.stamp is zero
    FRAME_OUT_OF_ORDER = "frame_out_of_order"  # older than one already seen
    FRAME_DUPLICATE = "frame_duplicate_stamp"
    FRAME_NO_DEPTH = "frame_without_depth"  # depth flows, none within the slop
    FRAME_QUEUE_FULL = "frame_queue_full"  # waited for depth longer than the queue is
    FRAME_TIME_JUMP = "frame_before_time_jump"  # waited when the clock jumped back
    FRAME_SUPERSEDED = "frame_superseded"  # the camera is faster than the node
    FRAME_BAD_IMAGE = "frame_bad_image"  # empty, wrong step, unknown encoding, not a JPEG...
    FRAME_REFUSED = "frame_refused"  # the graph cannot be made of it

    DEPTH_NO_STAMP = "depth_no_stamp"
    DEPTH_OUT_OF_ORDER = "depth_out_of_order"
    DEPTH_DUPLICATE = "depth_duplicate_stamp"
    DEPTH_UNUSED = "depth_without_frame"
    DEPTH_TIME_JUMP = "depth_before_time_jump"
    DEPTH_BAD_IMAGE = "depth_bad_image"
    DEPTH_NOT_ALIGNED = "depth_not_aligned"  # other shape or other frame than colour

    INFO_MISSING = "info_missing"  # no camera_info yet
    INFO_INVALID = "info_invalid"  # NaN, not positive...
    INFO_WRONG_SIZE = "info_wrong_size"  # another aspect than the image

    KEYFRAME_TOO_OLD = "keyframe_too_old"
    KEYFRAME_SUPERSEDED = "keyframe_superseded"  # a newer image came while the model was busy
    KEYFRAME_MODEL_FAILED = "keyframe_model_failed"
    KEYFRAME_DISCARDED = "keyframe_after_deactivate"
    KEYFRAME_FORGOTTEN = "keyframe_forgotten"  # its image is too far back to track from


# An image per frame that the model has no time for is how the node works, not a fault. These are
# reported as skipped.*, the others as drops.*.
EXPECTED = frozenset({Drop.KEYFRAME_SUPERSEDED, Drop.KEYFRAME_DISCARDED, Drop.DEPTH_UNUSED})


class DropCounters:
    """Thread-safe counts by reason, with the last words said about each."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: Counter[Drop] = Counter()
        self._details: dict[Drop, str] = {}

    def add(self, reason: Drop, detail: str = "", count: int = 1) -> None:
        if count <= 0:
            return
        with self._lock:
            self._counts[reason] += count
            if detail:
                self._details[reason] = detail

    def counts(self) -> dict[Drop, int]:
        """A copy; reasons that never occurred are absent."""
        with self._lock:
            return dict(self._counts)

    def detail(self, reason: Drop) -> str:
        """What was seen the last time, empty if nothing was said."""
        with self._lock:
            return self._details.get(reason, "")

    def __getitem__(self, reason: Drop) -> int:
        with self._lock:
            return self._counts[reason]
