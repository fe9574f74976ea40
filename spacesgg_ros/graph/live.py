"""The live scene graph: model keyframes and camera frames in, a graph per camera frame out."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

import numpy as np

from spacesgg_ros.graph.boxes import box_iou, clip_box, decode_box
from spacesgg_ros.graph.depth import same_aspect
from spacesgg_ros.graph.ground import SupportPlane, fit_support_plane, unit_up
from spacesgg_ros.graph.layers import assign_layers, object_intervals
from spacesgg_ros.graph.lifting import lift_boxes
from spacesgg_ros.graph.relations import (
    RelationConfig,
    RelationKey,
    measure_relations,
    merge_relations,
)
from spacesgg_ros.graph.text import UNKNOWN_NAME
from spacesgg_ros.graph.tracking import (
    FlowTarget,
    FrameRing,
    RingFrame,
    carry,
    follow,
    match_boxes,
    shrink_grey,
)
from spacesgg_ros.graph.types import (
    Extent3D,
    GraphError,
    RelationSource,
    RGBDFrame,
    SceneGraph,
    SceneObject,
    SceneRelation,
    TextGraph,
    Vector3,
)


@dataclass(frozen=True)
class LiveConfig:
    """How objects live and how far back a keyframe may lie.

    Attributes:
        relations: thresholds of the measured relations.
        max_misses: keyframes in a row that may fail to name a visible object before it is dropped;
            never more than have named it, so that a passing mistake of the model soon leaves.
        out_of_view_s: an object outside the image is dropped after this time.
        min_visible: part of its box that must be inside the image for it to be reported.
        ring_s: how old a keyframe's image may be.
        ring_frames: most images kept (a 320x240 one takes 77 kB).
        stamp_tolerance_s: how far a keyframe's stamp may lie from a kept image's.
        max_hops: optical-flow steps from a keyframe's image to the newest.
        min_box_px: smaller boxes of a keyframe are ignored.
        fit_plane: look for the surface that things stand on.
    """

    relations: RelationConfig = field(default_factory=RelationConfig)
    max_misses: int = 6
    out_of_view_s: float = 1.0
    min_visible: float = 0.15
    ring_s: float = 30.0
    ring_frames: int = 360
    stamp_tolerance_s: float = 0.1
    max_hops: int = 24
    min_box_px: float = 3.0
    fit_plane: bool = True

    def __post_init__(self) -> None:
        if self.max_misses < 0 or self.ring_frames < 2 or self.max_hops < 1:
            raise GraphError("live graph needs max_misses >= 0, ring_frames >= 2, max_hops >= 1")
        if self.ring_s <= 0 or self.out_of_view_s < 0 or self.stamp_tolerance_s < 0:
            raise GraphError("live graph needs ring_s > 0 and other times >= 0")


@dataclass
class _Track:
    """An object's life: where it is now and what the model has called it."""

    id: int
    target: FlowTarget
    label: str
    votes: dict[str, float]
    confirmed_ns: int
    seen_ns: int
    hits: int = 1
    misses: int = 0

    def vote(self, label: str) -> None:
        """Takes the model's newest word; the label changes when another word outweighs it."""
        self.votes = {name: 0.8 * weight for name, weight in self.votes.items()}
        self.votes[label] = self.votes.get(label, 0.0) + 1.0
        best = max(self.votes, key=lambda name: self.votes[name])
        if self.votes[best] > self.votes.get(self.label, 0.0):
            self.label = best


DEFAULT_LIVE = LiveConfig()


class LiveSceneGraph:
    """Tracks, lifts and relates the objects that the model names. One owner, not thread-safe.

    ``add_keyframe`` brings what the model wrote about an image of the past; ``update`` takes
    each camera frame and gives the graph of that frame.
    """

    def __init__(self, config: LiveConfig = DEFAULT_LIVE) -> None:
        self.config = config
        self._next_id = 1
        self._sequence = 0
        self._start()

    def _start(self) -> None:
        config = self.config
        self._ring = FrameRing(int(config.ring_s * 1e9), config.ring_frames)
        self._tracks: dict[int, _Track] = {}
        self._model_relations: list[SceneRelation] = []
        self._held: frozenset[RelationKey] = frozenset()
        self._last: RingFrame | None = None
        self._plane: SupportPlane | None = None
        self._keyframe_ns = 0
        self._model_id = ""

    def reset(self) -> None:
        """Forgets images, objects and relations (bag loop, clock jump); ids go on counting."""
        self._start()

    @property
    def track_count(self) -> int:
        """Objects alive, including those out of view."""
        return len(self._tracks)

    def add_keyframe(self, stamp_ns: int, text_graph: TextGraph, model_id: str = "") -> bool:
        """Takes the model's text of the image with this stamp, carried forward to now.

        Returns:
            False where that image is not known (any more); nothing changes then.
        """
        frames = self._ring.since(stamp_ns, int(self.config.stamp_tolerance_s * 1e9))
        if not frames:
            return False
        then = frames[0]
        if stamp_ns >= self._keyframe_ns:
            self._keyframe_ns, self._model_id = stamp_ns, model_id
        indices, boxes, labels = self._readable(text_graph, then)
        alive = [i for i in then.boxes if i in self._tracks and self._visible(then.boxes[i], then)]
        old_boxes = np.array([then.boxes[i] for i in alive]).reshape(-1, 4)
        pairs = match_boxes(old_boxes, [self._tracks[i].label for i in alive], boxes, labels)
        ids: dict[int, int] = {}
        for old, new in pairs:
            self._confirm(self._tracks[alive[old]], then, boxes[new], labels[new], stamp_ns)
            ids[indices[new]] = alive[old]
        fresh = [i for i in range(len(boxes)) if indices[i] not in ids]
        carried = carry(frames, [boxes[i] for i in fresh], self.config.max_hops)
        for i, target in zip(fresh, carried, strict=True):
            ids[indices[i]] = self._create(target, labels[i], stamp_ns).id
        for missed in set(alive) - set(ids.values()):
            track = self._tracks[missed]
            track.misses += 1
            if track.misses > min(track.hits, self.config.max_misses):
                del self._tracks[missed]
        self._merge_twins()
        self._relate_model(text_graph, ids)
        return True

    def _readable(
        self, text_graph: TextGraph, then: RingFrame
    ) -> tuple[list[int], np.ndarray, list[str]]:
        """Indices, boxes ``(n, 4)`` in pixels and labels of the objects that can be tracked."""
        indices, boxes, labels = [], [], []
        for index, obj in enumerate(text_graph.objects):
            box = clip_box(decode_box(obj.box, then.width, then.height), then.width, then.height)
            label = obj.label.strip()
            if min(box[2] - box[0], box[3] - box[1]) < self.config.min_box_px:
                continue
            if not label or label == UNKNOWN_NAME:
                continue
            indices.append(index)
            boxes.append(box)
            labels.append(label)
        return indices, np.array(boxes, dtype=np.float64).reshape(-1, 4), labels

    def _confirm(
        self, track: _Track, then: RingFrame, box: np.ndarray, label: str, stamp_ns: int
    ) -> None:
        """Replaces a track's box by the model's, moved as the track has moved since then."""
        old, now = then.boxes[track.id], track.target.box
        scale = np.clip((now[2:] - now[:2]) / np.maximum(old[2:] - old[:2], 1e-6), 0.2, 5.0)
        shift = 0.5 * (now[:2] + now[2:]) - 0.5 * (old[:2] + old[2:])
        offset = (0.5 * (box[:2] + box[2:]) - 0.5 * (old[:2] + old[2:])) * scale
        centre = 0.5 * (old[:2] + old[2:]) + shift + offset
        half = 0.5 * (box[2:] - box[:2]) * scale
        # Points are sought anew, since they may lie outside the corrected box.
        track.target = FlowTarget(np.concatenate([centre - half, centre + half]))
        track.vote(label)
        track.hits += 1
        track.misses = 0
        track.confirmed_ns = max(track.confirmed_ns, stamp_ns)

    def _create(self, target: FlowTarget, label: str, stamp_ns: int) -> _Track:
        seen = self._last.stamp_ns if self._last is not None else stamp_ns
        track = _Track(self._next_id, target, label, {label: 1.0}, stamp_ns, seen)
        self._tracks[track.id] = track
        self._next_id += 1
        return track

    def _merge_twins(self) -> None:
        """Drops the younger of two tracks of one label that cover the same pixels."""
        tracks = sorted(self._tracks.values(), key=lambda t: t.id)
        overlap = box_iou(*[np.array([t.target.box for t in tracks]).reshape(-1, 4)] * 2)
        for j, younger in enumerate(tracks):
            for i, older in enumerate(tracks[:j]):
                if (
                    overlap[i, j] > 0.85
                    and older.label == younger.label
                    and older.id in self._tracks
                ):
                    self._tracks.pop(younger.id, None)

    def _relate_model(self, text_graph: TextGraph, ids: dict[int, int]) -> None:
        """Keeps what the model says; older words stay for objects that it missed this time."""
        named = set(ids.values())
        kept = [
            r
            for r in self._model_relations
            if r.subject_id not in named or r.object_id not in named
        ]
        fresh: dict[RelationKey, SceneRelation] = {}
        for relation in text_graph.relations:
            subject, target = ids.get(relation.subject), ids.get(relation.object)
            if subject is None or target is None or subject == target:
                continue
            key = (subject, relation.predicate, target)
            fresh[key] = SceneRelation(*key, RelationSource.MODEL)
        self._model_relations = kept + list(fresh.values())

    def update(self, frame: RGBDFrame, up: Vector3 | None = None) -> SceneGraph:
        """The graph of a camera frame.

        Args:
            frame: newer than every earlier one.
            up: against gravity in the frame's optical frame, if known.

        Raises:
            GraphError: the image is not ``(H, W, 3)`` uint8, or not newer than the last.
        """
        rgb = frame.rgb
        if rgb.ndim != 3 or rgb.shape[2] != 3 or rgb.dtype != np.uint8 or rgb.size == 0:
            raise GraphError(f"a frame needs (H, W, 3) uint8; got {rgb.shape} {rgb.dtype}")
        height, width = rgb.shape[:2]
        if self._last is not None and (self._last.width, self._last.height) != (width, height):
            self.reset()
        if self._last is not None and frame.stamp_ns <= self._last.stamp_ns:
            raise GraphError(
                f"frame {frame.stamp_ns} ns is not newer than {self._last.stamp_ns} ns; "
                "reset() first if the clock jumped"
            )
        started = time.perf_counter()
        self._advance(frame, width, height)
        tracked = time.perf_counter()
        up = None if up is None else unit_up(up)
        objects, up = self._lift(frame, width, height, up)
        lifted = time.perf_counter()
        relations = self._relate(objects, up)
        related = time.perf_counter()
        self._sequence += 1
        return SceneGraph(
            frame.stamp_ns,
            frame.frame_id,
            width,
            height,
            objects,
            relations,
            self._sequence,
            self._keyframe_ns,
            self._model_id,
            {
                "track": 1e3 * (tracked - started),
                "lift": 1e3 * (lifted - tracked),
                "relate": 1e3 * (related - lifted),
            },
            up,
        )

    def _advance(self, frame: RGBDFrame, width: int, height: int) -> None:
        """Moves every track to the frame and remembers the frame."""
        grey, factor = shrink_grey(frame.rgb)
        tracks = list(self._tracks.values())
        if self._last is not None:
            follow(self._last.grey, grey, factor, [t.target for t in tracks])
        boxes = {t.id: t.target.box for t in tracks}
        self._last = RingFrame(frame.stamp_ns, grey, factor, width, height, boxes)
        self._ring.push(self._last)
        for track in tracks:
            if self._visible(track.target.box, self._last):
                track.seen_ns = frame.stamp_ns
            elif frame.stamp_ns - track.seen_ns > self.config.out_of_view_s * 1e9:
                del self._tracks[track.id]

    def _visible(self, box: np.ndarray, image: RingFrame) -> bool:
        """Whether enough of a box lies inside the image."""
        clipped = clip_box(tuple(box), image.width, image.height)
        inside = (clipped[2] - clipped[0]) * (clipped[3] - clipped[1])
        area = (box[2] - box[0]) * (box[3] - box[1])
        return bool(area > 0 and inside >= self.config.min_visible * area and inside >= 4.0)

    def _lift(
        self, frame: RGBDFrame, width: int, height: int, up: Vector3 | None
    ) -> tuple[tuple[SceneObject, ...], Vector3 | None]:
        """Visible objects with extent and layer, and "up" (the given one, or the plane's)."""
        assert self._last is not None
        visible = [t for t in self._tracks.values() if self._visible(t.target.box, self._last)]
        visible.sort(key=lambda t: t.id)
        boxes = [clip_box(tuple(t.target.box), width, height) for t in visible]
        depth, camera = frame.depth_m, frame.intrinsics
        usable = (
            depth is not None
            and camera is not None
            and depth.ndim == 2
            and depth.size > 0
            and same_aspect((depth.shape[1], depth.shape[0]), (camera.width, camera.height))
        )
        if usable and self.config.fit_plane and visible:
            assert depth is not None and camera is not None
            self._plane = fit_support_plane(
                depth,
                camera,
                up=up,
                regions=boxes,
                previous=self._plane,
            )
            if up is None and self._plane is not None:
                up = self._plane.normal
        extents: list[Extent3D | None] = [None] * len(visible)
        if usable:
            assert depth is not None and camera is not None
            extents = lift_boxes(depth, boxes, camera, plane=self._plane, up=up)
        objects = [
            SceneObject(
                track.id,
                track.label,
                box,
                (track.hits + 1) / (track.hits + track.misses + 2),
                0,
                extent,
                track.confirmed_ns,
            )
            for track, box, extent in zip(visible, boxes, extents, strict=True)
        ]
        layers = assign_layers(object_intervals(objects))
        layered = tuple(
            SceneObject(o.id, o.label, o.box_px, o.score, int(n), o.extent, o.confirmed_stamp_ns)
            for o, n in zip(objects, layers, strict=True)
        )
        return layered, up

    def _relate(
        self, objects: tuple[SceneObject, ...], up: Vector3 | None
    ) -> tuple[SceneRelation, ...]:
        config = self.config.relations
        measured = measure_relations(objects, up=up, config=config, held=self._held)
        self._model_relations = [
            r
            for r in self._model_relations
            if r.subject_id in self._tracks and r.object_id in self._tracks
        ]
        merged = merge_relations(
            self._model_relations, measured, objects, up=up, config=config, held=self._held
        )
        self._held = frozenset(
            (r.subject_id, r.predicate, r.object_id)
            for r in (*measured, *merged)
            if r.source in (RelationSource.GEOMETRY, RelationSource.BOTH)
        )
        return merged
