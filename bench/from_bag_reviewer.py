"""A reviewer that knows the truth and decides through the review page's own API."""

from __future__ import annotations

import json
import urllib.request
from collections import Counter
from collections.abc import Mapping
from typing import Any

from spacesgg_ros.training.evaluate.matching import Labelled, match_objects

_GOOD_IOU = 0.75


class ScriptedReviewer:
    """Fixes names (a thing's whole track at once where it is met first), boxes and phantoms.

    ``actions`` counts what a person would have done, by kind.
    """

    def __init__(self, url: str, truth: Mapping[int, dict[str, Any]]) -> None:
        """Args: url: of the page. truth: frame records by stamp."""
        self._url = url
        self._truth = truth
        self._named: set[int] = set()
        self.actions: Counter[str] = Counter()

    def review_all(self) -> int:
        """Decide on every frame; returns how many were accepted."""
        with urllib.request.urlopen(self._url + "api/review", timeout=60) as answer:
            state = json.load(answer)
        self._frames = {f["key"]: f for f in state["frames"]}
        for key in list(self._frames):
            self._review_one(key)
        return sum(f["decision"] == "accepted" for f in self._frames.values())

    def _review_one(self, key: str) -> None:
        record = self._truth[self._frames[key]["stamp_ns"]]
        truth: list[Labelled] = [(o["label"], o["box_px"]) for o in record["objects"]]
        objects = [o for o in self._frames[key]["objects"] if o["decision"] != "reject"]
        boxes: list[Labelled] = [(o["label"], o["box_px"]) for o in objects]
        found = match_objects(boxes, truth, any_label=True)
        for (label, box), index in zip(truth, found, strict=True):
            if index is None:
                self._send(key, action="draw", box_px=list(box), label=label)
                continue
            o = objects[index]
            if o["label"] != label:
                whole = o["track"] not in self._named
                self._send(key, action="label", object=o["id"], label=label, track=whole)
            self._named.add(o["track"])
            if _iou(o["box_px"], box) < _GOOD_IOU:
                self._send(key, action="move", object=o["id"], box_px=list(box))
        used = set(found)
        for index, o in enumerate(objects):
            if index not in used:
                self._send(key, action="decide", object=o["id"], decision="reject")
        # What is still in doubt lies on a true object: the boxes above were all looked at.
        empty = not truth
        self._send(key, action="frame", decision="rejected" if empty else "accepted", doubts="keep")

    def _send(self, key: str, **action: Any) -> None:
        self.actions[action["action"]] += 1
        body = json.dumps({"frame": key, **action}).encode()
        request = urllib.request.Request(
            self._url + "api/decide", body, {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=60) as answer:
            for frame in json.load(answer)["frames"]:
                self._frames[frame["key"]] = frame


def _iou(a: list[float], b: list[float]) -> float:
    across = min(a[2], b[2]) - max(a[0], b[0])
    down = min(a[3], b[3]) - max(a[1], b[1])
    shared = max(across, 0.0) * max(down, 0.0)
    areas = sum((x1 - x0) * (y1 - y0) for x0, y0, x1, y1 in (a, b))
    return shared / max(areas - shared, 1e-9)
