"""SceneGraph messages as the dataclasses of :mod:`spacesgg_ros.graph`."""

from __future__ import annotations

from typing import Any

from spacesgg_ros.graph.types import (
    Extent3D,
    RelationSource,
    SceneGraph,
    SceneObject,
    SceneRelation,
    Vector3,
)

_NS = 1_000_000_000


def graph_from_message(message: Any) -> SceneGraph:
    """The graph in a ``spacesgg_ros/msg/SceneGraph`` (anything with its fields)."""
    stamp_ns = _ns(message.header.stamp)
    return SceneGraph(
        stamp_ns=stamp_ns,
        frame_id=message.header.frame_id,
        width=message.image_width,
        height=message.image_height,
        objects=tuple(_object(item, stamp_ns) for item in message.objects),
        relations=tuple(_relation(item) for item in message.relations),
        sequence=message.sequence,
        keyframe_stamp_ns=_ns(message.keyframe_stamp),
        model_id=message.model_id,
        stage_ms={item.stage: item.milliseconds for item in message.stage_times},
    )


def _object(item: Any, stamp_ns: int) -> SceneObject:
    roi = item.roi
    extent = None
    if item.has_position:
        extent = Extent3D(
            position=_vector(item.position),
            size=_vector(item.size),
            depth_min_m=item.depth_min,
            depth_median_m=item.depth_median,
            depth_max_m=item.depth_max,
            spread_m=item.depth_spread,
            valid_px=item.valid_depth_pixels,
        )
    return SceneObject(
        id=item.id,
        label=item.label,
        box_px=(
            roi.x_offset,
            roi.y_offset,
            roi.x_offset + roi.width,
            roi.y_offset + roi.height,
        ),
        score=item.score,
        layer=item.layer,
        extent=extent,
        confirmed_stamp_ns=stamp_ns - _ns(item.confirmed_age),
    )


def _relation(item: Any) -> SceneRelation:
    measured = item.has_measurement
    return SceneRelation(
        subject_id=item.subject_id,
        predicate=item.predicate,
        object_id=item.object_id,
        source=RelationSource(item.source),
        score=item.score,
        offset=_vector(item.offset) if measured else None,
        distance_m=item.distance if measured else None,
    )


def _ns(stamp: Any) -> int:
    return int(stamp.sec) * _NS + int(stamp.nanosec)


def _vector(value: Any) -> Vector3:
    return (value.x, value.y, value.z)
