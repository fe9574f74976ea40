"""Annotated pictures of a scene graph."""

from __future__ import annotations

import colorsys
import math

import cv2
import numpy as np

from spacesgg_ros.graph.types import RelationSource, SceneGraph, SceneObject

_FONT = cv2.FONT_HERSHEY_SIMPLEX
Colour = tuple[int, int, int]


def id_colour(object_id: int) -> Colour:
    """A bright RGB colour for an id; neighbouring ids lie far apart on the colour wheel."""
    hue = (object_id * 0.61803398875) % 1.0
    r, g, b = colorsys.hsv_to_rgb(hue, 0.75, 1.0)
    return (round(255 * r), round(255 * g), round(255 * b))


class _Labels:
    """Text chips, each moved to where it covers no earlier one."""

    def __init__(self, width: int, height: int, scale: float) -> None:
        self._width, self._height, self._scale = width, height, scale
        self._taken: list[tuple[int, int, int, int]] = []

    def reserve(self, x0: int, y0: int, x1: int, y1: int) -> None:
        self._taken.append((x0, y0, x1, y1))

    def place(
        self, text: str, spots: list[tuple[float, float]], scale: float
    ) -> tuple[int, int, int, int]:
        """Rectangle for the text with its top left at the first free spot, else the freest."""
        (w, h), base = cv2.getTextSize(text, _FONT, scale, 1)
        w, h = w + 6, h + base + 4
        best: tuple[float, tuple[int, int, int, int]] | None = None
        for x, y in spots:
            left = int(min(max(x, 0), max(self._width - w, 0)))
            top = int(min(max(y, 0), max(self._height - h, 0)))
            rect = (left, top, left + w, top + h)
            cost = sum(_overlap(rect, other) for other in self._taken)
            cost += 0.01 * math.hypot(left - x, top - y)
            if best is None or cost < best[0] - 1e-9:
                best = (cost, rect)
            if cost == 0:
                break
        assert best is not None
        self._taken.append(best[1])
        return best[1]


def _overlap(a: tuple[int, int, int, int], b: tuple[int, int, int, int]) -> float:
    return max(min(a[2], b[2]) - max(a[0], b[0]), 0) * max(min(a[3], b[3]) - max(a[1], b[1]), 0)


def _chip(
    image: np.ndarray, text: str, rect: tuple[int, int, int, int], fill: Colour, scale: float
) -> None:
    x0, y0, x1, y1 = rect
    cv2.rectangle(image, (x0, y0), (x1, y1), fill, -1, cv2.LINE_AA)
    luminance = 0.299 * fill[0] + 0.587 * fill[1] + 0.114 * fill[2]
    ink = (15, 15, 15) if luminance > 140 else (255, 255, 255)
    _, base = cv2.getTextSize(text, _FONT, scale, 1)
    cv2.putText(image, text, (x0 + 3, y1 - base - 1), _FONT, scale, ink, 1, cv2.LINE_AA)


def _centre(obj: SceneObject) -> tuple[float, float]:
    x0, y0, x1, y1 = obj.box_px
    return 0.5 * (x0 + x1), 0.5 * (y0 + y1)


_STYLE: dict[RelationSource, Colour] = {
    RelationSource.MODEL: (255, 255, 255),
    RelationSource.GEOMETRY: (170, 220, 255),
    RelationSource.BOTH: (150, 255, 150),
    RelationSource.CONTRADICTED: (255, 110, 110),
}


def annotate(rgb: np.ndarray, graph: SceneGraph) -> np.ndarray:
    """A copy of the image with the graph drawn on it.

    Args:
        rgb: ``(H, W, 3)`` uint8; boxes are scaled from the graph's image size.

    Returns:
        ``(H, W, 3)`` uint8: boxes with id, label and distance; arrows from subject to object,
        white for the model's word, blue for measured, green for both, red for contradicted.
    """
    image = np.array(rgb, dtype=np.uint8, order="C")
    rows, columns = image.shape[:2]
    if rows == 0 or columns == 0:
        return image
    sx, sy = columns / max(graph.width, 1), rows / max(graph.height, 1)
    unit = max(rows / 480.0, 0.5)
    scale = 0.42 * unit
    line = max(1, round(2 * unit))
    labels = _Labels(columns, rows, scale)
    for obj in graph.objects:
        x0, y0, x1, y1 = (round(v * s) for v, s in zip(obj.box_px, (sx, sy, sx, sy), strict=True))
        cv2.rectangle(image, (x0, y0), (x1, y1), (0, 0, 0), line + 2, cv2.LINE_AA)
        cv2.rectangle(image, (x0, y0), (x1, y1), id_colour(obj.id), line, cv2.LINE_AA)
    _draw_relations(image, graph, sx, sy, unit, labels)
    for obj in graph.objects:
        x0, y0, x1, y1 = (v * s for v, s in zip(obj.box_px, (sx, sy, sx, sy), strict=True))
        text = f"{obj.id} {obj.label}"
        if obj.extent is not None:
            text += f" {math.hypot(*obj.extent.position):.2f}m"
        height = 18 * unit
        spots = [
            (x0, y0 - height),
            (x0, y1),
            (x0 + 2, y0 + 2),
            (x1 - 60, y0 - height),
            (x0, y1 - height),
        ]
        _chip(image, text, labels.place(text, spots, scale), id_colour(obj.id), scale)
    return image


def _draw_relations(
    image: np.ndarray, graph: SceneGraph, sx: float, sy: float, unit: float, labels: _Labels
) -> None:
    for relation in graph.relations:
        subject = graph.object_by_id(relation.subject_id)
        target = graph.object_by_id(relation.object_id)
        if subject is None or target is None:
            continue
        a, b = _centre(subject), _centre(target)
        start, end = (round(a[0] * sx), round(a[1] * sy)), (round(b[0] * sx), round(b[1] * sy))
        colour = _STYLE[relation.source]
        width = max(1, round(unit))
        length = max(math.dist(start, end), 1.0)
        cv2.arrowedLine(image, start, end, (0, 0, 0), width + 2, cv2.LINE_AA, 0, 10 * unit / length)
        cv2.arrowedLine(image, start, end, colour, width, cv2.LINE_AA, 0, 10 * unit / length)
        middle = (0.5 * (start[0] + end[0]), 0.5 * (start[1] + end[1]))
        scale = 0.34 * unit
        spots = [(middle[0] - 20, middle[1] - 7 + d) for d in (0, 14, -14, 28, -28)]
        _chip(
            image, relation.predicate, labels.place(relation.predicate, spots, scale), colour, scale
        )
