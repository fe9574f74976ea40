"""Truth beside model, frame by frame, on one contact sheet."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

from .frames import TestFrame
from .scores import EXCUSED, RIGHT, FrameScore

WORST, TYPICAL = KINDS = ("worst", "typical")
MOST_BYTES = 300_000

_CELL = (480, 360)
_CAPTION_PX = 26
_FONT = cv2.FONT_HERSHEY_SIMPLEX
_TEXT = 0.42
# RGB, chosen to differ in brightness too.
_GREEN, _RED, _ORANGE, _GREY = (70, 225, 90), (255, 105, 105), (255, 190, 40), (190, 190, 190)
_WHITE = (235, 235, 235)


class _Mark(NamedTuple):
    label: str
    box: Sequence[float]
    colour: tuple[int, int, int]


def pick_frames(scores: Sequence[FrameScore], kind: str, count: int) -> list[FrameScore]:
    """The ``count`` worst or middle frames by F1 of objects, one view a scene.

    Raises:
        ValueError: an unknown kind.
    """
    if kind not in KINDS:
        raise ValueError(f"unknown kind of frames {kind!r}; one of {', '.join(KINDS)}")
    ranked = sorted(scores, key=lambda score: (object_f1(score), score.key))
    one_a_scene = list({score.scene: score for score in reversed(ranked)}.values())[::-1]
    start = max(0, (len(one_a_scene) - count) // 2) if kind == TYPICAL else 0
    return one_a_scene[start : start + count]


def sheet_name(split: str, kind: str) -> str:
    """File name of a contact sheet."""
    return f"{split}-{kind}.jpg"


def object_f1(score: FrameScore) -> float:
    """F1 of the frame's objects; 1 where there is nothing to find and nothing was said."""
    right = sum(p.verdict == RIGHT for p in score.predictions)
    asked = sum(p.verdict != EXCUSED for p in score.predictions)
    whole = asked + len(score.objects)
    return 2 * right / whole if whole else 1.0


def draw_pair(frame: TestFrame, score: FrameScore) -> np.ndarray:
    """Truth on the left (green found, orange misnamed, red missed), model on the right (green
    right, red wrong, grey not judged). ``(386, 960, 3)`` uint8 RGB."""
    truth, model = (cv2.resize(frame.rgb, _CELL, interpolation=cv2.INTER_CUBIC) for _ in range(2))
    scale = (_CELL[0] / frame.record["width"], _CELL[1] / frame.record["height"])
    marks = [
        _Mark(o.label, o.box, _GREEN if o.found else _ORANGE if o.called else _RED)
        for o in sorted(score.objects, key=lambda o: -o.side_px)
    ]
    _draw_boxes(truth, marks, scale)
    colours = {RIGHT: _GREEN, EXCUSED: _GREY}
    said = [_Mark(p.label, p.box, colours.get(p.verdict, _RED)) for p in score.predictions]
    _draw_boxes(model, said, scale)
    found = sum(o.found for o in score.objects)
    judged = sum(p.verdict != EXCUSED for p in score.predictions)
    right = sum(p.verdict == RIGHT for p in score.predictions)
    strip = np.full((_CAPTION_PX, 2 * _CELL[0], 3), 24, np.uint8)
    text = f"{score.key}   truth: {found} of {len(score.objects)} found"
    _write(strip, text, (8, 18), _WHITE)
    _write(strip, f"model: {right} of {judged} right", (_CELL[0] + 8, 18), _WHITE)
    return np.vstack([strip, np.hstack([truth, model])])


def draw_sheet(pairs: Sequence[np.ndarray], columns: int = 2) -> np.ndarray:
    """Pairs in rows of ``columns``, with a gap between; the last row may have empty places.

    Raises:
        ValueError: no pair.
    """
    if not pairs:
        raise ValueError("no frame to draw")
    gap, (height, width) = 6, pairs[0].shape[:2]
    rows = -(-len(pairs) // columns)
    columns = min(columns, len(pairs))
    sheet = np.full(
        (rows * height + (rows - 1) * gap, columns * width + (columns - 1) * gap, 3), 24, np.uint8
    )
    for k, pair in enumerate(pairs):
        y, x = (k // columns) * (height + gap), (k % columns) * (width + gap)
        sheet[y : y + height, x : x + width] = pair
    return sheet


def save_sheet(sheet: np.ndarray, path: Path, most_bytes: int = MOST_BYTES) -> None:
    """Write a JPEG of at most ``most_bytes``, in the best quality that fits."""
    path.parent.mkdir(parents=True, exist_ok=True)
    bgr = cv2.cvtColor(sheet, cv2.COLOR_RGB2BGR)
    for quality in range(88, 8, -8):
        jpeg = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
        if len(jpeg) <= most_bytes:
            break
    path.write_bytes(jpeg.tobytes())


def _draw_boxes(image: np.ndarray, marks: Sequence[_Mark], scale: tuple[float, float]) -> None:
    """Boxes first, names on top, each name where it hides the fewest others."""
    taken: list[tuple[int, int, int, int]] = []
    boxes = [tuple(round(v * scale[k % 2]) for k, v in enumerate(mark.box)) for mark in marks]
    for mark, (x0, y0, x1, y1) in zip(marks, boxes, strict=True):
        cv2.rectangle(image, (x0, y0), (x1 - 1, y1 - 1), mark.colour, 2, cv2.LINE_AA)
    for mark, (x0, y0, x1, y1) in zip(marks, boxes, strict=True):
        (width, height), base = cv2.getTextSize(mark.label, _FONT, _TEXT, 1)
        width, height = width + 6, height + base + 3
        spots = [(x0, y0 - height), (x0, y0), (x0, y1), (x1 - width, y0 - height), (x1 - width, y1)]
        places = []
        for x, y in spots:
            left = min(max(x, 0), max(image.shape[1] - width, 0))
            top = min(max(y, 0), max(image.shape[0] - height, 0))
            places.append((left, top, left + width, top + height))
        place = min(places, key=lambda rect: sum(_overlap(rect, other) for other in taken))
        taken.append(place)
        left, top, right, bottom = place
        cv2.rectangle(image, (left, top), (right - 1, bottom - 1), mark.colour, -1)
        _write(image, mark.label, (left + 3, bottom - base - 1), (16, 16, 16))


def _overlap(a: tuple[int, int, int, int], b: tuple[int, int, int, int]) -> int:
    return max(min(a[2], b[2]) - max(a[0], b[0]), 0) * max(min(a[3], b[3]) - max(a[1], b[1]), 0)


def _write(
    image: np.ndarray, text: str, place: tuple[int, int], colour: tuple[int, int, int]
) -> None:
    cv2.putText(image, text, place, _FONT, _TEXT, colour, 1, cv2.LINE_AA)
