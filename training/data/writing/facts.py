"""What may be said of a measured image, and nothing else.

A direction is a fact where the measured order and the picture agree on it; an annotated relation
is one where the measures do not contradict it. Nothing is said of a pair that the record calls
ambiguous.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from spacesgg_ros.graph.boxes import encode_box
from spacesgg_ros.graph.predicates import INVERSES, TOPOLOGICAL, resolve_predicate
from spacesgg_ros.graph.types import BoxNorm, Viewpoint
from spacesgg_ros.training.data.grounded import BoxPx, GroundedImage
from spacesgg_ros.training.data.spatial_text import Fact, Thing, flat_layers
from spacesgg_ros.training.data.targets import MAX_OBJECTS

Relation = tuple[int, str, int]
"""Object index of the subject, predicate, object index of the object."""

_TOLD_BY = {"behind": "in front of", "to the right of": "to the left of", "under": "above"}
"""Of two ways to tell one order, the one that facts keep."""

_TOUCHING = ("on", "in")
_LEAST_DEPTH = 1e-9
"""Relative depth may be 0."""
_UNSAFE = re.compile(r"[<>\[\]{}\s]+")
_ARTICLE = re.compile(r"^(?:an?|the|some) (?=\S)", re.IGNORECASE)
_COPULA = re.compile(r"^(?:is|are) (?=\S)", re.IGNORECASE)
_NOT_FINITE = frozenset(
    {"across", "towards", "upwards", "downwards", "besides", "less", "outwards"}
)


@dataclass(frozen=True)
class FactConfig:
    """When something is sure enough to be said.

    Attributes:
        max_objects: things that are spoken of, the nearest.
        min_gap_share: an order is told from a gap of this share of the nearer thing's distance.
        min_offset: left, right and higher also need box centres so far apart in the picture,
            share of its longer side.
        touch_share: "on" and "in" are contradicted by a gap above this share of that distance,
            and "above" needs one.
        beside_share: "next to" by one above this.
    """

    max_objects: int = MAX_OBJECTS
    min_gap_share: float = 0.02
    min_offset: float = 0.03
    touch_share: float = 0.15
    beside_share: float = 0.5

    def __post_init__(self) -> None:
        shares = (self.min_gap_share, self.min_offset, self.touch_share, self.beside_share)
        if self.max_objects < 1 or min(shares) < 0:
            raise ValueError(f"facts need max_objects >= 1 and shares >= 0; got {self}")


@dataclass(frozen=True)
class ImageFacts:
    """What may be said of one image; things by their index in the record.

    Attributes:
        id: of the record.
        things: those that depth says something of, near to far.
        layers: their indices, near to far.
        flat: for each layer whether all of it may be called nearest or farthest.
        annotated: relations of the source, in its words, that no measure contradicts.
        compared: camera's view, each order once, as "in front of", "to the left of" or "above".
        nearer: the pairs of which the first is also nearer along the optical axis.
        overhead: the pairs of which the first is clearly above the second, not only higher.
        views: for each side of the scene the orders seen from there, both ways.
        caption: the source's own text, or "".
    """

    id: str
    things: Mapping[int, Thing]
    layers: tuple[tuple[int, ...], ...]
    flat: tuple[bool, ...]
    annotated: tuple[Relation, ...]
    compared: tuple[Relation, ...]
    nearer: frozenset[tuple[int, int]]
    overhead: frozenset[tuple[int, int]]
    views: Mapping[Viewpoint, frozenset[Relation]]
    caption: str = ""

    def fact(self, relation: Relation) -> Fact:
        """A relation between named things."""
        subject, predicate, target = relation
        return Fact(self.things[subject], predicate, self.things[target])

    def layer_of(self, index: int) -> int:
        """1 = nearest."""
        return next(k for k, layer in enumerate(self.layers, 1) if index in layer)


def read_facts(image: GroundedImage, config: FactConfig | None = None) -> ImageFacts:
    """The facts of a measured image. An image that was not measured has no things.

    Of things with the same box only the nearest is kept, since no text tells them apart; one
    whose box is empty after encoding is left out.
    """
    config = config or FactConfig()
    things = _name_things(image, config.max_objects)
    layers = [[i for i in layer if i in things] for layer in image.layers]
    layers = [layer for layer in layers if layer]
    ambiguous = {frozenset(pair) for pair in image.ambiguous}
    orders: dict[Viewpoint, dict[Relation, float]] = {view: {} for view in Viewpoint}
    for order in image.orders:
        pair = {order.subject, order.target}
        if pair <= things.keys() and pair not in ambiguous:
            relation = (order.subject, order.predicate, order.target)
            orders[Viewpoint(order.view)][relation] = order.gap
            orders[Viewpoint(order.view)][invert(relation)] = order.gap
    camera = orders[Viewpoint.CAMERA]
    depth = {i: _depth(image, i) for i in things}
    annotated = tuple(_annotated(image, things, camera, depth, config))
    share = {
        (s, p, o): gap / max(min(depth[s][1], depth[o][1]), _LEAST_DEPTH)
        for (s, p, o), gap in camera.items()
    }
    compared = sorted(
        relation
        for relation, wide in share.items()
        if relation[1] not in _TOLD_BY
        and wide >= config.min_gap_share
        and _picture_agrees(image, relation, config.min_offset)
    )
    touching = {frozenset((s, o)) for s, p, o in annotated if _label(p) in TOPOLOGICAL}
    return ImageFacts(
        id=image.id,
        things=things,
        layers=tuple(tuple(layer) for layer in layers),
        flat=_flat(image, depth, layers),
        annotated=annotated,
        compared=tuple(compared),
        nearer=frozenset(
            (s, o)
            for s, p, o in compared
            if p == "in front of" and depth[s][1] < depth[o][1] and depth[s][2] <= depth[o][2]
        ),
        overhead=frozenset(
            (s, o)
            for s, p, o in compared
            if p == "above"
            and share[s, p, o] > config.touch_share
            and frozenset((s, o)) not in touching
            and _overlap_across(things[s].box, things[o].box)
        ),
        views={view: frozenset(found) for view, found in orders.items()},
        caption=image.caption.strip(),
    )


def invert(relation: Relation) -> Relation:
    """A direction told from the other thing."""
    subject, predicate, target = relation
    return (target, INVERSES[predicate], subject)


def _overlap_across(a: BoxNorm, b: BoxNorm) -> bool:
    """Whether one box's middle lies above or below the other box."""
    return any(p[0] <= (q[0] + q[2]) / 2 <= p[2] for p, q in ((a, b), (b, a)))


def clean_label(label: str) -> str:
    """A label as it stands in a sentence: no article, tag characters or line breaks."""
    return _ARTICLE.sub("", _UNSAFE.sub(" ", label.replace("_", " ")).strip())


def _name_things(image: GroundedImage, most: int) -> dict[int, Thing]:
    labels = [clean_label(thing.label) for thing in image.objects]
    seen = Counter(label.lower() for label in (*labels, *_unlisted(image)))
    things: dict[int, Thing] = {}
    boxes: set[BoxNorm] = set()
    for index in (i for layer in image.layers for i in layer):
        measured = image.objects[index].measured is not None and labels[index]
        box = encode_box(image.objects[index].box_px, image.width, image.height)
        if measured and box not in boxes and box[0] < box[2] and box[1] < box[3]:
            boxes.add(box)
            things[index] = Thing(labels[index], box, seen[labels[index].lower()] == 1)
        if len(things) == most:
            break
    return things


def _unlisted(image: GroundedImage) -> Iterator[str]:
    """Labels of what the source says is seen and lists as no object (too little of it, a crowd)."""
    for entry in (image.provenance or {}).get("ignored", ()):
        yield clean_label(str(entry.get("label", "")))


def _flat(
    image: GroundedImage, depth: Mapping[int, tuple[float, float, float]], layers: list[list[int]]
) -> tuple[bool, ...]:
    """:func:`flat_layers`, where nothing that is not spoken of may be nearer or farther still."""
    flat = flat_layers({i: (d[0], d[2]) for i, d in depth.items()}, layers)
    if not layers:
        return ()
    measured = all(thing.measured is not None for thing in image.objects)
    cut = any(i not in depth for i in image.layers[-1])
    flat[0] &= measured
    flat[-1] &= measured and not cut
    return tuple(flat)


def _depth(image: GroundedImage, index: int) -> tuple[float, float, float]:
    measured = image.objects[index].measured
    assert measured is not None  # _name_things passed over the others
    return measured.depth


def _centre(box: BoxPx) -> tuple[float, float]:
    return (box[0] + box[2]) / 2, (box[1] + box[3]) / 2


def _picture_agrees(image: GroundedImage, relation: Relation, share: float) -> bool:
    """Whether a direction across the picture is seen in it, too.

    A thing further to the right in space may be seen further to the left: it is farther away.
    """
    subject, predicate, target = relation
    (x, y), (u, v) = (_centre(image.objects[i].box_px) for i in (subject, target))
    least = share * max(image.width, image.height)
    return {"to the left of": u - x, "above": v - y}.get(predicate, least) >= least


def _annotated(
    image: GroundedImage,
    things: Mapping[int, Thing],
    orders: Mapping[Relation, float],
    depth: Mapping[int, tuple[float, float, float]],
    config: FactConfig,
) -> Iterator[Relation]:
    ambiguous = {frozenset(pair) for pair in image.ambiguous}
    for told in dict.fromkeys(image.relations):
        if {told[0], told[2]} <= things.keys() and {told[0], told[2]} not in ambiguous:
            relation = _phrase(told)
            if relation and not _contradicted(relation, orders, depth, config):
                yield relation


def _phrase(relation: Relation) -> Relation | None:
    """A relation whose predicate can follow "is"; None for one that cannot ("has as a part")."""
    subject, predicate, target = relation
    words = _COPULA.sub("", _UNSAFE.sub(" ", predicate.replace("_", " ")).strip())
    label, swapped = resolve_predicate(words) or ("", False)
    if swapped:
        return (target, label, subject)
    first = words.split(" ")[0].lower()
    if not first or (first.endswith("s") and first not in _NOT_FINITE and not label):
        return None
    return (subject, words, target)


def _label(predicate: str) -> str:
    """The one of the nine that a predicate says, or ""."""
    return (resolve_predicate(predicate) or ("", False))[0]


def _contradicted(
    relation: Relation,
    orders: Mapping[Relation, float],
    depth: Mapping[int, tuple[float, float, float]],
    config: FactConfig,
) -> bool:
    """Whether the measures say otherwise; of a predicate that is none of the nine they cannot."""
    subject, predicate, target = relation
    label = _label(predicate)
    against = {"in": (), "next to": (), "": ()}.get(label, (INVERSES.get(label),))
    if any((subject, other, target) in orders for other in against):
        return True
    share = config.touch_share if label in _TOUCHING else config.beside_share
    if label not in (*_TOUCHING, "next to"):
        return False
    widest = max(_gaps(orders, subject, target), default=0.0)
    return widest > share * min(depth[subject][1], depth[target][1])


def _gaps(orders: Mapping[Relation, float], subject: int, target: int) -> Iterable[float]:
    return (orders.get((subject, p, target), 0.0) for p in {*_TOLD_BY, *_TOLD_BY.values()})
