"""Recorded RGB-D bags: each image with a recorded scene graph, or read by a model.

Colour and depth are written out as files, so that the set needs the bag no more.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from spacesgg_ros.demo.graph_messages import graph_from_message
from spacesgg_ros.demo.recording import Recording
from spacesgg_ros.extras import require
from spacesgg_ros.graph.tracking import shrink_grey
from spacesgg_ros.graph.types import RelationSource, RGBDFrame, SceneGraph
from spacesgg_ros.training.data.from_bag import Labeller
from spacesgg_ros.training.data.from_bag_frames import (
    FrameCounts,
    FrameFate,
    KeyframeChooser,
    KeyframeConfig,
    read_frames,
)
from spacesgg_ros.training.data.grounded import DepthFile, GroundedImage
from spacesgg_ros.training.data.rejected import Rejected
from spacesgg_ros.training.data.review_record import (
    depth_path,
    image_path,
    write_depth,
    write_whole,
)

from .asv2 import add_caption
from .bag_transforms import TransformTree
from .draft import STAGE, Draft, SourceError

GRAPH_TYPE = "spacesgg_ros/msg/SceneGraph"
_TF_TYPES = ("tf2_msgs/msg/TFMessage", "tf/msg/tfMessage")
_JPEG_QUALITY = 95
_MILLIMETRE = 0.001


def read_bag(
    recording: Recording, root: Path, folder: Path, labeller: Labeller | None = None
) -> Iterator[GroundedImage | Rejected]:
    """The images of a recording with their graph's boxes and relations, in time order.

    Relations that depth contradicted are noted as ambiguous. The pose is that of the camera in
    the topmost TF frame, where the bag has one.

    Args:
        root: the folder that paths in the set are relative to.
        folder: gets ``images/STAMP.jpg`` and ``depth/STAMP.png`` (16 bits, millimetres).
        labeller: names the objects of the keyframes in place of recorded graphs.

    Raises:
        SourceError: no depth or camera_info in the bag, or neither graphs nor a labeller.
    """
    _check_topics(recording)
    graphs, transforms = _read_context(recording.path)
    if not graphs and labeller is None:
        raise SourceError(
            f"{recording.path.name} has no {GRAPH_TYPE} that can be read: record the node's "
            "scene_graph topic too, or name a model that reads the images (--model)"
        )
    for sub in ("images", "depth"):
        (folder / sub).mkdir(parents=True, exist_ok=True)
    counts, chooser = FrameCounts(), KeyframeChooser(KeyframeConfig())
    for frame in read_frames(recording, counts):
        key = f"{recording.path.stem}-{frame.stamp_ns}"
        draft = _begin(key, frame, root, folder)
        if labeller is not None:
            fate = chooser.judge(frame.stamp_ns, shrink_grey(frame.rgb)[0])
            if fate is not FrameFate.KEYFRAME:
                yield Rejected(key, STAGE, f"no keyframe: {fate.value}")
                continue
            draft.extra["labelled_by"] = labeller.model_id
            add_caption(draft, labeller.write_graph(frame.rgb).text)
        else:
            graph = graphs.get(frame.stamp_ns)
            if graph is None:
                yield Rejected(key, STAGE, "no scene graph of this image")
                continue
            draft.extra["labelled_by"] = graph.model_id
            _add_graph(draft, graph)
        yield from _finish(draft, frame, root, folder, transforms)
    for stamp_ns, why in counts.bad:
        yield Rejected(f"{recording.path.stem}-{stamp_ns}", STAGE, "unusable frame", why)


def _check_topics(recording: Recording) -> None:
    for name in ("depth", "camera_info"):
        if getattr(recording.topics, name) is None:
            topics = ", ".join(sorted(recording.available))
            raise SourceError(f"no {name} topic in {recording.path.name}; its topics: {topics}")


def _read_context(path: Path) -> tuple[dict[int, SceneGraph], TransformTree]:
    """The recorded graphs by their image's stamp, and the transforms."""
    rosbags = require("rosbags.highlevel", "bag")
    typesys = require("rosbags.typesys", "bag")
    types = typesys.get_typestore(typesys.Stores.ROS2_HUMBLE)
    graphs: dict[int, SceneGraph] = {}
    transforms = TransformTree()
    wanted = (GRAPH_TYPE, *_TF_TYPES)
    try:
        with rosbags.AnyReader([path], default_typestore=types) as reader:
            # A bag without definitions of its own has none of the graph's type.
            connections = [
                c
                for c in reader.connections
                if c.msgtype in wanted and c.msgtype in reader.typestore.fielddefs
            ]
            for connection, _, data in reader.messages(connections) if connections else ():
                message = reader.deserialize(data, connection.msgtype)
                if connection.msgtype == GRAPH_TYPE:
                    graph = graph_from_message(message)
                    graphs[graph.stamp_ns] = graph
                else:
                    transforms.add_message(message, fixed="static" in connection.topic)
    except (rosbags.AnyReaderError, OSError, ValueError, struct.error) as error:
        raise SourceError(f"cannot read graphs and transforms of {path}: {error}") from error
    return graphs, transforms


def _begin(key: str, frame: RGBDFrame, root: Path, folder: Path) -> Draft:
    height, width = frame.rgb.shape[:2]
    name = _relative(image_path(folder, str(frame.stamp_ns)), root)
    return Draft(key, name, width, height, "bag", extra={"stamp_ns": frame.stamp_ns})


def _relative(path: Path, root: Path) -> str:
    return Path(os.path.relpath(path.resolve(), root.resolve())).as_posix()


def _add_graph(draft: Draft, graph: SceneGraph) -> None:
    if (graph.width, graph.height) != (draft.width, draft.height):
        draft.reject("graph", "graph of another image size", f"{graph.width}x{graph.height}")
        return
    for o in graph.objects:
        draft.add_object(o.id, o.label, o.box_px)
    for relation in graph.relations:
        if relation.source is RelationSource.CONTRADICTED:
            draft.doubt(relation.subject_id, relation.object_id)
        else:
            draft.relate(relation.subject_id, relation.predicate, relation.object_id)


def _finish(
    draft: Draft, frame: RGBDFrame, root: Path, folder: Path, transforms: TransformTree
) -> Iterator[GroundedImage | Rejected]:
    assert frame.depth_m is not None  # read_frames pairs every image with its depth
    depth = depth_path(folder, str(frame.stamp_ns))
    found = transforms.look_up(frame.frame_id, frame.stamp_ns)
    pose = None
    if found is not None:
        draft.extra["world"] = found[0]
        pose = tuple(tuple(float(v) for v in row) for row in np.round(found[1], 9))
    for record in draft.finish(
        camera=frame.intrinsics,
        camera_to_world=pose,
        depth=DepthFile(_relative(depth, root), "metric", _MILLIMETRE),
    ):
        if isinstance(record, GroundedImage):
            write_depth(depth, frame.depth_m)
            write_whole(image_path(folder, str(frame.stamp_ns)), _encode_jpeg(frame.rgb))
        yield record


def _encode_jpeg(rgb: np.ndarray) -> bytes:
    bgr = cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR)
    return cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])[1].tobytes()
