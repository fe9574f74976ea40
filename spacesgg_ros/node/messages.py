"""Scene graphs as messages. One function a message, values in, message out."""

from __future__ import annotations

import array

import numpy as np
from builtin_interfaces.msg import Duration, Time
from geometry_msgs.msg import Point, Vector3
from sensor_msgs.msg import Image, RegionOfInterest
from std_msgs.msg import Header

from spacesgg_ros import msg as interfaces
from spacesgg_ros.graph import SceneGraph, SceneObject, SceneRelation

_NS = 1_000_000_000


def stamp_to_ns(stamp: Time) -> int:
    return stamp.sec * _NS + stamp.nanosec


def ns_to_stamp(stamp_ns: int) -> Time:
    sec, nanosec = divmod(stamp_ns, _NS)
    return Time(sec=sec, nanosec=nanosec)


def ns_to_duration(duration_ns: int) -> Duration:
    sec, nanosec = divmod(duration_ns, _NS)
    return Duration(sec=sec, nanosec=nanosec)


def duration_to_ns(duration: Duration) -> int:
    return duration.sec * _NS + duration.nanosec


def header_of(graph: SceneGraph) -> Header:
    """Stamp of the image the graph describes; frame its positions are in."""
    return Header(stamp=ns_to_stamp(graph.stamp_ns), frame_id=graph.frame_id)


def graph_to_message(graph: SceneGraph, has_depth: bool) -> interfaces.SceneGraph:
    return interfaces.SceneGraph(
        header=header_of(graph),
        sequence=graph.sequence,
        keyframe_stamp=ns_to_stamp(graph.keyframe_stamp_ns),
        image_width=graph.width,
        image_height=graph.height,
        objects=[object_to_message(item, graph) for item in graph.objects],
        relations=[relation_to_message(item) for item in graph.relations],
        model_id=graph.model_id,
        stage_times=[
            interfaces.StageTime(stage=stage, milliseconds=float(ms))
            for stage, ms in graph.stage_ms.items()
        ],
        has_depth=has_depth,
    )


def object_to_message(item: SceneObject, graph: SceneGraph) -> interfaces.SceneObject:
    """``graph``: the one it is in, for the image's size and stamp."""
    message = interfaces.SceneObject(
        id=item.id,
        label=item.label,
        score=float(item.score),
        roi=_roi_of(item, graph.width, graph.height),
        layer=item.layer,
        confirmed_age=ns_to_duration(max(0, graph.stamp_ns - item.confirmed_stamp_ns)),
    )
    extent = item.extent
    if extent is not None:
        x, y, z = map(float, extent.position)
        dx, dy, dz = map(float, extent.size)
        message.has_position = True
        message.position = Point(x=x, y=y, z=z)
        message.size = Vector3(x=dx, y=dy, z=dz)
        message.depth_min = float(extent.depth_min_m)
        message.depth_median = float(extent.depth_median_m)
        message.depth_max = float(extent.depth_max_m)
        message.depth_spread = float(extent.spread_m)
        message.valid_depth_pixels = int(extent.valid_px)
    return message


def relation_to_message(item: SceneRelation) -> interfaces.SceneRelation:
    message = interfaces.SceneRelation(
        subject_id=item.subject_id,
        predicate=item.predicate,
        object_id=item.object_id,
        score=float(item.score),
        source=int(item.source),
    )
    if item.offset is not None and item.distance_m is not None:
        x, y, z = map(float, item.offset)
        message.has_measurement = True
        message.offset = Vector3(x=x, y=y, z=z)
        message.distance = float(item.distance_m)
    return message


def rgb_to_message(rgb: np.ndarray, header: Header) -> Image:
    """``(H, W, 3)`` uint8 RGB."""
    height, width = rgb.shape[:2]
    # array.frombytes is one memcpy; assigning the ndarray would loop over its bytes (200 ms).
    data = array.array("B")
    data.frombytes(np.ascontiguousarray(rgb).data.cast("B"))
    return Image(
        header=header,
        height=height,
        width=width,
        encoding="rgb8",
        is_bigendian=0,
        step=3 * width,
        data=data,
    )


def _roi_of(item: SceneObject, width: int, height: int) -> RegionOfInterest:
    left, top, right, bottom = item.box_px
    x0, y0 = (int(np.clip(np.floor(v), 0, s)) for v, s in ((left, width), (top, height)))
    x1, y1 = (int(np.clip(np.ceil(v), 0, s)) for v, s in ((right, width), (bottom, height)))
    return RegionOfInterest(x_offset=x0, y_offset=y0, width=max(0, x1 - x0), height=max(0, y1 - y0))
