"""The same thing through a recording: the model's boxes, carried by optical flow and matched."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

import numpy as np

from spacesgg_ros.graph import box_iou, clip_box
from spacesgg_ros.graph.tracking import FlowTarget, follow, match_boxes
from spacesgg_ros.graph.types import BoxPx

_MAX_LOST_FRAMES = 6
_CUT_SHARE = 0.8
_MIN_VISIBLE = 0.6
_PROPOSE_HITS = 2
_MAX_PROPOSALS = 2
_SAME_PLACE = 0.4
_SIDE_PX = 8.0


@dataclass
class Track:
    """A thing that the model has named.

    Attributes:
        hits: keyframes in which the model named it. views: keyframes that showed its place.
        labels: what it was called, how often.
        missed: keyframes in a row that showed its place without the model naming it.
        lost: frames in a row in which flow found none of its points.
    """

    id: int
    target: FlowTarget
    label: str
    hits: int = 0
    views: int = 0
    labels: Counter[str] = field(default_factory=Counter)
    missed: int = 0
    lost: int = 0


class ThingTracker:
    """Gives the objects of successive keyframes their track. One recording, in time order."""

    def __init__(self) -> None:
        self.tracks: dict[int, Track] = {}
        self._alive: list[Track] = []
        self._previous: np.ndarray | None = None

    def advance(self, grey: np.ndarray, factor: float) -> None:
        """Move every box to the next frame of the recording, keyframe or not.

        Args:
            grey: ``(h, w)`` uint8; ``factor`` from full-resolution to its pixels.
        """
        if self._previous is not None and self._previous.shape != grey.shape:
            self._alive = []
        elif self._previous is not None:
            follow(self._previous, grey, factor, [t.target for t in self._alive])
            for track in self._alive:
                track.lost = 0 if track.target.found else track.lost + 1
            gone = sum(track.lost > 0 for track in self._alive)
            if len(self._alive) > 1 and gone >= _CUT_SHARE * len(self._alive):
                self._alive = []  # another scene: nothing was found again
            self._alive = [t for t in self._alive if t.lost <= _MAX_LOST_FRAMES]
        self._previous = grey

    def name(
        self, boxes: list[BoxPx], labels: list[str], width: int, height: int
    ) -> tuple[list[int], list[tuple[int, str, BoxPx]]]:
        """Take what the model named in the frame last advanced to.

        Returns:
            The track of each box, and ``(track, label, box)`` of things that were named in
            at least two earlier keyframes, should be in view, and were not named this time.
        """
        # A thing at the image's edge comes and goes; it is no evidence either way.
        seen = [t for t in self._alive if _visible_share(t.target.box, width, height) > 0]
        pairs = match_boxes(
            np.array([t.target.box for t in seen]).reshape(-1, 4),
            [t.label for t in seen],
            np.array(boxes, dtype=np.float64).reshape(-1, 4),
            labels,
        )
        ids = [0] * len(boxes)
        matched = set()
        for old, new in pairs:
            track = seen[old]
            track.target = FlowTarget(np.array(boxes[new], dtype=np.float64))
            ids[new] = track.id
            matched.add(track.id)
        for new, box in enumerate(boxes):
            if not ids[new]:
                target = FlowTarget(np.array(box, dtype=np.float64))
                track = Track(len(self.tracks) + 1, target, labels[new])
                self.tracks[track.id] = track
                self._alive.append(track)
                ids[new] = track.id
        for new, track_id in enumerate(ids):
            track = self.tracks[track_id]
            track.hits += 1
            track.views += 1
            track.missed = track.lost = 0
            track.labels[labels[new]] += 1
            track.label = track.labels.most_common(1)[0][0]
        missed = [t for t in seen if t.id not in matched]
        return ids, self._propose(missed, boxes, width, height)

    def _propose(
        self, missed: list[Track], named: list[BoxPx], width: int, height: int
    ) -> list[tuple[int, str, BoxPx]]:
        proposals: list[tuple[int, str, BoxPx]] = []
        taken = np.array(named, dtype=np.float64).reshape(-1, 4)
        for track in missed:
            if _visible_share(track.target.box, width, height) < _MIN_VISIBLE:
                continue
            track.views += 1
            track.missed += 1
            box = clip_box(tuple(track.target.box), width, height)
            big = min(box[2] - box[0], box[3] - box[1]) >= _SIDE_PX
            # Flow drifts: after a few keyframes the box is no longer worth a look.
            fresh = track.missed <= _MAX_PROPOSALS and track.lost == 0
            # Where the model has named something else, that is the word to judge.
            free = not (box_iou(np.array([box]), taken) > _SAME_PLACE).any()
            if track.hits >= _PROPOSE_HITS and fresh and big and free:
                proposals.append((track.id, track.label, box))
        return proposals


def _visible_share(box: np.ndarray, width: int, height: int) -> float:
    """Share of a box that lies inside the image."""
    x0, y0, x1, y1 = clip_box(tuple(box), width, height)
    area = float((box[2] - box[0]) * (box[3] - box[1]))
    return (x1 - x0) * (y1 - y0) / area if area > 0 else 0.0
