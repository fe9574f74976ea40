import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from spacesgg_ros.cli.console import InputError
from spacesgg_ros.training.data.grounded import GroundedImage
from spacesgg_ros.training.data.rejected import Rejected
from spacesgg_ros.training.data.sources import cli
from spacesgg_ros.training.data.sources.coco_panoptic import read_coco_instances
from spacesgg_ros.training.data.sources.files import load_image, read_grounded
from spacesgg_ros.training.data.sources.pictures import Pictures

CATEGORIES = [{"id": 1, "name": "floor-wood"}]


@pytest.fixture
def run() -> Callable[..., str]:
    """Runs ``spacesgg data ARGUMENTS``; returns what it prints."""
    app = typer.Typer()
    app.callback()(lambda: None)
    cli.register(app)

    def invoke(*arguments: object) -> str:
        result = CliRunner().invoke(app, [str(a) for a in arguments])
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        assert result.exit_code == 0, result.output
        return result.output

    return invoke


@pytest.fixture
def source(write_json, write_picture) -> Path:
    """Three images: a good one, one without its picture, and a second good one."""
    write_picture("val/a.png")
    write_picture("val/c.png")
    images = [{"id": k, "file_name": f"{n}.png", "width": 8, "height": 6} for k, n in
              enumerate("abc")]  # fmt: skip
    annotations: list[dict[str, Any]] = [
        {"id": 10 + k, "image_id": k, "category_id": 1, "bbox": [1, 1, 4, 3]} for k in range(3)
    ]
    data = {"images": images, "annotations": annotations, "categories": CATEGORIES}
    return write_json("val/instances.json", data)


def test_a_data_set_becomes_a_set_and_a_list_of_what_is_not_in_it(
    tmp_path: Path, run, source: Path
) -> None:
    out = tmp_path / "sets" / "coco.jsonl"
    shown = run("import", "coco-instances", source, "--out", out)
    images = list(read_grounded(out))
    assert [i.id for i in images] == ["0", "2"]
    assert images[0].image == "../val/a.png"
    assert load_image(out.parent, images[0]).shape == (6, 8, 3)
    lines = out.with_suffix(".rejected.jsonl").read_text().splitlines()
    (rejected,) = [Rejected.from_dict(json.loads(line)) for line in lines]
    assert (rejected.id, rejected.reason) == ("1", "no such picture")
    assert "no such picture" in shown
    assert "2 images" in shown
    assert f"pictures not found in {source.parent}: 1; --images DIR says" in shown


def test_the_same_data_set_gives_the_same_bytes(tmp_path: Path, run, source: Path) -> None:
    outs = [tmp_path / f"{k}.jsonl" for k in range(2)]
    for out in outs:
        run("import", "coco-instances", source, "--out", out)
    assert outs[0].read_bytes() == outs[1].read_bytes()


def test_root_and_limit(tmp_path: Path, run, source: Path) -> None:
    out = tmp_path / "elsewhere" / "set.jsonl"
    run("import", "coco-instances", source, "--out", out, "--root", tmp_path, "--limit", 1)
    (image,) = read_grounded(out)
    assert image.image == "val/a.png"


def test_without_looking_missing_pictures_are_taken_on_trust(
    tmp_path: Path, run, source: Path
) -> None:
    out = tmp_path / "set.jsonl"
    run("import", "coco-instances", source, "--out", out, "--no-look")
    assert len([i for i in read_grounded(out) if isinstance(i, GroundedImage)]) == 3


def test_a_second_image_with_an_id_is_rejected(tmp_path: Path, run, source: Path) -> None:
    data = json.loads(source.read_text())
    data["images"].append(data["images"][0])
    data["annotations"] = [a for a in data["annotations"] if a["image_id"] != 1]
    source.write_text(json.dumps(data))
    out = tmp_path / "set.jsonl"
    run("import", "coco-instances", source, "--out", out)
    assert len(list(read_grounded(out))) == 1 + 1
    assert "same id twice" in out.with_suffix(".rejected.jsonl").read_text()


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (("--split", "train"), "--split is for psg, rendered"),
        (("--masks", "x"), "--masks is for coco-panoptic, psg"),
        (("--model", "embedded"), "--model is for bag"),
        (("--images", "nowhere"), "no usable image"),
    ],
)
def test_what_cannot_be_is_said(tmp_path, run, source: Path, arguments: tuple, why: str) -> None:
    with pytest.raises(InputError, match=why):
        run("import", "coco-instances", source, "--out", tmp_path / "s.jsonl", *arguments)


@pytest.mark.parametrize("kind", [k.value for k in cli.Kind])
def test_a_source_that_is_not_there_is_said(tmp_path: Path, run, kind: str) -> None:
    with pytest.raises(InputError, match=r"source: there is no file or folder .*none; check"):
        run("import", kind, tmp_path / "none", "--out", tmp_path / "s.jsonl")


def test_nothing_usable_leaves_the_set_that_was_there(tmp_path, run, source: Path) -> None:
    out = tmp_path / "s.jsonl"
    out.write_text("before")
    why = r"s\.jsonl is not written: 3 rejected.*no such picture.*--images DIR"
    with pytest.raises(InputError, match=why):
        run("import", "coco-instances", source, "--out", out, "--images", tmp_path / "none")
    assert out.read_text() == "before"
    assert len(out.with_suffix(".rejected.jsonl").read_text().splitlines()) == 3
    assert not list(tmp_path.glob("*.tmp"))


COCO = {"images": [], "categories": []}
OTHERS = {
    "coco-panoptic": COCO | {"annotations": [{"image_id": 1, "segments_info": []}]},
    "coco-instances": COCO | {"annotations": [{"image_id": 1, "bbox": [0, 0, 1, 1]}]},
    "psg": {"data": [], "thing_classes": [], "stuff_classes": [], "predicate_classes": []},
    "asv2": [{"id": "1", "image": "1.jpg", "conversations": []}],
}


@pytest.mark.parametrize("indent", [None, 1])
@pytest.mark.parametrize("kind", OTHERS)
@pytest.mark.parametrize("found", OTHERS)
def test_a_file_of_another_kind_is_told_from_this_one(
    tmp_path: Path, run, kind: str, found: str, indent: int | None
) -> None:
    path = tmp_path / "file.json"
    path.write_text(json.dumps(OTHERS[found], indent=indent))
    with pytest.raises(InputError) as error:
        run("import", kind, path, "--out", tmp_path / "s.jsonl")
    assert (f"looks like {found}: `data import {found} " in str(error.value)) == (kind != found)
    assert "\n" not in str(error.value)


def test_jsonl_rows_are_told_from_one_object(tmp_path: Path, run) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text(2 * (json.dumps(OTHERS["asv2"][0]) + "\n"))
    with pytest.raises(InputError, match="looks like asv2"):
        run("import", "psg", path, "--out", tmp_path / "s.jsonl")


@pytest.mark.parametrize(("limit", "total"), [((), 2), (("--limit", 1), 1), (("--limit", 9), 2)])
def test_the_bar_ends_full(tmp_path, run, source: Path, monkeypatch, limit, total) -> None:
    shown: list[Any] = []

    class Seen(cli.Progress):
        def __exit__(self, *error: Any) -> None:
            shown.extend((task.completed, task.total) for task in self.tasks)
            super().__exit__(*error)

    monkeypatch.setattr(cli, "Progress", Seen)
    run("import", "coco-instances", source, "--out", tmp_path / "s.jsonl", *limit)
    assert shown == [(total, total)]


def test_readers_say_how_many_images_a_file_lists(tmp_path: Path, source: Path) -> None:
    told: list[int] = []
    list(read_coco_instances(source, Pictures(source.parent, tmp_path), told.append))
    assert told == [3]
