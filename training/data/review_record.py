"""``review.json``: the keyframes of a recording, what the model said, what a person decided."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from spacesgg_ros.graph import BoxPx, Extent3D, Intrinsics

from .from_bag_geometry import VERDICTS, measure_frame

FORMAT = 1
FILE = "review.json"
DECISIONS = ("open", "keep", "reject")
FRAME_DECISIONS = ("open", "accepted", "rejected")


class ReviewError(ValueError):
    """A review folder or a decision that cannot be used; says what was expected."""


@dataclass
class ReviewObject:
    """A box with a name.

    Attributes:
        track: the same thing in other frames; 0: drawn by a person and not followed.
        model_label: what the model called it; empty where it did not name it here.
        box_px: x_min, y_min, x_max, y_max, pixels.
        origin: "model", "track" (seen before, carried here by optical flow) or "person".
        status: "keep" or "doubt", by the checks; ``reasons`` for a doubt.
        decision: one of :data:`DECISIONS`, by a person.
        distance_m: median depth; size_m: sides along the camera's axes. None: no depth.
    """

    id: int
    track: int
    label: str
    box_px: list[float]
    model_label: str = ""
    origin: str = "model"
    status: str = "keep"
    reasons: list[str] = field(default_factory=list)
    decision: str = "open"
    distance_m: float | None = None
    size_m: list[float] | None = None

    @property
    def box(self) -> BoxPx:
        """``box_px`` as the geometry takes it."""
        x0, y0, x1, y1 = self.box_px
        return (x0, y0, x1, y1)


@dataclass
class ReviewRelation:
    """An edge between two object ids. ``source``: a RelationSource in lower case."""

    subject: int
    predicate: str
    object: int
    source: str
    status: str = "keep"
    reason: str = ""
    decision: str = "open"

    @property
    def key(self) -> tuple[int, str, int]:
        return (self.subject, self.predicate, self.object)


@dataclass
class ReviewFrame:
    """A keyframe. ``intrinsics``: fx, fy, cx, cy in pixels; ``said``: the model's relations.

    ``images/KEY.jpg`` is its picture, ``depth/KEY.png`` its depth (16 bit, millimetres, 0: none).
    """

    key: str
    stamp_ns: int
    width: int
    height: int
    intrinsics: list[float]
    decision: str = "open"
    objects: list[ReviewObject] = field(default_factory=list)
    said: list[list[Any]] = field(default_factory=list)
    relations: list[ReviewRelation] = field(default_factory=list)

    @property
    def camera(self) -> Intrinsics:
        fx, fy, cx, cy = self.intrinsics
        return Intrinsics(fx, fy, cx, cy, self.width, self.height)

    def object_by_id(self, object_id: int) -> ReviewObject | None:
        """The object, None where there is none."""
        return next((o for o in self.objects if o.id == object_id), None)

    def measure(self, depth_m: np.ndarray) -> dict[int, Extent3D | None]:
        """Sizes, distances and relations anew; a relation keeps the decision made about it.

        Rejected objects take no part: they are not there.

        Returns:
            The extents of the others by id.
        """
        boxes = {o.id: o.box for o in self.objects if o.decision != "reject"}
        measured = measure_frame(depth_m, self.camera, boxes, [tuple(r) for r in self.said])
        for o in self.objects:
            extent = measured.extents.get(o.id)
            o.distance_m = None if extent is None else round(extent.depth_median_m, 3)
            o.size_m = None if extent is None else [round(v, 3) for v in extent.size]
        decided = {r.key: r.decision for r in self.relations}
        self.relations = []
        for r in measured.relations:
            status, reason = VERDICTS[r.source]
            key = (r.subject_id, r.predicate, r.object_id)
            source = r.source.name.lower()
            self.relations.append(
                ReviewRelation(*key, source, status, reason, decided.get(key, "open"))
            )
        return measured.extents


@dataclass
class Review:
    """A whole review folder.

    Attributes:
        bag: name of the recording. model: who labelled it.
        labels: names the model knows, for suggestions.
        counts: frames of the recording by fate. bad: ``[stamp_ns, reason]`` of unusable ones.
    """

    bag: str
    model: str
    labels: list[str] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)
    bad: list[list[Any]] = field(default_factory=list)
    frames: list[ReviewFrame] = field(default_factory=list)
    format: int = FORMAT

    def save(self, folder: Path) -> None:
        """Write ``review.json`` whole or not at all."""
        write_whole(folder / FILE, json.dumps(asdict(self), indent=0).encode())

    @staticmethod
    def load(folder: Path) -> Review:
        """Read ``review.json`` of a folder.

        Raises:
            ReviewError: there is none, or it is not one of ours.
        """
        path = folder / FILE
        if not path.is_file():
            raise ReviewError(
                f"no {FILE} in {folder}: make one with `spacesgg data from-bag BAG --out {folder}`"
            )
        try:
            data = json.loads(path.read_text())
            if data["format"] != FORMAT:
                raise ReviewError(f"{path} has format {data['format']}, expected {FORMAT}")
            frames = [_read_frame(f) for f in data["frames"]]
            return Review(**{**data, "frames": frames})
        except (KeyError, TypeError, ValueError) as error:
            if isinstance(error, ReviewError):
                raise
            raise ReviewError(f"{path} is not a review: {error!r}") from error


def _read_frame(data: dict[str, Any]) -> ReviewFrame:
    objects = [ReviewObject(**o) for o in data["objects"]]
    relations = [ReviewRelation(**r) for r in data["relations"]]
    return ReviewFrame(**{**data, "objects": objects, "relations": relations})


def write_whole(path: Path, payload: bytes) -> None:
    """Replace a file so that a reader, or a crash, sees the old or the new one, nothing between."""
    temporary = path.with_name(path.name + ".tmp")
    with temporary.open("wb") as file:
        file.write(payload)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


def image_path(folder: Path, key: str) -> Path:
    """The picture of a keyframe."""
    return folder / "images" / f"{key}.jpg"


def depth_path(folder: Path, key: str) -> Path:
    """The depth of a keyframe."""
    return folder / "depth" / f"{key}.png"


def write_depth(path: Path, depth_m: np.ndarray) -> None:
    """``(H, W)`` metres, NaN where there is no reading, as 16-bit PNG in millimetres."""
    millimetres = np.clip(np.nan_to_num(depth_m * 1000.0), 0, 65535).round().astype(np.uint16)
    write_whole(path, cv2.imencode(".png", millimetres)[1].tobytes())


def read_depth(path: Path) -> np.ndarray:
    """``(H, W)`` float32 metres, NaN where there is no reading.

    Raises:
        ReviewError: the file is missing or no depth picture.
    """
    raw = cv2.imread(str(path), cv2.IMREAD_UNCHANGED) if path.is_file() else None
    if raw is None or raw.ndim != 2 or raw.dtype != np.uint16:
        raise ReviewError(f"{path} is not a 16-bit depth picture")
    depth_m = raw.astype(np.float32) / 1000
    depth_m[raw == 0] = np.nan
    return depth_m


def check_box(box: Iterable[float], width: int, height: int) -> list[float]:
    """A box clipped to the picture, to a tenth of a pixel.

    Raises:
        ReviewError: not four finite numbers, or smaller than 3 pixels in the picture.
    """
    values = list(box)
    if len(values) != 4 or not all(
        isinstance(v, (int, float)) and not isinstance(v, bool) and abs(v) < 1e6 for v in values
    ):
        raise ReviewError(f"a box is [x_min, y_min, x_max, y_max] in pixels, not {values}")
    x0, y0 = max(0.0, values[0]), max(0.0, values[1])
    x1, y1 = min(float(width), values[2]), min(float(height), values[3])
    if x1 - x0 < 3 or y1 - y0 < 3:
        raise ReviewError("a box needs at least 3 pixels inside the picture")
    return [round(v, 1) for v in (x0, y0, x1, y1)]
