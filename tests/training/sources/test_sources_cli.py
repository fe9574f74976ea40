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
from spacesgg_ros.training.data.sources.files import load_image, read_grounded

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
    with pytest.raises(InputError, match="none"):
        run("import", kind, tmp_path / "none", "--out", tmp_path / "s.jsonl")
