"""A contact sheet: what a rendered split looks like, with its boxes, at a glance."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from .dataset import read_shards

COLUMNS, ROWS = 6, 4
_TILE_PX = (280, 210)
_JPEG_QUALITY = 80
_LABELLED, _IGNORED = (80, 220, 80), (160, 160, 160)


def write_sheet(shards: list[Path], out: Path) -> None:
    """A picture of 24 frames spread over ``shards``: labelled boxes green, ignored ones grey.

    Raises:
        ValueError: there are no frames.
    """
    step = max(1, sum(1 for _ in read_shards(shards, images=False)) // (COLUMNS * ROWS))
    tiles: list[np.ndarray] = []
    for position, (record, files) in enumerate(read_shards(shards)):
        if position % step == 0 and len(tiles) < COLUMNS * ROWS:
            image = cv2.imdecode(np.frombuffer(files["jpg"], np.uint8), cv2.IMREAD_COLOR)
            tiles.append(draw_frame(record, image))
    if not tiles:
        raise ValueError(f"no frames in {len(shards)} shards")
    blank = np.zeros_like(tiles[0])
    tiles += [blank] * (-len(tiles) % COLUMNS)
    rows = [np.hstack(tiles[i : i + COLUMNS]) for i in range(0, len(tiles), COLUMNS)]
    cv2.imwrite(str(out), np.vstack(rows), [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])


def draw_frame(record: dict, bgr: np.ndarray) -> np.ndarray:
    """A frame scaled to a tile, ``(210, 280, 3)`` uint8 BGR, with boxes and labels."""
    scale = np.array(_TILE_PX) / (record["width"], record["height"])
    tile = cv2.resize(bgr, _TILE_PX, interpolation=cv2.INTER_AREA)
    for colour, objects in (
        (_IGNORED, record.get("ignored", [])),
        (_LABELLED, record["objects"]),
    ):
        for item in objects:
            x0, y0, x1, y1 = (np.array(item["box_px"]) * np.tile(scale, 2)).astype(int)
            cv2.rectangle(tile, (x0, y0), (x1 - 1, y1 - 1), colour, 1)
            font, size = cv2.FONT_HERSHEY_SIMPLEX, 0.33
            wide = cv2.getTextSize(item["label"], font, size, 1)[0][0]
            cv2.rectangle(tile, (x0, y0), (x0 + wide + 2, y0 + 11), (0, 0, 0), cv2.FILLED)
            cv2.putText(tile, item["label"], (x0 + 1, y0 + 9), font, size, colour, 1, cv2.LINE_AA)
    return tile
