"""Annotated pictures of a scene graph."""

from __future__ import annotations

import colorsys
import math
from collections.abc import Sequence

import cv2
import numpy as np

from spacesgg_ros.graph.types import RelationSource, SceneGraph, SceneObject, SceneRelation

_FONT = cv2.FONT_HERSHEY_SIMPLEX
_MOST_ARROWS = 12
Colour = tuple[int, int, int]
Rect = tuple[int, int, int, int]
Point = tuple[float, float]

_EDGE: dict[RelationSource, Colour] = {
    RelationSource.MODEL: (255, 255, 255),
    RelationSource.GEOMETRY: (140, 205, 255),
    RelationSource.BOTH: (140, 245, 150),
    RelationSource.CONTRADICTED: (255, 105, 105),
}
# Drawn first where there are more relations than a picture can hold.
_RANK = {
    RelationSource.BOTH: 0,
    RelationSource.CONTRADICTED: 1,
    RelationSource.MODEL: 2,
    RelationSource.GEOMETRY: 3,
}


def id_colour(object_id: int) -> Colour:
    """A bright RGB colour for an id; neighbouring ids lie far apart on the colour wheel."""
    hue = (object_id * 0.61803398875) % 1.0
    r, g, b = colorsys.hsv_to_rgb(hue, 0.68, 1.0)
    return (round(255 * r), round(255 * g), round(255 * b))


def _overlap(a: Rect, b: Rect) -> int:
    return max(min(a[2], b[2]) - max(a[0], b[0]), 0) * max(min(a[3], b[3]) - max(a[1], b[1]), 0)


class _Chips:
    """Text on filled rectangles, each put where it covers no earlier one, if there is room."""

    def __init__(self, image: np.ndarray) -> None:
        self._image = image
        self._taken: list[Rect] = []

    def size(self, text: str, scale: float) -> tuple[int, int]:
        """Width and height in pixels of a chip."""
        (width, height), base = cv2.getTextSize(text, _FONT, scale, 1)
        return width + 8, height + base + 4

    def draw(self, text: str, scale: float, fill: Colour, spots: Sequence[Point]) -> None:
        """Puts a chip at the best of the spots (its top left corner), the first if equal."""
        rows, columns = self._image.shape[:2]
        width, height = self.size(text, scale)
        best: Rect | None = None
        best_cost = math.inf
        for x, y in spots:
            left = round(min(max(x, 0), max(columns - width, 0)))
            top = round(min(max(y, 0), max(rows - height, 0)))
            rect = (left, top, left + width, top + height)
            cost = float(sum(_overlap(rect, other) for other in self._taken))
            cost += 2.0 * math.hypot(left - x, top - y)
            if cost < best_cost:
                best, best_cost = rect, cost
        if best is None:
            return
        self._taken.append(best)
        x0, y0, x1, y1 = best
        cv2.rectangle(self._image, (x0, y0), (x1 - 1, y1 - 1), fill, -1)
        dark = 0.299 * fill[0] + 0.587 * fill[1] + 0.114 * fill[2] < 140
        ink = (255, 255, 255) if dark else (15, 15, 15)
        _, base = cv2.getTextSize(text, _FONT, scale, 1)
        place = (x0 + 4, y1 - base - 2)
        cv2.putText(self._image, text, place, _FONT, scale, ink, 1, cv2.LINE_AA)


def annotate(rgb: np.ndarray, graph: SceneGraph) -> np.ndarray:
    """A copy of the image with the graph drawn on it.

    Boxes carry id, label and distance. An arrow runs from subject to object, one per pair:
    green where model and depth agree, white for the model's word alone, blue for depth's, red
    where depth contradicts the model. At most a dozen arrows, the model's first.

    Args:
        rgb: ``(H, W, 3)`` uint8, of any size; boxes are scaled from the graph's image size.

    Returns:
        ``(H, W, 3)`` uint8.
    """
    image = np.array(rgb, dtype=np.uint8, order="C")
    rows, columns = image.shape[:2]
    if rows == 0 or columns == 0:
        return image
    unit = max(rows / 480.0, 0.6)
    sx, sy = columns / max(graph.width, 1), rows / max(graph.height, 1)
    boxes = {
        o.id: (o.box_px[0] * sx, o.box_px[1] * sy, o.box_px[2] * sx, o.box_px[3] * sy)
        for o in graph.objects
    }
    line = max(2, round(2 * unit))
    for obj in graph.objects:
        x0, y0, x1, y1 = (round(v) for v in boxes[obj.id])
        cv2.rectangle(image, (x0 - 1, y0 - 1), (x1 + 1, y1 + 1), (0, 0, 0), 1, cv2.LINE_AA)
        cv2.rectangle(image, (x0, y0), (x1, y1), id_colour(obj.id), line, cv2.LINE_AA)
    chips = _Chips(image)
    arrows = _arrows(graph, boxes)
    for start, end, _, colour in arrows:
        _draw_arrow(image, start, end, colour, unit)
    for obj in graph.objects:
        text, scale = _caption(obj), 0.42 * unit
        width, height = chips.size(text, scale)
        x0, y0, x1, y1 = boxes[obj.id]
        spots = [(x0, y0 - height), (x0, y1), (x1 - width, y0 - height), (x1 - width, y1)]
        chips.draw(text, scale, id_colour(obj.id), [*spots, (x0, y0), (x1, y0)])
    for start, end, text, colour in arrows:
        scale = 0.34 * unit
        width, height = chips.size(text, scale)
        spots = [
            (
                start[0] + t * (end[0] - start[0]) - 0.5 * width,
                start[1] + t * (end[1] - start[1]) - 0.5 * height + shift,
            )
            for shift in (0.0, height, -height)
            for t in (0.5, 0.35, 0.65, 0.2)
        ]
        chips.draw(text, scale, colour, spots)
    return image


def _caption(obj: SceneObject) -> str:
    distance = "" if obj.extent is None else f"  {math.hypot(*obj.extent.position):.2f} m"
    return f"#{obj.id} {obj.label}{distance}"


def _arrows(
    graph: SceneGraph, boxes: dict[int, tuple[float, float, float, float]]
) -> list[tuple[Point, Point, str, Colour]]:
    """Start, end, text and colour of each pair's arrow, contradicted words apart."""
    pairs: dict[tuple[int, int, bool], list[SceneRelation]] = {}
    for r in graph.relations:
        if r.subject_id in boxes and r.object_id in boxes and r.subject_id != r.object_id:
            refuted = r.source is RelationSource.CONTRADICTED
            pairs.setdefault((r.subject_id, r.object_id, refuted), []).append(r)
    ranked = sorted(
        pairs.items(), key=lambda item: (min(_RANK[r.source] for r in item[1]), item[0])
    )
    arrows = []
    for (subject, target, _), relations in ranked[:_MOST_ARROWS]:
        best = min(relations, key=lambda r: _RANK[r.source])
        words = dict.fromkeys(_short(r.predicate) for r in relations)
        start, end = _ends(boxes[subject], boxes[target])
        arrows.append((start, end, ", ".join(words), _EDGE[best.source]))
    return arrows


def _short(predicate: str) -> str:
    return predicate.removeprefix("to the ")


def _ends(
    a: tuple[float, float, float, float], b: tuple[float, float, float, float]
) -> tuple[Point, Point]:
    """Between two boxes' borders along the line of their centres; centres if they overlap."""
    ca = (0.5 * (a[0] + a[2]), 0.5 * (a[1] + a[3]))
    cb = (0.5 * (b[0] + b[2]), 0.5 * (b[1] + b[3]))
    dx, dy = cb[0] - ca[0], cb[1] - ca[1]

    def leave(box: tuple[float, float, float, float]) -> float:
        tx = 0.5 * (box[2] - box[0]) / abs(dx) if dx else math.inf
        ty = 0.5 * (box[3] - box[1]) / abs(dy) if dy else math.inf
        return min(tx, ty)

    first, last = leave(a), 1.0 - leave(b)
    if last - first < 0.05 or not math.isfinite(first):
        return ca, cb
    return (ca[0] + first * dx, ca[1] + first * dy), (ca[0] + last * dx, ca[1] + last * dy)


def _draw_arrow(image: np.ndarray, start: Point, end: Point, colour: Colour, unit: float) -> None:
    a, b = (round(start[0]), round(start[1])), (round(end[0]), round(end[1]))
    width = max(1, round(1.4 * unit))
    tip = min(9 * unit / max(math.dist(start, end), 1.0), 0.5)
    for ink, thickness in (((20, 20, 20), width + 2), (colour, width)):
        cv2.arrowedLine(image, a, b, ink, thickness, cv2.LINE_AA, 0, tip)
    cv2.circle(image, a, round(3 * unit), (20, 20, 20), -1, cv2.LINE_AA)
    cv2.circle(image, a, round(2 * unit), colour, -1, cv2.LINE_AA)
