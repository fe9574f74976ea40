import io
import json
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from spacesgg_ros.graph.types import Intrinsics
from spacesgg_ros.training.data.grounded import DepthFile, GroundedImage
from spacesgg_ros.training.data.sources.draft import SourceError
from spacesgg_ros.training.data.sources.files import load_image
from spacesgg_ros.training.data.sources.masks import decode_mask, mask_box
from spacesgg_ros.training.data.sources.rendered import read_rendered

POSE = [[1.0, 0.0, 0.0, 0.1], [0.0, 0.0, 1.0, 0.2], [0.0, -1.0, 0.0, 0.3], [0.0, 0.0, 0.0, 1.0]]


@pytest.fixture
def frame(record: dict) -> dict[str, Any]:
    return record | {
        "kind": "tabletop",
        "intrinsics": [300.0, 301.0, 159.5, 119.5],
        "camera_to_world": POSE,
        "ignored": [{"index": 5, "label": "fork", "box_px": [0, 0, 5, 5]}],
    }


def draw_instances(frame: dict[str, Any]) -> np.ndarray:
    picture = np.zeros((240, 320), np.uint8)
    for o in sorted(frame["objects"], key=lambda o: o["index"]):
        x0, y0, x1, y1 = o["box_px"]
        picture[y0:y1, x0:x1] = o["index"] + 1
    return picture


@pytest.fixture
def write_shard(tmp_path: Path) -> Callable[..., Path]:
    """A shard of frames; ``leave_out`` and ``change`` go by suffix and hold for the first."""

    def write(name: str, *frames: dict, leave_out: tuple = (), change: dict | None = None) -> Path:
        path = tmp_path / "scenes" / name
        path.parent.mkdir(exist_ok=True)
        with tarfile.open(path, "w") as tar:
            for k, frame in enumerate(frames):
                members = {
                    "jpg": cv2.imencode(".jpg", np.zeros((240, 320, 3), np.uint8))[1].tobytes(),
                    "depth.png": cv2.imencode(".png", np.ones((240, 320), np.uint16))[1].tobytes(),
                    "instances.png": cv2.imencode(".png", draw_instances(frame))[1].tobytes(),
                    "holes.png": b"holes",
                    "json": json.dumps(frame).encode(),
                }
                if k == 0:
                    members |= change or {}
                for suffix, data in members.items():
                    if k or suffix not in leave_out:
                        info = tarfile.TarInfo(f"{frame['key']}.{suffix}")
                        info.size = len(data)
                        tar.addfile(info, io.BytesIO(data))
        return path

    return write


def test_a_frame_has_masks_relations_camera_pose_and_depth(
    tmp_path: Path, write_shard, frame: dict
) -> None:
    shard = write_shard("train-00000.tar", frame)
    (tmp_path / "sets").mkdir()
    (image,) = read_rendered(shard, tmp_path / "sets")
    assert image.image == "../scenes/train-00000.tar/test-000000-0.jpg"
    assert load_image(tmp_path / "sets", image).shape == (240, 320, 3)
    assert [o.label for o in image.objects] == ["table", "mug", "spoon", "bowl", "apple"]
    assert [mask_box(o.mask) for o in image.objects] == [o.box_px for o in image.objects]
    assert decode_mask(image.objects[1].mask).sum() == 40 * 60
    assert image.relations[0] == (4, "in", 3)
    assert len(image.relations) == 8
    assert image.ambiguous == ((1, 3),)
    assert image.camera == Intrinsics(300.0, 301.0, 159.5, 119.5, 320, 240)
    assert image.camera_to_world == tuple(map(tuple, POSE))
    place = "../scenes/train-00000.tar/test-000000-0"
    assert image.depth == DepthFile(f"{place}.depth.png", "metric", 0.001)
    assert image.provenance == {
        "kind": "tabletop",
        "ignored": [{"label": "fork", "box_px": [0.0, 0.0, 5.0, 5.0]}],
        "holes": f"{place}.holes.png",
    }
    assert GroundedImage.from_dict(json.loads(json.dumps(image.to_dict()))) == image


def test_relations_go_by_the_objects_index_not_its_place(
    tmp_path: Path, write_shard, frame: dict
) -> None:
    backwards = frame | {"objects": frame["objects"][::-1]}
    (image,) = read_rendered(write_shard("t-0.tar", backwards), tmp_path)
    assert image.objects[0].label == "apple"
    assert image.relations[0] == (0, "in", 1)


def test_a_frame_without_depth_or_holes_is_still_one(tmp_path, write_shard, frame: dict) -> None:
    shard = write_shard("t-0.tar", frame, leave_out=("depth.png", "holes.png"))
    (image,) = read_rendered(shard, tmp_path)
    assert image.depth is None
    assert "holes" not in image.provenance


SMALL = cv2.imencode(".png", np.zeros((24, 32), np.uint8))[1].tobytes()


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        ({"leave_out": ("jpg",)}, "broken frame"),
        ({"leave_out": ("instances.png",)}, "no such member"),
        ({"change": {"instances.png": b"no picture"}}, "unfit mask picture"),
        ({"change": {"instances.png": SMALL}}, "unfit mask picture"),
        ({"change": {"json": b"{half"}}, "broken frame"),
        ({"change": {"json": b"{}"}}, "broken frame"),
    ],
)
def test_a_damaged_frame_is_rejected_and_the_next_is_read(
    tmp_path: Path, write_shard, frame: dict, damage: dict, reason: str
) -> None:
    shard = write_shard("t-0.tar", frame, frame | {"key": "next"}, **damage)
    bad, good = read_rendered(shard, tmp_path)
    assert (bad.id, bad.reason) == ("test-000000-0", reason)
    assert good.id == "next"


@pytest.mark.parametrize(
    "changes",
    [{"intrinsics": [0, 1, 2, 3]}, {"intrinsics": [1]}, {"camera_to_world": 3}, {"ignored": [1]}],
)
def test_a_record_with_a_broken_camera_is_rejected(
    tmp_path, write_shard, frame: dict, changes: dict
) -> None:
    (bad,) = read_rendered(write_shard("t-0.tar", frame | changes), tmp_path)
    assert bad.reason == "broken frame"


def test_an_object_whose_mask_is_not_its_box_is_listed(tmp_path, write_shard, frame: dict) -> None:
    picture = draw_instances(frame)
    picture[120:130, 40:80] = 1  # the top of the mug belongs to the table
    shard = write_shard("t-0.tar", frame, change={"instances.png": cv2.imencode(".png", picture)[1]
                                                  .tobytes()})  # fmt: skip
    *bad, image = read_rendered(shard, tmp_path)
    assert bad[0].reason == "mask and box disagree"
    assert "mug" not in [o.label for o in image.objects]
    assert {r.reason for r in bad[1:]} == {"relation to a rejected object"}


def test_a_folder_is_read_by_split_in_the_order_of_its_shards(
    tmp_path: Path, write_shard, frame: dict
) -> None:
    for name in ("train-00001.tar", "train-00000.tar", "val-00000.tar"):
        write_shard(name, frame | {"key": name.partition(".")[0]})
    read = [i.id for i in read_rendered(tmp_path / "scenes", tmp_path, "train")]
    assert read == ["train-00000", "train-00001"]
    assert len(list(read_rendered(tmp_path / "scenes", tmp_path))) == 3
    with pytest.raises(SourceError, match="no shards of split 'test'"):
        list(read_rendered(tmp_path / "scenes", tmp_path, "test"))
