"""Reviewed frames to training rows, the last part of the recording held out."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from spacesgg_ros.graph import INVERSES

from .instructions import InstructionConfig, frame_rows
from .review_record import (
    Review,
    ReviewError,
    ReviewFrame,
    ReviewObject,
    depth_path,
    image_path,
    read_depth,
)
from .rows import TASKS, Row
from .targets import FrameError, FrameRecord

_BORDER_SHIFT = 0.1
_DIRECTIONS = frozenset({"behind", "in front of", "to the left of", "to the right of"})


@dataclass
class AcceptedRows:
    """What came out of a review.

    Attributes:
        train, held_out: rows. train_frames, held_out_frames: keys of their frames.
        bad: ``(key, reason)`` of accepted frames that give no rows.
        labels: how often each class occurs in the training frames.
    """

    train: list[Row] = field(default_factory=list)
    held_out: list[Row] = field(default_factory=list)
    train_frames: list[str] = field(default_factory=list)
    held_out_frames: list[str] = field(default_factory=list)
    bad: list[tuple[str, str]] = field(default_factory=list)
    labels: Counter[str] = field(default_factory=Counter)


def accept_review(
    folder: Path, root: Path, holdout: float, mirror: bool, tasks: Sequence[str] = TASKS
) -> AcceptedRows:
    """Rows of a review's accepted frames.

    Args:
        root: folder that the rows' image paths are relative to.
        holdout: share of the frames, the latest ones, kept for testing.
        mirror: each training frame a second time, seen in a mirror.
        tasks: what rows to make of each frame.

    Raises:
        ReviewError: there is no review, or nothing is accepted.
    """
    review = Review.load(folder)
    accepted = [f for f in review.frames if f.decision == "accepted"]
    if not accepted:
        raise ReviewError(
            f"no accepted frame in {folder} ({len(review.frames)} keyframes): decide with "
            f"`spacesgg data review {folder}`"
        )
    rows = AcceptedRows()
    train, held_out = split_by_time(accepted, holdout)
    source = f"bag/{review.bag}"
    for frames, target, keys, mirrored in (
        (train, rows.train, rows.train_frames, mirror),
        (held_out, rows.held_out, rows.held_out_frames, False),
    ):
        config = InstructionConfig(tasks=tuple(tasks), mirror=mirrored)
        for frame in frames:
            image = Path(os.path.relpath(image_path(folder, frame.key), root)).as_posix()
            try:
                record = reviewed_record(frame, read_depth(depth_path(folder, frame.key)))
                target += frame_rows(record, image, source, config)
            except (ReviewError, FrameError) as error:
                rows.bad.append((frame.key, str(error)))
                continue
            keys.append(frame.key)
            if frames is train:
                rows.labels.update(o["label"] for o in record["objects"])
    return rows


def kept_objects(frame: ReviewFrame) -> list[ReviewObject]:
    """The objects of an accepted frame: all but the rejected."""
    return [o for o in frame.objects if o.decision != "reject"]


def reviewed_record(frame: ReviewFrame, depth_m: np.ndarray) -> FrameRecord:
    """A reviewed frame as a record of the rendered kind, positions and relations from depth.

    Objects without depth stand at the median distance of the others, so that near-to-far order
    has a place for them; they are related to nothing. Relations: those measured, and those of
    the model that depth confirms or a person kept; where depth disagrees or cannot tell, only a
    person's "keep" counts. Directions are told from both sides, "next to" only where no
    direction holds, as in rendered truth.

    Raises:
        ReviewError: no object is left.
    """
    objects = kept_objects(frame)
    if not objects:
        raise ReviewError("no object is left in it")
    extents = frame.measure(depth_m)
    known = [e for e in (extents[o.id] for o in objects) if e is not None]
    usual = float(np.median([e.depth_median_m for e in known])) if known else 1.0
    described: list[dict[str, Any]] = []
    for o in objects:
        x0, y0, x1, y1 = o.box_px
        box = [int(x0), int(y0), min(round(x1), frame.width), min(round(y1), frame.height)]
        extent = extents[o.id]
        entry: dict[str, Any] = {"index": o.id, "label": o.label, "box_px": box}
        if extent is None:
            entry["depth_m"] = [round(usual, 4)] * 3
        else:
            low, middle, high = sorted(
                (extent.depth_min_m, extent.depth_median_m, extent.depth_max_m)
            )
            entry["depth_m"] = [round(v, 4) for v in (low, middle, high)]
            entry["position_camera"] = [round(v, 4) for v in extent.position]
            entry["size_camera"] = [round(v, 4) for v in extent.size]
        described.append(entry)
    return {
        "key": frame.key,
        "kind": "recorded",
        "width": frame.width,
        "height": frame.height,
        "intrinsics": list(frame.intrinsics),
        "objects": described,
        "relations": kept_relations(frame),
        "ambiguous": [],
    }


def kept_relations(frame: ReviewFrame) -> list[list[Any]]:
    """``[subject id, predicate, object id]`` that hold in a reviewed frame."""
    held = [
        r.key
        for r in frame.relations
        if r.decision == "keep" or (r.decision == "open" and r.status == "keep")
    ]
    refused = {r.key for r in frame.relations if r.decision == "reject"}
    for s, predicate, o in list(held):
        inverse = INVERSES.get(predicate)
        # "under" what lies on it is said by the other object already.
        if inverse is not None and predicate != "on" and (o, inverse, s) not in refused:
            held.append((o, inverse, s))
    directed = {(s, o) for s, predicate, o in held if predicate in _DIRECTIONS}
    return [
        list(key)
        for key in dict.fromkeys(held)
        if not (key[1] == "next to" and (key[0], key[2]) in directed)
    ]


def split_by_time(
    frames: Sequence[ReviewFrame], holdout: float
) -> tuple[list[ReviewFrame], list[ReviewFrame]]:
    """Earlier frames to train on and the last ``holdout`` of them to test with.

    The border moves by up to a tenth of the frames to where the fewest things are seen on both
    sides of it: pictures of one arrangement should not be on both.

    Raises:
        ReviewError: ``holdout`` is not in 0..0.9, or leaves nothing to train on.
    """
    if not 0 <= holdout <= 0.9:
        raise ReviewError(f"holdout is a share from 0 to 0.9; got {holdout}")
    ordered = sorted(frames, key=lambda f: f.stamp_ns)
    if holdout == 0:
        return ordered, []
    wanted = round(len(ordered) * (1 - holdout))
    reach = round(len(ordered) * _BORDER_SHIFT)
    borders = range(max(1, wanted - reach), min(len(ordered) - 1, wanted + reach) + 1)
    if not borders:
        raise ReviewError(f"{len(ordered)} accepted frames are too few to hold some out")

    def shared(border: int) -> int:
        return len(_tracks(ordered[:border]) & _tracks(ordered[border:]))

    best = min(borders, key=lambda border: (shared(border), abs(border - wanted)))
    return ordered[:best], ordered[best:]


def _tracks(frames: Iterable[ReviewFrame]) -> set[int]:
    return {o.track for f in frames for o in f.objects if o.track}
