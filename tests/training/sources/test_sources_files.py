import io
import json
import tarfile
from pathlib import Path

import cv2
import numpy as np
import pytest

from spacesgg_ros.graph.types import Intrinsics
from spacesgg_ros.training.data.grounded import DepthFile, GroundedImage, GroundedObject
from spacesgg_ros.training.data.rejected import Rejected
from spacesgg_ros.training.data.sources.files import (
    FileError,
    file_exists,
    load_image,
    read_bytes,
    read_grounded,
    write_grounded,
)
from spacesgg_ros.training.data.sources.pictures import Pictures, read_size

MUG = GroundedObject("mug", (1.0, 2.0, 3.0, 4.0), {"size": [6, 8], "counts": "T1"}, "mug-stuff")
IMAGE = GroundedImage(
    "a",
    "a.png",
    8,
    6,
    (MUG, GroundedObject("table", (0.0, 0.0, 8.0, 6.0))),
    relations=((0, "on", 1),),
    caption="<ref>mug</ref> – übergroß",
    camera=Intrinsics(5, 5, 3.5, 2.5, 8, 6),
    camera_to_world=((1.0, 0.0, 0.0, 0.5), (0.0, 1.0, 0.0, 0.0), (0.0, 0.0, 1.0, 0.0)),
    depth=DepthFile("a.depth.png"),
    source="test",
)


def png(width: int, height: int) -> bytes:
    picture = np.zeros((height, width, 3), np.uint8)
    picture[..., 2] = 200  # red
    return cv2.imencode(".png", picture)[1].tobytes()


def write_tar(path: Path, members: dict[str, bytes]) -> None:
    with tarfile.open(path, "w") as tar:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))


def test_what_is_written_is_read_again_and_gives_the_same_bytes(tmp_path: Path) -> None:
    path = tmp_path / "new" / "set.jsonl"
    assert write_grounded(path, [IMAGE]) == 1
    first = path.read_bytes()
    read = list(read_grounded(path))
    assert read == [IMAGE]
    write_grounded(path, read)
    assert path.read_bytes() == first


def test_an_interrupted_write_leaves_the_old_set(tmp_path: Path) -> None:
    path = tmp_path / "set.jsonl"
    write_grounded(path, [IMAGE])

    def fail():
        yield IMAGE
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_grounded(path, fail())
    assert list(read_grounded(path)) == [IMAGE]
    assert [p.name for p in tmp_path.iterdir()] == ["set.jsonl"]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("{half", "not JSON"),
        ("[" * 100_000, "not JSON"),
        ("[]", "not a JSON object"),
        ("{}", "not a grounded image"),
        (json.dumps(IMAGE.to_dict() | {"width": 2}), "not a grounded image"),
        (json.dumps(IMAGE.to_dict() | {"relations": [[0, "on", 7]]}), "not a grounded image"),
        (json.dumps(IMAGE.to_dict() | {"colour": "red"}), "not a grounded image"),
        (json.dumps(IMAGE.to_dict() | {"id": "z"}), "same id twice"),
    ],
)
def test_a_broken_line_is_set_aside_and_reading_goes_on(
    tmp_path: Path, line: str, reason: str
) -> None:
    good = json.dumps(IMAGE.to_dict() | {"id": "z"})
    path = tmp_path / "set.jsonl"
    path.write_text(f"{good}\n\n{line}\n{json.dumps(IMAGE.to_dict())}\n")
    first, broken, last = read_grounded(path)
    assert isinstance(broken, Rejected)
    assert (broken.stage, broken.reason) == ("read", reason)
    assert broken.id == ("z" if reason == "same id twice" else "set.jsonl:3")
    assert (first.id, last.id) == ("z", "a")


def test_bytes_that_are_no_text_are_a_broken_line(tmp_path: Path) -> None:
    path = tmp_path / "set.jsonl"
    path.write_bytes(b"\xff\xfe\n")
    assert [r.reason for r in read_grounded(path)] == ["not JSON"]


def test_a_set_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileError, match="cannot read the set"):
        list(read_grounded(tmp_path / "none.jsonl"))


def test_a_member_of_a_tar_is_read_like_a_file(tmp_path: Path) -> None:
    write_tar(tmp_path / "s.tar", {"k.png": png(8, 6), "deep/k.txt": b"x"})
    (tmp_path / "plain.txt").write_bytes(b"plain")
    assert read_bytes(tmp_path, "plain.txt") == b"plain"
    assert read_bytes(tmp_path, "s.tar/deep/k.txt") == b"x"
    assert file_exists(tmp_path, "s.tar/k.png")
    for missing in ("s.tar/no.png", "t.tar/k.png", "no.txt", "a\0b", "\ud800", "\ud800.tar/k", ""):
        assert not file_exists(tmp_path, missing)
        with pytest.raises(FileError):
            read_bytes(tmp_path, missing)


def test_a_tar_that_changed_is_read_anew(tmp_path: Path) -> None:
    write_tar(tmp_path / "s.tar", {"a": b"old"})
    assert read_bytes(tmp_path, "s.tar/a") == b"old"
    write_tar(tmp_path / "s.tar", {"before": b"x" * 20_000, "a": b"new"})
    assert read_bytes(tmp_path, "s.tar/a") == b"new"


def test_a_broken_tar_is_a_file_error(tmp_path: Path) -> None:
    (tmp_path / "s.tar").write_bytes(b"no archive" * 100)
    assert not file_exists(tmp_path, "s.tar/a")
    with pytest.raises(FileError):
        read_bytes(tmp_path, "s.tar/a")


def test_a_picture_is_rgb_and_of_the_records_size(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(png(8, 6))
    rgb = load_image(tmp_path, IMAGE)
    assert rgb.shape == (6, 8, 3)
    assert rgb[0, 0].tolist() == [200, 0, 0]
    (tmp_path / "a.png").write_bytes(png(6, 8))
    with pytest.raises(FileError, match="6x8; record a says 8x6"):
        load_image(tmp_path, IMAGE)
    (tmp_path / "a.png").write_bytes(b"no picture")
    with pytest.raises(FileError, match="not a picture"):
        load_image(tmp_path, IMAGE)


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".bmp", ".webp"])
def test_the_size_is_read_from_the_head(suffix: str) -> None:
    data = cv2.imencode(suffix, np.zeros((21, 34, 3), np.uint8))[1].tobytes()
    assert read_size(data) == (34, 21)


@pytest.mark.parametrize(
    "data",
    [b"", b"\x89PNG\r\n\x1a\n", b"\xff\xd8", b"\xff\xd8\xff\xe0\x00\x00\x00\x00\x00", b"GIF"],
)
def test_what_is_no_picture_has_no_size(data: bytes) -> None:
    assert read_size(data) is None


def test_a_jpegs_other_segments_are_passed_over() -> None:
    data = cv2.imencode(".jpg", np.zeros((21, 34, 3), np.uint8))[1].tobytes()
    # A fake start-of-frame inside an application segment, as a thumbnail in EXIF has it.
    thumbnail = b"\xff\xe1\x00\x0d\xff\xc0\x00\x11\x08\x00\x01\x00\x01\x03\x01"
    assert read_size(data[:2] + b"\xff" + thumbnail + data[2:]) == (34, 21)


def test_names_are_relative_to_the_root_and_reach_into_tars(tmp_path: Path) -> None:
    (tmp_path / "sets").mkdir()
    write_tar(tmp_path / "p.tar", {"val/a.png": png(8, 6)})
    pictures = Pictures(tmp_path / "p.tar", tmp_path / "sets")
    name = pictures.name("val/a.png")
    assert name == "../p.tar/val/a.png"
    assert pictures.find_fault(name, 8, 6) is None
    assert pictures.find_fault(name, 6, 8)[0] == "picture of another size"
    assert pictures.find_fault(pictures.name("b.png"), 8, 6)[0] == "no such picture"
    trusting = Pictures(tmp_path / "p.tar", tmp_path / "sets", look=False)
    assert trusting.find_fault("anything", 8, 6) is None
