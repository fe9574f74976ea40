"""A recorded RGB-D bag to a review folder: keyframes, the model's words, what depth says of them.

Two files carry the work. ``labels.jsonl`` grows by a line a keyframe as the model reads it, so
that an interrupted run goes on with the next one; ``review.json`` is written once at the end.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Protocol

import cv2
import numpy as np

from spacesgg_ros.demo.recording import Recording
from spacesgg_ros.graph import RGBDFrame, clip_box, decode_box, parse_graph
from spacesgg_ros.graph.text import UNKNOWN_NAME
from spacesgg_ros.graph.tracking import shrink_grey

from .from_bag_frames import (
    FrameCounts,
    FrameFate,
    KeyframeChooser,
    KeyframeConfig,
    intrinsics_list,
    read_frames,
)
from .from_bag_geometry import Sighting, check_object, check_track, find_twins
from .from_bag_tracks import ThingTracker
from .review_record import (
    FILE,
    Review,
    ReviewFrame,
    ReviewObject,
    depth_path,
    image_path,
    write_depth,
    write_whole,
)

LABELS_FILE = "labels.jsonl"
_MIN_SIDE_PX = 3.0
_JPEG_QUALITY = 95


class FromBagError(ValueError):
    """A recording or an output folder that cannot be used; says what was expected."""


class Written(Protocol):
    """What a model wrote."""

    text: str


class Labeller(Protocol):
    """The part of :class:`spacesgg_ros.vlm.SceneGraphModel` that labels."""

    model_id: str

    def write_graph(self, rgb: np.ndarray) -> Written:
        """The graph of an ``(H, W, 3)`` uint8 picture."""


@dataclass(frozen=True)
class Progress:
    """How far a run is: frames read of ``total`` in the recording, keyframes, of them labelled
    in an earlier run."""

    frames: int
    total: int
    keyframes: int
    resumed: int


@dataclass
class _Labels:
    """The texts of earlier keyframes by stamp, and the file that gets the next ones."""

    path: Path
    texts: dict[int, str] = field(default_factory=dict)

    @staticmethod
    def open(path: Path, source: dict[str, Any]) -> _Labels:
        labels = _Labels(path)
        if not path.exists():
            write_whole(path, (json.dumps(source) + "\n").encode())
            return labels
        # A run that was killed may have left half a line at the end; it is written again.
        lines = [line for line in path.read_text().split("\n")[:-1] if line]
        if not lines or json.loads(lines[0]) != source:
            raise FromBagError(
                f"{path.parent} holds keyframes of another recording, model or choice "
                f"({lines[0] if lines else 'nothing readable'}); name another --out"
            )
        for line in lines[1:]:
            entry = json.loads(line)
            labels.texts[int(entry["stamp_ns"])] = str(entry["text"])
        write_whole(path, "".join(line + "\n" for line in lines).encode())
        return labels

    def add(self, stamp_ns: int, text: str) -> None:
        self.texts[stamp_ns] = text
        with self.path.open("a") as file:
            file.write(json.dumps({"stamp_ns": stamp_ns, "text": text}) + "\n")


def build_review(
    recording: Recording,
    out: Path,
    labeller: Labeller,
    config: KeyframeConfig,
    known_labels: list[str],
    report: Callable[[Progress], None] = lambda progress: None,
) -> Review:
    """Write ``out/review.json`` with ``images/`` and ``depth/``; run again to go on.

    A folder whose review is complete is returned as it is: decisions are never overwritten.

    Args:
        known_labels: suggestions for the reviewer.

    Raises:
        FromBagError: no depth in the recording, no keyframe, or ``out`` holds something else.
    """
    if recording.topics.depth is None or recording.topics.camera_info is None:
        missing = "depth image" if recording.topics.depth is None else "camera_info"
        topics = ", ".join(sorted(recording.available))
        raise FromBagError(f"no {missing} topic in {recording.path.name}; its topics: {topics}")
    for folder in ("images", "depth"):
        (out / folder).mkdir(parents=True, exist_ok=True)
    source = {
        "bag": recording.path.name,
        "topics": asdict(recording.topics),
        "model": labeller.model_id,
        "keyframes": asdict(config),
    }
    labels = _Labels.open(out / LABELS_FILE, source)
    if (out / FILE).exists():
        return Review.load(out)
    review = Review(recording.path.name, labeller.model_id, sorted(known_labels))
    resumed = len(labels.texts)
    counts, tracker, chooser = FrameCounts(), ThingTracker(), KeyframeChooser(config)
    for seen, frame in enumerate(read_frames(recording, counts), start=1):
        grey, factor = shrink_grey(frame.rgb)
        tracker.advance(grey, factor)
        fate = chooser.judge(frame.stamp_ns, grey)
        counts.by_fate[fate] += 1
        if fate is FrameFate.KEYFRAME:
            if frame.stamp_ns not in labels.texts:
                labels.add(frame.stamp_ns, labeller.write_graph(frame.rgb).text)
            key = f"{len(review.frames):06d}"
            _store(out, key, frame)
            review.frames.append(read_keyframe(key, frame, labels.texts[frame.stamp_ns], tracker))
        report(Progress(seen, recording.image_count, len(review.frames), resumed))
        if config.limit and len(review.frames) >= config.limit:
            break
    if not review.frames:
        raise FromBagError(f"no usable frame in {recording.path.name}: {_say_why(counts)}")
    doubt_tracks(review.frames, tracker)
    review.counts = counts.to_dict()
    review.bad = [list(entry) for entry in counts.bad]
    review.save(out)
    return review


def _say_why(counts: FrameCounts) -> str:
    fates = ", ".join(f"{n} {fate}" for fate, n in counts.to_dict().items() if n)
    return f"{fates or 'no frames'}" + (f"; first: {counts.bad[0][1]}" if counts.bad else "")


def _store(out: Path, key: str, frame: RGBDFrame) -> None:
    assert frame.depth_m is not None
    picture = image_path(out, key)
    if not picture.exists():
        bgr = cv2.cvtColor(frame.rgb, cv2.COLOR_RGB2BGR)
        jpeg = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])[1]
        write_depth(depth_path(out, key), frame.depth_m)
        write_whole(picture, jpeg.tobytes())


def read_keyframe(key: str, frame: RGBDFrame, text: str, tracker: ThingTracker) -> ReviewFrame:
    """A keyframe with what the model wrote about it, measured and checked by itself.

    Args:
        tracker: advanced to this frame; it learns what the model named here.
    """
    assert frame.depth_m is not None and frame.intrinsics is not None
    height, width = frame.rgb.shape[:2]
    graph = parse_graph(text)
    objects: list[ReviewObject] = []
    ids: dict[int, int] = {}
    for index, named in enumerate(graph.objects):
        box = clip_box(decode_box(named.box, width, height), width, height)
        label = named.label.strip()
        if min(box[2] - box[0], box[3] - box[1]) < _MIN_SIDE_PX or label in ("", UNKNOWN_NAME):
            continue
        ids[index] = len(objects) + 1
        sides = [round(v, 1) for v in box]
        objects.append(ReviewObject(ids[index], 0, label, sides, model_label=label))
    tracks, proposals = tracker.name(
        [o.box for o in objects], [o.label for o in objects], width, height
    )
    for o, track in zip(objects, tracks, strict=True):
        o.track = track
    for track, label, box in proposals:
        sides = [round(v, 1) for v in box]
        objects.append(ReviewObject(len(objects) + 1, track, label, sides, origin="track"))
    said = [
        [ids[r.subject], r.predicate, ids[r.object]]
        for r in graph.relations
        if r.subject in ids and r.object in ids and r.subject != r.object
    ]
    review = ReviewFrame(
        key, frame.stamp_ns, width, height, intrinsics_list(frame.intrinsics), "open", objects, said
    )
    _doubt_by_depth(review, frame.depth_m)
    return review


def _doubt_by_depth(review: ReviewFrame, depth_m: np.ndarray) -> None:
    extents = review.measure(depth_m)
    twins = find_twins(
        {o.id: o.box for o in review.objects}, {o.id: o.label for o in review.objects}
    )
    for o in review.objects:
        o.reasons = check_object(depth_m, o.box, extents[o.id])
        if o.origin == "track":
            o.reasons.append("named in earlier pictures, not in this one")
        if o.id in twins:
            o.reasons.append(twins[o.id])
        o.status = "doubt" if o.reasons else "keep"


def doubt_tracks(frames: list[ReviewFrame], tracker: ThingTracker) -> None:
    """Add what a thing's whole track says to the checks of its single pictures."""
    by_track: dict[int, list[ReviewObject]] = {}
    for frame in frames:
        for o in frame.objects:
            if o.origin == "model":
                by_track.setdefault(o.track, []).append(o)
    for track_id, objects in by_track.items():
        track = tracker.tracks[track_id]
        sightings = [Sighting(o.label, max(o.size_m) if o.size_m else None) for o in objects]
        for o, reasons in zip(
            objects, check_track(sightings, track.hits, track.views), strict=True
        ):
            o.reasons += reasons
            o.status = "doubt" if o.reasons else "keep"
