"""Spatial relations by measurement, and what they say about the model's.

Objects are compared by their intervals along right, forward and up: on the ground plane where
"up" is known, in the camera's axes otherwise. Every label has a *support* and a *refutation*;
1 is the edge of its dead band, so that a label holds from support 1, is refuted from
refutation 1, and says nothing in between.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from spacesgg_ros.graph.ground import ground_axes
from spacesgg_ros.graph.predicates import (
    DIRECTIONAL,
    INVERSES,
    TOPOLOGICAL,
    VSD_LABELS,
    normalize_predicate,
    resolve_predicate,
)
from spacesgg_ros.graph.types import (
    GraphError,
    RelationSource,
    SceneObject,
    SceneRelation,
    Vector3,
    Viewpoint,
)

__all__ = [
    "INVERSES",
    "VSD_LABELS",
    "Evidence",
    "RelationConfig",
    "judge_pair",
    "known_up",
    "measure_relations",
    "merge_relations",
    "normalize_predicate",
    "resolve_predicate",
]

RelationKey = tuple[int, str, int]
"""``(subject id, predicate, object id)``."""

# right', forward' of each viewpoint as (axis, sign) of the camera's (right, forward).
_VIEWS: dict[Viewpoint, tuple[tuple[int, float], tuple[int, float]]] = {
    Viewpoint.CAMERA: ((0, 1.0), (1, 1.0)),
    Viewpoint.BACK: ((0, -1.0), (1, -1.0)),
    Viewpoint.LEFT: ((1, -1.0), (0, 1.0)),
    Viewpoint.RIGHT: ((1, 1.0), (0, -1.0)),
}


@dataclass(frozen=True)
class RelationConfig:
    """Thresholds of the measured relations, metres unless said otherwise.

    Attributes:
        dead_band_m: smallest offset at which left/right/front/behind hold.
        dead_band_share: the same as a share of the two objects' summed half widths.
        contact_m: how far apart surfaces of touching objects may measure.
        next_to_share: "next to" up to this share of the pair's mean width.
        next_to_min_m, next_to_max_m: bounds of that reach.
        reach_share, reach_min_m: pairs further apart than this share of the larger one's width
            are not reported, but where nothing is that near, see ``neighbours``.
        neighbours: pairs reported per object, nearest first; pairs one above the other do
            not count.
        hysteresis: a relation that held before holds on from this support (1 = none).
        dominance: left/right against front/behind: the other axis takes over when this many
            times longer.
    """

    dead_band_m: float = 0.03
    dead_band_share: float = 0.25
    contact_m: float = 0.025
    next_to_share: float = 0.6
    next_to_min_m: float = 0.05
    next_to_max_m: float = 0.35
    reach_share: float = 1.5
    reach_min_m: float = 0.2
    neighbours: int = 2
    hysteresis: float = 0.6
    dominance: float = 1.3

    def __post_init__(self) -> None:
        if not 0 < self.hysteresis <= 1 or self.dominance < 1 or self.neighbours < 0:
            raise GraphError(
                "relations need 0 < hysteresis <= 1, dominance >= 1 and neighbours >= 0; got "
                f"{self.hysteresis}, {self.dominance}, {self.neighbours}"
            )
        if min(self.dead_band_m, self.contact_m, self.next_to_min_m) <= 0:
            raise GraphError("relations need dead_band_m, contact_m and next_to_min_m above 0")


DEFAULT_RELATIONS = RelationConfig()


@dataclass(frozen=True)
class Evidence:
    """What geometry says of one label: holds from ``support`` 1, wrong from ``refutation`` 1."""

    support: float
    refutation: float


@dataclass(frozen=True)
class _Body:
    """Intervals ``(min, max)`` along right, forward, up of a viewpoint, and the centre there."""

    right: tuple[float, float]
    forward: tuple[float, float]
    up: tuple[float, float]
    centre: Vector3


def known_up(objects: Sequence[SceneObject]) -> Vector3 | None:
    """The "up" that the objects were measured with, None without one."""
    for o in objects:
        if o.extent is not None and o.extent.ground is not None:
            return o.extent.ground.up
    return None


def _body(obj: SceneObject, axes: np.ndarray, viewpoint: Viewpoint) -> _Body | None:
    extent = obj.extent
    if extent is None:
        return None
    centre = axes @ np.array(extent.position)
    half = 0.5 * np.abs(axes) @ np.array(extent.size)
    spans = [(float(c - h), float(c + h)) for c, h in zip(centre, half, strict=True)]
    ground = extent.ground
    if ground is not None and float(axes[2] @ np.array(ground.up)) > 0.999:
        spans = [ground.right, ground.forward, ground.height]
    seen = []
    middles = []
    for axis, sign in _VIEWS[viewpoint]:
        low, high = spans[axis]
        seen.append((low, high) if sign > 0 else (-high, -low))
        middles.append(float(centre[axis]) * sign)
    return _Body(seen[0], seen[1], spans[2], (middles[0], middles[1], float(centre[2])))


def _gap(a: tuple[float, float], b: tuple[float, float]) -> float:
    return max(a[0] - b[1], b[0] - a[1], 0.0)


def _overlap(a: tuple[float, float], b: tuple[float, float]) -> float:
    return max(min(a[1], b[1]) - max(a[0], b[0]), 0.0)


def _width(body: _Body) -> float:
    return max(body.right[1] - body.right[0], body.forward[1] - body.forward[0], 1e-3)


def _footprint(body: _Body) -> float:
    return max(body.right[1] - body.right[0], 1e-3) * max(body.forward[1] - body.forward[0], 1e-3)


def _covered(s: _Body, o: _Body) -> float:
    """Share of the subject's footprint that lies within the object's."""
    return _overlap(s.right, o.right) * _overlap(s.forward, o.forward) / _footprint(s)


def _beside_gap(s: _Body, o: _Body) -> float:
    return math.hypot(_gap(s.right, o.right), _gap(s.forward, o.forward))


def _on(s: _Body, o: _Body, config: RelationConfig) -> Evidence:
    tolerance = config.contact_m
    hover = s.up[0] - o.up[1]
    covered = _covered(s, o)
    contact = 2.0 - abs(hover) / tolerance
    # A tray or a plate has a rim: what stands inside it starts below its top.
    rests_inside = (
        o.up[0] - tolerance <= s.up[0] <= o.up[1] + tolerance
        and s.centre[2] > o.centre[2]
        and s.up[1] > o.up[1]
        and covered > 0.8
        and _footprint(o) > 1.5 * _footprint(s)
    )
    if rests_inside:
        contact = max(contact, 1.5)
    support = min(contact, covered / 0.5)
    if s.up[1] < o.up[1] + 0.5 * tolerance and not rests_inside:
        support = min(support, 0.0)
    refutation = max(
        hover / (3.0 * tolerance),
        (o.up[0] - s.centre[2]) / tolerance,
        _beside_gap(s, o) / (2.0 * config.dead_band_m),
    )
    return Evidence(support, refutation)


def _in(s: _Body, o: _Body, config: RelationConfig) -> Evidence:
    height = o.up[1] - o.up[0]
    # Depth sees a container's inside only from above, so what is in it appears to start
    # near the rim: its middle below the rim is the sign, a whole hover above it the refutation.
    support = min(
        _covered(s, o) / 0.85,
        1.0 + (o.up[1] - s.centre[2]) / config.contact_m,
        height / config.contact_m,
        0.8 * _footprint(o) / _footprint(s),
        1.0 + (s.centre[2] - o.up[0]) / config.contact_m,
    )
    refutation = max(
        (s.up[0] - o.up[1]) / (2.0 * config.contact_m),
        (o.up[0] - s.centre[2]) / config.contact_m,
        _beside_gap(s, o) / config.dead_band_m,
    )
    return Evidence(support, refutation)


def _above(s: _Body, o: _Body, config: RelationConfig) -> Evidence:
    hover = (s.up[0] - o.up[1]) / config.contact_m
    overlap = max(_covered(s, o), _covered(o, s)) / 0.3
    return Evidence(min(hover, overlap), (o.centre[2] - s.centre[2]) / config.dead_band_m)


def _next_to(s: _Body, o: _Body, config: RelationConfig) -> Evidence:
    reach = config.next_to_share * 0.5 * (_width(s) + _width(o))
    reach = min(max(reach, config.next_to_min_m), config.next_to_max_m)
    gap = _beside_gap(s, o) / reach
    shorter = max(min(s.up[1] - s.up[0], o.up[1] - o.up[0]), 1e-3)
    level = _overlap(s.up, o.up) / (0.3 * shorter)
    apart = 2.0 if max(_covered(s, o), _covered(o, s)) < 0.5 else 0.0
    return Evidence(min(2.0 - gap, level, apart), gap / 2.5)


def _directions(s: _Body, o: _Body, config: RelationConfig) -> dict[str, Evidence]:
    found = {}
    for axis, (negative, positive) in enumerate(
        (("to the left of", "to the right of"), ("in front of", "behind"))
    ):
        widths = sum(
            0.5 * (interval[1] - interval[0])
            for interval in ((s.right, o.right), (s.forward, o.forward))[axis]
        )
        offset = s.centre[axis] - o.centre[axis]
        offset /= max(config.dead_band_m, config.dead_band_share * widths)
        found[negative] = Evidence(-offset, offset)
        found[positive] = Evidence(offset, -offset)
    return found


def _judge(s: _Body, o: _Body, config: RelationConfig) -> dict[str, Evidence]:
    """Evidence for each of the nine labels."""
    on, above = _on(s, o, config), _above(s, o, config)
    on_me, above_me = _on(o, s, config), _above(o, s, config)
    return {
        "on": on,
        "in": _in(s, o, config),
        "next to": _next_to(s, o, config),
        "under": Evidence(
            max(on_me.support, above_me.support), (s.centre[2] - o.up[1]) / config.contact_m
        ),
        "above": above,
        **_directions(s, o, config),
    }


def judge_pair(
    subject: SceneObject,
    target: SceneObject,
    *,
    up: Vector3 | None = None,
    viewpoint: Viewpoint = Viewpoint.CAMERA,
    config: RelationConfig = DEFAULT_RELATIONS,
) -> dict[str, Evidence] | None:
    """What geometry says of each of the nine labels for one pair; None without depth."""
    axes = ground_axes(up if up is not None else known_up((subject, target)))
    s, o = _body(subject, axes, viewpoint), _body(target, axes, viewpoint)
    return None if s is None or o is None else _judge(s, o, config)


def _score(support: float) -> float:
    """0.5 at the edge of the dead band, towards 1 beyond it, lower where hysteresis holds it."""
    return 1.0 / (1.0 + math.exp(-2.0 * min(support - 1.0, 20.0)))


def _measured(
    subject: SceneObject, target: SceneObject, s: _Body, o: _Body
) -> tuple[Vector3, float]:
    """Offset (graph frame) and gap between the two extents."""
    assert subject.extent is not None and target.extent is not None
    a, b = subject.extent.position, target.extent.position
    distance = math.hypot(_beside_gap(s, o), _gap(s.up, o.up))
    return (a[0] - b[0], a[1] - b[1], a[2] - b[2]), distance


def _pairs(bodies: Mapping[int, _Body], config: RelationConfig) -> Iterator[tuple[int, int, float]]:
    """Index pairs worth reporting: overlapping footprints, else the nearest within reach."""
    indices = list(bodies)
    if len(indices) < 2:
        return
    spans = np.array([[bodies[i].right, bodies[i].forward] for i in indices])
    low, high = spans[..., 0], spans[..., 1]
    gaps = np.maximum(low[:, None] - high[None], low[None] - high[:, None]).clip(0.0)
    gap = np.hypot(gaps[..., 0], gaps[..., 1])
    width = (high - low).max(axis=1)
    reach = np.maximum(
        config.reach_min_m, config.reach_share * np.maximum(width[:, None], width[None])
    )
    np.fill_diagonal(gap, np.inf)
    rank = gap.argsort(axis=1, kind="stable").argsort(axis=1)
    # Overlapping pairs (what stands on what) come first and take no neighbour's place.
    overlapping = (gap == 0).sum(axis=1, keepdims=True)
    close = (rank < overlapping + config.neighbours) & (gap <= reach)
    close |= close.T
    for a, b in itertools.combinations(range(len(indices)), 2):
        if close[a, b]:
            yield indices[a], indices[b], float(gap[a, b])


def _choose(
    labels: Mapping[str, Evidence],
    key: tuple[int, int],
    held: Collection[RelationKey],
    config: RelationConfig,
) -> list[tuple[str, float]]:
    """Labels that hold for an ordered pair, the telling ones only."""

    def strength(label: str) -> float:
        support = labels[label].support
        return support / config.hysteresis if (key[0], label, key[1]) in held else support

    for label in ("in", "on", "above"):
        if strength(label) >= 1.0:
            return [(label, labels[label].support)]
    if strength("under") >= 1.0:
        return [("under", labels["under"].support)]
    chosen = []
    if strength("next to") >= 1.0:
        chosen.append(("next to", labels["next to"].support))
    best = max(DIRECTIONAL, key=lambda label: (labels[label].support, label))
    for label in DIRECTIONAL:
        if (key[0], label, key[1]) in held and (
            labels[label].support * config.dominance >= labels[best].support
        ):
            best = label
            break
    if strength(best) >= 1.0:
        chosen.append((best, labels[best].support))
    return chosen


def _is_figure(a: _Body, b: _Body) -> bool:
    """Whether ``a`` reads as the subject: the clearly smaller of two ("mug left of laptop")."""
    return _footprint(a) * 1.5 < _footprint(b)


def measure_relations(
    objects: Sequence[SceneObject],
    *,
    up: Vector3 | None = None,
    viewpoint: Viewpoint = Viewpoint.CAMERA,
    config: RelationConfig = DEFAULT_RELATIONS,
    held: Collection[RelationKey] = (),
) -> tuple[SceneRelation, ...]:
    """The telling spatial relations of a scene, one direction a pair.

    A pair resting on, in or above one another gets that one relation, with the upper (inner)
    object as subject; other near pairs get "next to" where it holds and the dominant one of
    left, right, front and behind, with the smaller object as subject. Inverses are left to the
    reader (:data:`INVERSES`).

    Args:
        objects: those without an extent take no part.
        up: against gravity in the objects' frame; None: the "up" the objects were measured
            with, or else the camera's axes.
        viewpoint: from where left, right, front and behind are seen.
        held: relations of the last frame; they hold on into the dead band (hysteresis).

    Returns:
        Relations with source GEOMETRY, offset and distance, by subject and object id.
    """
    axes = ground_axes(up if up is not None else known_up(objects))
    bodies = {
        i: body for i, o in enumerate(objects) if (body := _body(o, axes, viewpoint)) is not None
    }
    held = frozenset(held)
    directed = {(s, o) for s, _, o in held}
    relations = []
    for i, j, _ in _pairs(bodies, config):
        a, b = i, j
        ids = objects[a].id, objects[b].id
        # The direction told before stays, so that it does not flip with a noisy size.
        told, turned = (ids[0], ids[1]) in directed, (ids[1], ids[0]) in directed
        if turned > told or (told == turned and _is_figure(bodies[b], bodies[a])):
            a, b = b, a
        for label, support in _choose(
            _judge(bodies[a], bodies[b], config), (objects[a].id, objects[b].id), held, config
        ):
            s, o, name = (b, a, "") if label == "under" else (a, b, label)
            if label == "under":
                upper = _judge(bodies[b], bodies[a], config)
                name = "on" if upper["on"].support >= upper["above"].support else "above"
            offset, distance = _measured(objects[s], objects[o], bodies[s], bodies[o])
            relations.append(
                SceneRelation(
                    objects[s].id,
                    name,
                    objects[o].id,
                    RelationSource.GEOMETRY,
                    _score(support),
                    offset,
                    distance,
                )
            )
    order = {label: i for i, label in enumerate(VSD_LABELS)}
    relations.sort(key=lambda r: (r.subject_id, r.object_id, order[r.predicate]))
    return tuple(relations)


def merge_relations(
    model: Sequence[SceneRelation],
    measured: Sequence[SceneRelation],
    objects: Sequence[SceneObject],
    *,
    up: Vector3 | None = None,
    config: RelationConfig = DEFAULT_RELATIONS,
    held: Collection[RelationKey] = (),
) -> tuple[SceneRelation, ...]:
    """The model's relations with what depth says of them, then what only depth says.

    A predicate that geometry measures becomes BOTH where it holds and CONTRADICTED where it is
    refuted beyond the dead band; inside the dead band, or without depth, it stays MODEL. A
    measured relation that repeats the model's (or its inverse) is left out, and so is one
    that competes with a model's "on", "in", "under" or "above" that depth does not refute.

    Args:
        model: relations in the camera's view; their sources are set here.
        measured: of the same objects, camera view (:func:`measure_relations`).
        objects: of the image.
        held: relations of the last frame that were BOTH; they stay so in the dead band.
    """
    by_id = {o.id: o for o in objects}
    axes = ground_axes(up if up is not None else known_up(objects))
    held = frozenset(held)
    merged: list[SceneRelation] = []
    said: set[RelationKey] = set()
    settled: set[frozenset[int]] = set()
    for relation in model:
        subject, target = by_id.get(relation.subject_id), by_id.get(relation.object_id)
        if subject is None or target is None:
            continue
        s, o = (_body(body, axes, Viewpoint.CAMERA) for body in (subject, target))
        source = RelationSource.MODEL
        offset: Vector3 | None = None
        distance: float | None = None
        resolved = resolve_predicate(relation.predicate)
        key = (subject.id, relation.predicate, target.id)
        if s is not None and o is not None:
            offset, distance = _measured(subject, target, s, o)
            if resolved is not None:
                label, swapped = resolved
                evidence = _judge(*((o, s) if swapped else (s, o)), config)[label]
                if evidence.support >= (config.hysteresis if key in held else 1.0):
                    source = RelationSource.BOTH
                elif evidence.refutation >= 1.0:
                    source = RelationSource.CONTRADICTED
        merged.append(replace(relation, source=source, offset=offset, distance_m=distance))
        if resolved is not None and source is not RelationSource.CONTRADICTED:
            label, swapped = resolved
            first, second = (target.id, subject.id) if swapped else (subject.id, target.id)
            said.add((first, label, second))
            if label in INVERSES:
                said.add((second, INVERSES[label], first))
            if label in TOPOLOGICAL:
                settled.add(frozenset((first, second)))
    merged.extend(
        r
        for r in measured
        if (r.subject_id, r.predicate, r.object_id) not in said
        and frozenset((r.subject_id, r.object_id)) not in settled
    )
    return tuple(merged)
