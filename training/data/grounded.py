"""Grounded images: what every source is read into and what every pipeline stage adds to.

A grounded image is plain JSON (``to_dict``/``from_dict``), one object a line, so that a stage is
a function from a list of them to a list of them wherever it runs. Pixels stay in files; a record
says where. Boxes are in pixels, x0 y0 x1 y1 with the maximum exclusive.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from spacesgg_ros.graph.types import GraphError, Intrinsics

DEPTH_KINDS = ("metric", "relative", "inverse")
"""Metres; any unit that grows with distance; any unit that falls with distance (disparity)."""

BoxPx = tuple[float, float, float, float]


class GroundedError(ValueError):
    """A grounded image that cannot be used: what was seen, what was expected."""


@dataclass(frozen=True)
class DepthFile:
    """Where the depth of an image is and how it is to be read.

    Attributes:
        path: PNG, TIFF, NPY or NPZ; relative to the set's root, or ``shard.tar/member``.
        kind: one of ``DEPTH_KINDS``.
        scale_m: metres (or units) a stored step: 0.001 for 16UC1 millimetres, 1 for floats.
    """

    path: str
    kind: str = "metric"
    scale_m: float = 0.001

    def __post_init__(self) -> None:
        if self.kind not in DEPTH_KINDS:
            raise GroundedError(f"depth is {', '.join(DEPTH_KINDS)}; got {self.kind!r}")
        if not (math.isfinite(self.scale_m) and self.scale_m > 0):
            raise GroundedError(f"the depth scale must be positive; got {self.scale_m}")


@dataclass(frozen=True)
class Measured:
    """What depth says of one object.

    Attributes:
        depth: nearest, median and farthest reading, along the optical axis; metres where depth is
            metric, else units that grow with distance.
        position: median point x, y, z in the camera's optical frame, same units as ``depth``;
            None where there are no intrinsics.
        low, high: corners of the axis-aligned box of its points (robust ends) in that frame.
        readings: pixels that were used.
    """

    depth: tuple[float, float, float]
    position: tuple[float, float, float] | None
    low: tuple[float, float, float] | None
    high: tuple[float, float, float] | None
    readings: int


@dataclass(frozen=True)
class GroundedObject:
    """One annotated object.

    Attributes:
        label: as people say it ("tree", not "tree-merged"); the source's own name is ``category``.
        box_px: of what is seen of it, inside the image.
        mask: COCO run lengths ``{"size": [h, w], "counts": [...] or str}``, or None.
        measured: set by the measuring stage; None where depth says nothing of it.
    """

    label: str
    box_px: BoxPx
    mask: Mapping[str, Any] | None = None
    category: str = ""
    measured: Measured | None = None


@dataclass(frozen=True)
class Order:
    """``subject predicate target`` seen from ``view``, read off the measured points.

    Attributes:
        view: a ``Viewpoint`` value: camera, left, right, back.
        predicate: one of the nine VSD labels that names a direction (behind, in front of, to the
            left of, to the right of, above, under).
        gap: distance between the two intervals along that axis, units of depth.
    """

    view: str
    subject: int
    predicate: str
    target: int
    gap: float


@dataclass(frozen=True)
class GroundedImage:
    """An image, its objects, and all that later stages measured of them.

    Attributes:
        id: unique in the set.
        image: relative to the set's root, or ``shard.tar/member``.
        objects: relations, layers and orders speak of them by index.
        relations: annotated ``(subject, predicate, target)``, any predicate.
        ambiguous: pairs of which nothing must be said or asked.
        caption: annotated text of the picture (AS-V2's relation conversation), or "".
        camera: intrinsics at the image's resolution.
        camera_to_world: 4 x 4, row by row; optical frame to world.
        depth: a sensor's or an estimator's.
        layers: indices near to far; empty before measuring. An object is in one layer.
        orders: every ordered pair once a view and axis.
        source: data set it comes from.
        provenance: plain JSON, what was done to it.
    """

    id: str
    image: str
    width: int
    height: int
    objects: tuple[GroundedObject, ...]
    relations: tuple[tuple[int, str, int], ...] = ()
    ambiguous: tuple[tuple[int, int], ...] = ()
    caption: str = ""
    camera: Intrinsics | None = None
    camera_to_world: tuple[tuple[float, ...], ...] | None = None
    depth: DepthFile | None = None
    layers: tuple[tuple[int, ...], ...] = ()
    orders: tuple[Order, ...] = ()
    source: str = ""
    provenance: Mapping[str, Any] | None = None

    def __post_init__(self) -> None:
        if not self.id or not self.image:
            raise GroundedError(f"an id and an image are needed; got {self.id!r}, {self.image!r}")
        if self.width < 1 or self.height < 1:
            raise GroundedError(f"the size must be positive; got {self.width}x{self.height}")
        for k, thing in enumerate(self.objects):
            x0, y0, x1, y1 = thing.box_px
            if not thing.label.strip():
                raise GroundedError(f"object {k} has no label")
            if not (0 <= x0 < x1 <= self.width and 0 <= y0 < y1 <= self.height):
                raise GroundedError(
                    f"object {k} ({thing.label}): box {thing.box_px} is not inside "
                    f"{self.width}x{self.height}"
                )
        pairs = [(s, o) for s, _, o in self.relations] + list(self.ambiguous)
        pairs += [(o.subject, o.target) for o in self.orders]
        for s, o in pairs:
            if s == o or not (0 <= s < len(self.objects) and 0 <= o < len(self.objects)):
                raise GroundedError(f"pair ({s}, {o}) is not of two of {len(self.objects)} objects")

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready; what is unset is left out, but for the list of objects."""
        plain: dict[str, Any] = _plain(self)
        plain.setdefault("objects", [])
        return plain

    @staticmethod
    def from_dict(data: Mapping[str, Any]) -> GroundedImage:
        """Inverse of :meth:`to_dict`.

        Raises:
            GroundedError: a key is missing or holds something else than it should.
        """
        try:
            values = dict(data)
            values["objects"] = tuple(_object(o) for o in _get(data, "objects"))
            values["relations"] = tuple(
                (int(s), str(p), int(o)) for s, p, o in _get(data, "relations")
            )
            values["ambiguous"] = tuple((int(s), int(o)) for s, o in _get(data, "ambiguous"))
            values["layers"] = tuple(tuple(int(i) for i in layer) for layer in _get(data, "layers"))
            values["orders"] = tuple(Order(**o) for o in _get(data, "orders"))
            if data.get("camera") is not None:
                values["camera"] = Intrinsics(**data["camera"])
            if data.get("camera_to_world") is not None:
                rows = data["camera_to_world"]
                values["camera_to_world"] = tuple(tuple(float(v) for v in row) for row in rows)
            if data.get("depth") is not None:
                values["depth"] = DepthFile(**data["depth"])
            return GroundedImage(**values)
        except GroundedError:
            raise
        except (KeyError, TypeError, ValueError, GraphError) as e:
            raise GroundedError(f"not a grounded image: {type(e).__name__}: {e}") from e

    def with_objects(self, objects: tuple[GroundedObject, ...]) -> GroundedImage:
        """The same image with other objects at the same indices."""
        return replace(self, objects=objects)


def _get(data: Mapping[str, Any], key: str) -> Any:
    return data.get(key) or ()


def _object(data: Mapping[str, Any]) -> GroundedObject:
    values = dict(data)
    x0, y0, x1, y1 = (float(v) for v in data["box_px"])
    values["box_px"] = (x0, y0, x1, y1)
    if data.get("measured") is not None:
        m: dict[str, Any] = {
            k: tuple(v) if isinstance(v, list) else v for k, v in data["measured"].items()
        }
        values["measured"] = Measured(**m)
    return GroundedObject(**values)


def _plain(value: Any) -> Any:
    if isinstance(value, Order):  # thousands of them in a crowded image
        return dict(vars(value))
    if hasattr(value, "__dataclass_fields__"):
        items = {k: getattr(value, k) for k in value.__dataclass_fields__}
        always = isinstance(value, (Measured, Order, Intrinsics, DepthFile))
        return {k: _plain(v) for k, v in items.items() if always or v not in (None, "", ())}
    if isinstance(value, Mapping):
        return {k: _plain(v) for k, v in value.items()}
    if isinstance(value, (tuple, list)):
        return [_plain(v) for v in value]
    return value
