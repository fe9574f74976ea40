"""Bags that the node's graphs were recorded into, written with the package's own messages."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("rosbags")

from spacesgg_ros.demo.recording import Recording
from spacesgg_ros.graph.types import RelationSource
from spacesgg_ros.training.data.grounded import GroundedImage
from spacesgg_ros.training.data.review_record import read_depth
from spacesgg_ros.training.data.sources.bag import GRAPH_TYPE, read_bag
from spacesgg_ros.training.data.sources.bag_transforms import TransformTree
from spacesgg_ros.training.data.sources.draft import SourceError
from spacesgg_ros.training.data.sources.files import load_image

from ..from_bag_world import CAMERA, HEIGHT, SECOND, WIDTH, ColourModel, pan

MESSAGES = Path(__file__).parents[3] / "msg"
FRAME = "camera_optical_frame"


def make_store() -> Any:
    """A type store with the package's messages and TF's."""
    from rosbags.typesys import Stores, get_types_from_msg, get_typestore

    store = get_typestore(Stores.ROS2_HUMBLE)
    for name in ("StageTime", "SceneObject", "SceneRelation", "SceneGraph"):
        text = (MESSAGES / f"{name}.msg").read_text()
        store.register(get_types_from_msg(text, f"spacesgg_ros/msg/{name}"))
    return store


def make_graph(store: Any, stamp_ns: int, width: int = WIDTH) -> Any:
    """A mug on a tray, behind a bowl; of the tray and the bowl depth and model disagree."""
    t = store.types
    stamp = t["builtin_interfaces/msg/Time"](*divmod(stamp_ns, SECOND))
    no_time = t["builtin_interfaces/msg/Duration"](0, 0)
    point, vector = t["geometry_msgs/msg/Point"], t["geometry_msgs/msg/Vector3"]
    roi = t["sensor_msgs/msg/RegionOfInterest"]

    def thing(number: int, label: str, box: tuple[int, int, int, int]) -> Any:
        x0, y0, x1, y1 = box
        return t["spacesgg_ros/msg/SceneObject"](
            number, label, 0.9, roi(x0, y0, y1 - y0, x1 - x0, False), 1,
            False, point(0, 0, 0), vector(0, 0, 0), 0, 0, 0, 0, 0, no_time,
        )  # fmt: skip

    def relation(subject: int, predicate: str, target: int, source: RelationSource) -> Any:
        make = t["spacesgg_ros/msg/SceneRelation"]
        fixed = (vector(0, 0, 0), 0.0)
        values = (subject, predicate, target, 0.5, int(source), False, *fixed)
        return make(*values, *[getattr(make, f"SOURCE_{s.name}") for s in RelationSource])

    objects = [
        thing(4, "mug", (90, 60, 120, 90)),
        thing(9, "tray", (60, 50, 150, 110)),
        thing(2, "bowl", (10, 55, 40, 85)),
        thing(3, "ghost", (0, 0, 0, 0)),
    ]
    relations = [
        relation(4, "on", 9, RelationSource.BOTH),
        relation(4, "behind", 2, RelationSource.GEOMETRY),
        relation(9, "in", 2, RelationSource.CONTRADICTED),
    ]
    return t["spacesgg_ros/msg/SceneGraph"](
        t["std_msgs/msg/Header"](stamp, FRAME), 1, stamp, width, HEIGHT,
        objects, relations, "tabletop", [], True,
    )  # fmt: skip


def make_transforms(store: Any, stamp_ns: int, parent: str, child: str, x: float) -> Any:
    t = store.types
    header = t["std_msgs/msg/Header"](
        t["builtin_interfaces/msg/Time"](*divmod(stamp_ns, SECOND)), parent
    )
    move = t["geometry_msgs/msg/Vector3"](x, 0.0, 0.0)
    turn = t["geometry_msgs/msg/Quaternion"](0.0, 0.0, 0.0, 1.0)
    stamped = t["geometry_msgs/msg/TransformStamped"](
        header, child, t["geometry_msgs/msg/Transform"](move, turn)
    )
    return t["tf2_msgs/msg/TFMessage"]([stamped])


@pytest.fixture
def write_recording(tmp_path: Path) -> Callable[..., Path]:
    """Three images a tenth of a second apart; graphs for the first two."""
    from rosbags.rosbag2 import StoragePlugin, Writer

    from spacesgg_ros.demo.bag_writer import (
        CAMERA_INFO_TOPIC,
        DEPTH_TOPIC,
        IMAGE_TOPIC,
        _messages,
    )

    store = make_store()
    image_types = {
        CAMERA_INFO_TOPIC: "sensor_msgs/msg/CameraInfo",
        IMAGE_TOPIC: "sensor_msgs/msg/CompressedImage",
        DEPTH_TOPIC: "sensor_msgs/msg/CompressedImage",
    }

    def write(graphs: bool = True, tf: bool = False, width: int = WIDTH) -> Path:
        path = tmp_path / "drive"
        types = dict(image_types)
        if graphs:
            types["/scene_graph"] = GRAPH_TYPE
        if tf:
            types |= {"/tf": "tf2_msgs/msg/TFMessage", "/tf_static": "tf2_msgs/msg/TFMessage"}
        with Writer(path, version=9, storage_plugin=StoragePlugin.MCAP) as bag:
            topics = {n: bag.add_connection(n, kind, typestore=store) for n, kind in types.items()}

            def put(topic: str, stamp_ns: int, message: Any) -> None:
                data = store.serialize_cdr(message, message.__msgtype__)
                bag.write(topics[topic], stamp_ns, data)

            if tf:
                static = make_transforms(store, 0, "base", FRAME, 0.5)
                put("/tf_static", SECOND, static)
            for k, frame in enumerate(pan([0, 5, 10])):
                for topic, message in _messages(store, frame, CAMERA, FRAME, 95):
                    put(topic, frame.stamp_ns, message)
                if graphs and k < 2:
                    put("/scene_graph", frame.stamp_ns, make_graph(store, frame.stamp_ns, width))
                if tf:
                    moved = make_transforms(store, frame.stamp_ns, "map", "base", float(k))
                    put("/tf", frame.stamp_ns, moved)
        return path

    return write


def read(path: Path, root: Path, **options: Any) -> list:
    with Recording(path) as recording:
        return list(read_bag(recording, root, root / "set", **options))


def test_images_come_with_the_boxes_and_relations_of_their_graph(
    tmp_path: Path, write_recording
) -> None:
    records = read(write_recording(), tmp_path)
    images = [r for r in records if isinstance(r, GroundedImage)]
    assert len(images) == 2
    image = images[0]
    assert image.id == f"drive-{SECOND}"
    assert [o.label for o in image.objects] == ["mug", "tray", "bowl"]
    assert image.objects[0].box_px == (90, 60, 120, 90)
    assert image.relations == ((0, "on", 1), (0, "behind", 2))
    assert image.ambiguous == ((1, 2),)
    assert image.camera == CAMERA
    assert image.camera_to_world is None
    assert image.provenance == {"stamp_ns": SECOND, "labelled_by": "tabletop"}
    assert GroundedImage.from_dict(json.loads(json.dumps(image.to_dict()))) == image
    reasons = [r.reason for r in records if not isinstance(r, GroundedImage)]
    assert reasons == ["empty box", "empty box", "no scene graph of this image"]


def test_colour_and_depth_are_written_beside_the_set(tmp_path: Path, write_recording) -> None:
    image = next(r for r in read(write_recording(), tmp_path) if isinstance(r, GroundedImage))
    assert image.image == f"set/images/{SECOND}.jpg"
    original = next(iter(pan([0])))
    rgb = load_image(tmp_path, image)
    assert np.abs(rgb.astype(int) - original.rgb).mean() < 12  # two JPEGs of a noisy picture
    assert (image.depth.path, image.depth.kind) == (f"set/depth/{SECOND}.png", "metric")
    depth = read_depth(tmp_path / image.depth.path)
    assert depth == pytest.approx(original.depth_m, abs=0.001)


def test_the_pose_is_the_cameras_in_the_topmost_frame(tmp_path: Path, write_recording) -> None:
    records = read(write_recording(tf=True), tmp_path)
    images = [r for r in records if isinstance(r, GroundedImage)]
    assert [i.camera_to_world[0] for i in images] == [(1, 0, 0, 0.5), (1, 0, 0, 1.5)]
    assert images[0].provenance["world"] == "map"


def test_a_graph_of_another_image_size_is_refused(tmp_path: Path, write_recording) -> None:
    reasons = [r.reason for r in read(write_recording(width=320), tmp_path)]
    assert reasons.count("graph of another image size") == 2
    assert reasons.count("no usable object") == 2


def test_a_bag_without_graphs_asks_for_them_or_a_model(tmp_path: Path, write_recording) -> None:
    path = write_recording(graphs=False)
    with pytest.raises(SourceError, match="--model"):
        read(path, tmp_path)
    images = [
        r for r in read(path, tmp_path, labeller=ColourModel()) if isinstance(r, GroundedImage)
    ]
    assert [o.label for o in images[0].objects] == ["mug", "bowl"]
    assert images[0].relations == ((0, "to the right of", 1),)
    assert images[0].provenance["labelled_by"] == "colours"


def pose(x: float, half_turn: float = 0.0) -> np.ndarray:
    """``x`` metres along x, turned about z by twice ``half_turn``."""
    return np.array([x, 0, 0, 0, 0, np.sin(half_turn), np.cos(half_turn)])


def test_transforms_chain_from_the_camera_up() -> None:
    tree = TransformTree()
    tree.add("map", "base", 0, pose(1.0, np.pi / 4), fixed=True)  # a quarter turn to the left
    tree.add("base", "/camera", 0, pose(2.0), fixed=True)
    top, matrix = tree.look_up("camera", 5)
    assert top == "map"
    assert matrix @ [1, 0, 0, 1] == pytest.approx([1, 3, 0, 1])


def test_between_two_moments_a_pose_is_interpolated() -> None:
    tree = TransformTree()
    tree.add("map", "camera", 2 * SECOND, -pose(-3.0, np.pi / 4), fixed=False)  # q and -q alike
    tree.add("map", "camera", SECOND, pose(1.0), fixed=False)
    _, matrix = tree.look_up("camera", SECOND + SECOND // 2)
    assert matrix[:3, 3] == pytest.approx([2, 0, 0])
    assert np.arctan2(matrix[1, 0], matrix[0, 0]) == pytest.approx(np.pi / 4)


def test_far_from_any_moment_there_is_no_pose() -> None:
    tree = TransformTree()
    tree.add("map", "camera", SECOND, pose(1.0), fixed=False)
    assert tree.look_up("camera", SECOND + SECOND // 20) is not None
    assert tree.look_up("camera", 2 * SECOND) is None
    assert tree.look_up("camera", 0) is None


def test_unknown_frames_loops_and_broken_rotations_give_no_pose() -> None:
    tree = TransformTree()
    assert tree.look_up("camera", 0) is None
    tree.add("map", "camera", 0, np.array([0, 0, 0, 0, 0, 0, 0.0]), fixed=True)
    tree.add("map", "camera", 0, np.full(7, np.nan), fixed=True)
    assert tree.look_up("camera", 0) is None
    tree.add("a", "b", 0, pose(0), fixed=True)
    tree.add("b", "a", 0, pose(0), fixed=True)
    assert tree.look_up("a", 0) is None
