"""Instruction rows: what a file may hold, and the images they speak of."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path

import numpy as np
import pytest

cv2 = pytest.importorskip("cv2")
pytest.importorskip("hypothesis")

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from spacesgg_ros.training.data import rows as rows_module
from spacesgg_ros.training.data.rows import (
    TASKS,
    Row,
    RowError,
    Turn,
    load_image,
    make_turns,
    manifest_hash,
    read_rows,
    read_rows_checked,
    write_rows,
)


def _row(**changes: object) -> Row:
    values = {
        "id": "a",
        "image": "a.png",
        "width": 4,
        "height": 2,
        "task": "caption",
        "conversations": make_turns([("What is there?", "A mug.")]),
    }
    return Row(**values | changes)  # type: ignore[arg-type]


_TEXT = st.text(min_size=1).filter(lambda t: t.strip() and "<image>" not in t)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.builds(
        _row,
        id=_TEXT,
        task=st.sampled_from(TASKS),
        conversations=st.lists(st.tuples(_TEXT, _TEXT), min_size=1, max_size=4).map(make_turns),
        mirror=st.booleans(),
        source=st.text(),
        provenance=st.dictionaries(st.text(), st.integers() | st.text()),
        given=st.just(""),
    )
    | st.just(_row(given="A m"))
)
def test_a_row_survives_json(row: Row) -> None:
    assert Row.from_dict(json.loads(json.dumps(row.to_dict()))) == row


def test_files_hold_llava_conversations_and_read_back(tmp_path: Path) -> None:
    rows = [_row(id=str(k), mirror=bool(k)) for k in range(2)]
    assert write_rows(tmp_path / "r.jsonl", rows) == 2
    first = json.loads((tmp_path / "r.jsonl").read_text().splitlines()[0])
    assert first["conversations"] == [
        {"from": "human", "value": "<image>\nWhat is there?"},
        {"from": "gpt", "value": "A mug."},
    ]
    assert list(read_rows(tmp_path / "r.jsonl")) == rows
    assert rows[0].exchanges == (("What is there?", "A mug."),)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"task": "poem"}, "unknown task"),
        ({"id": ""}, "needs an id"),
        ({"image": "/a.png"}, "relative"),
        ({"width": 0}, "positive"),
        ({"width": True}, "width must be int"),
        ({"mirror": "yes"}, "mirror must be bool"),
        ({"given": "A cup"}, "start with what is given"),
        ({"given": 3}, "given must be str"),
        ({"conversations": []}, "take turns"),
        ({"conversations": [{"from": "human", "value": "<image>\nx"}]}, "take turns"),
        ({"conversations": ["x"]}, "'from' and 'value'"),
        ({"conversations": None}, "conversations must be list"),
    ],
)
def test_a_bad_row_is_named_with_its_line(
    tmp_path: Path, changes: dict[str, object], reason: str
) -> None:
    good = _row().to_dict()
    file = tmp_path / "r.jsonl"
    file.write_text(json.dumps(good) + "\n\n" + json.dumps(good | changes) + "\n")
    with pytest.raises(RowError, match=f"line 3: .*{reason}"):
        list(read_rows(file))
    rows, bad = read_rows_checked(file)
    assert [r.id for r in rows] == ["a"] and [line for line, _ in bad] == [3]


@pytest.mark.parametrize("text", ["what?", "<image>\nIs <image> there?"])
def test_the_image_stands_once_at_the_start(text: str) -> None:
    with pytest.raises(RowError, match="<image>"):
        _row(conversations=(Turn("human", text), Turn("gpt", "yes")))


def test_lines_that_are_no_rows_are_counted(tmp_path: Path) -> None:
    file = tmp_path / "r.jsonl"
    file.write_bytes(b'{"id": 1\n[]\n{}\n\xff\n')
    rows, bad = read_rows_checked(file)
    assert rows == [] and [line for line, _ in bad] == [1, 2, 3, 4]


def _png(pixels: np.ndarray) -> bytes:
    return cv2.imencode(".png", pixels[..., ::-1])[1].tobytes()


@pytest.fixture
def pixels() -> np.ndarray:
    return np.arange(24, dtype=np.uint8).reshape(2, 4, 3)


def test_images_load_as_rgb_and_mirrored(tmp_path: Path, pixels: np.ndarray) -> None:
    (tmp_path / "a.png").write_bytes(_png(pixels))
    assert (load_image(_row(), tmp_path) == pixels).all()
    assert (load_image(_row(mirror=True), tmp_path) == pixels[:, ::-1]).all()


def test_members_of_shards_load_and_the_index_is_made_once(
    tmp_path: Path, pixels: np.ndarray
) -> None:
    with tarfile.open(tmp_path / "s.tar", "w") as tar:
        for name in ("x.json", "x.png"):
            data = _png(pixels)
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    rows_module._tar_index.cache_clear()
    for _ in range(3):
        assert (load_image(_row(image="s.tar/x.png"), tmp_path) == pixels).all()
    assert rows_module._tar_index.cache_info().misses == 1
    with pytest.raises(RowError, match="no member"):
        load_image(_row(image="s.tar/y.png"), tmp_path)


def test_images_that_cannot_be_used_say_why(tmp_path: Path, pixels: np.ndarray) -> None:
    (tmp_path / "a.png").write_bytes(_png(pixels))
    (tmp_path / "b.png").write_bytes(b"no image")
    (tmp_path / "c.tar").write_bytes(b"no archive" * 100)
    for changes, reason in (
        ({"width": 5}, "is 4x2"),
        ({"image": "b.png"}, "not an image"),
        ({"image": "none.png"}, "cannot read"),
        ({"image": "c.tar/x.png"}, "cannot read"),
    ):
        with pytest.raises(RowError, match=reason):
            load_image(_row(**changes), tmp_path)


def test_the_manifest_depends_on_contents_and_names_only(tmp_path: Path) -> None:
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        for name in "ab":
            (tmp_path / folder / name).write_text(name)
    one, two = ([tmp_path / f / n for n in names] for f, names in (("one", "ab"), ("two", "ba")))
    assert manifest_hash(one) == manifest_hash(two)
    two[0].write_text("changed")
    assert manifest_hash(one) != manifest_hash(two)
