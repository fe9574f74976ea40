"""What a grounded image says of its objects, ready to be asked; and the image in a mirror."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from spacesgg_ros.graph.boxes import encode_box
from spacesgg_ros.graph.layers import assign_layers
from spacesgg_ros.graph.predicates import INVERSES, resolve_predicate
from spacesgg_ros.graph.types import BoxNorm, Viewpoint

from ..grounded import GroundedImage, GroundedObject, Measured, Order
from .names import NameIndex
from .tokens import Reader

Pair = tuple[int, int]

_AXES = {"to the left of": 0, "to the right of": 0, "above": 1, "under": 1}
_GREATER = frozenset({"to the right of", "under", "behind"})
"""Directions whose subject has the greater coordinate (optical frame: right, down, away)."""
_SIDES = {"to the left of": "to the right of", "to the right of": "to the left of"}
_MIRRORED_VIEWS = {"left": "right", "right": "left"}


@dataclass(frozen=True)
class Truth:
    """A grounded image with everything that a check asks of it."""

    image: GroundedImage

    @cached_property
    def labels(self) -> tuple[str, ...]:
        return tuple(thing.label for thing in self.image.objects)

    @cached_property
    def boxes(self) -> tuple[BoxNorm, ...]:
        """The boxes as text writes them."""
        image = self.image
        return tuple(encode_box(o.box_px, image.width, image.height) for o in image.objects)

    @cached_property
    def at_box(self) -> Mapping[BoxNorm, frozenset[int]]:
        """The objects of each box."""
        found: dict[BoxNorm, frozenset[int]] = {}
        for i, box in enumerate(self.boxes):
            found[box] = found.get(box, frozenset()) | {i}
        return found

    @cached_property
    def reader(self) -> Reader:
        return Reader(NameIndex.of(self.labels), self.at_box)

    @cached_property
    def ambiguous(self) -> frozenset[frozenset[int]]:
        return frozenset(frozenset(pair) for pair in self.image.ambiguous)

    @cached_property
    def annotated(self) -> Mapping[Pair, frozenset[str]]:
        """VSD labels of every pair, as annotated and told from the other object."""
        found: dict[Pair, set[str]] = {}
        for s, predicate, o in self.image.relations:
            resolved = resolve_predicate(predicate)
            if resolved is None:
                continue
            label, swapped = resolved
            subject, target = (o, s) if swapped else (s, o)
            found.setdefault((subject, target), set()).add(label)
            if label in INVERSES:
                found.setdefault((target, subject), set()).add(INVERSES[label])
        return {pair: frozenset(labels) for pair, labels in found.items()}

    @cached_property
    def predicates(self) -> Mapping[Pair, frozenset[str]]:
        """Annotated predicates of every pair in their own words."""
        found: dict[Pair, set[str]] = {}
        for s, predicate, o in self.image.relations:
            found.setdefault((s, o), set()).add(" ".join(predicate.lower().split()))
        return {pair: frozenset(said) for pair, said in found.items()}

    @cached_property
    def orders(self) -> Mapping[Pair, frozenset[str]]:
        """Measured directions of every pair from the camera, told from both objects."""
        found: dict[Pair, set[str]] = {}
        for order in self.image.orders:
            if order.view == Viewpoint.CAMERA.value:
                found.setdefault((order.subject, order.target), set()).add(order.predicate)
                back = INVERSES[order.predicate]
                found.setdefault((order.target, order.subject), set()).add(back)
        return {pair: frozenset(labels) for pair, labels in found.items()}

    @cached_property
    def layer_of(self) -> Mapping[int, int]:
        """Layer of each object, 1 = nearest: as measured, else from the depth intervals."""
        if self.image.layers:
            return {i: n for n, layer in enumerate(self.image.layers, 1) for i in layer}
        intervals = np.array(
            [
                (np.nan, np.nan) if o.measured is None else o.measured.depth[::2]
                for o in self.image.objects
            ]
        ).reshape(-1, 2)
        return {i: n for i, n in enumerate(assign_layers(intervals).tolist()) if n}

    def depth(self, index: int) -> tuple[float, float, float] | None:
        """Nearest, median and farthest reading, or None."""
        measured = self.image.objects[index].measured
        return None if measured is None else measured.depth

    def interval(self, index: int, axis: int) -> tuple[float, float, float] | None:
        """Low, middle and high end along x, y or z of the optical frame, or None."""
        measured = self.image.objects[index].measured
        if measured is None:
            return None
        if measured.position is None or measured.low is None or measured.high is None:
            return measured.depth if axis == 2 else None
        return measured.low[axis], measured.position[axis], measured.high[axis]

    def measured_direction(self, subject: int, label: str, target: int) -> bool | None:
        """Whether a direction from the camera holds by measurement; None: cannot be told.

        An order (disjoint intervals) decides; else intervals of which neither reaches the
        other's middle.
        """
        orders = self.orders.get((subject, target), frozenset())
        if label in orders:
            return True
        if INVERSES[label] in orders:
            return False
        axis = _AXES.get(label, 2)
        a, b = self.interval(subject, axis), self.interval(target, axis)
        if a is None or b is None:
            return None
        if label not in _GREATER:
            a, b = b, a
        if a[0] > b[1] and a[1] > b[2]:
            return True
        return False if b[0] > a[1] and b[1] > a[2] else None

    def gap(self, first: int, second: int) -> tuple[float, float] | None:
        """Distance of two objects' boxes in space, and the size of the smaller; None: unknown."""
        a, b = self.image.objects[first].measured, self.image.objects[second].measured
        if a is None or b is None or None in (a.low, a.high, b.low, b.high):
            return None
        low, high = np.array([a.low, b.low]), np.array([a.high, b.high])
        apart = np.maximum(0.0, np.maximum(low[0] - high[1], low[1] - high[0]))
        return float(np.linalg.norm(apart)), float((high - low).max(axis=1).min())


def mirror_image(image: GroundedImage) -> GroundedImage:
    """The grounded image of the picture flipped left to right, objects at the same indices.

    The viewer on the left of the mirrored scene sees what the one on the right saw, mirrored.
    """
    return replace(
        image,
        objects=tuple(_mirror_object(o, image.width) for o in image.objects),
        relations=tuple((s, _mirror_predicate(p), o) for s, p, o in image.relations),
        orders=tuple(_mirror_order(order) for order in image.orders),
    )


def _mirror_predicate(predicate: str) -> str:
    resolved = resolve_predicate(predicate)
    return predicate if resolved is None else _SIDES.get(resolved[0], predicate)


def _mirror_object(thing: GroundedObject, width: int) -> GroundedObject:
    x0, y0, x1, y1 = thing.box_px
    measured = thing.measured and _mirror_measured(thing.measured)
    return replace(thing, box_px=(width - x1, y0, width - x0, y1), mask=None, measured=measured)


def _mirror_measured(measured: Measured) -> Measured:
    if measured.position is None or measured.low is None or measured.high is None:
        return measured
    (x, *rest), (low, *lows), (high, *highs) = measured.position, measured.low, measured.high
    return replace(
        measured,
        position=_three([-x, *rest]),
        low=_three([-high, *lows]),
        high=_three([-low, *highs]),
    )


def _three(values: Sequence[float]) -> tuple[float, float, float]:
    x, y, z = values
    return x, y, z


def _mirror_order(order: Order) -> Order:
    view = _MIRRORED_VIEWS.get(order.view, order.view)
    return replace(order, view=view, predicate=_SIDES.get(order.predicate, order.predicate))
