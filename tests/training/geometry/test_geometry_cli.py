"""``spacesgg data measure`` and ``points`` on small sets."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from spacesgg_ros.cli.console import InputError
from spacesgg_ros.training.data.geometry import cli
from spacesgg_ros.training.data.grounded import GroundedImage
from spacesgg_ros.training.data.sources.files import read_grounded, write_grounded

THINGS = [("cup", (20, 20, 40, 40), 1.0), ("plate", (75, 70, 95, 90), 2.0)]


def run(*arguments: object):
    app = typer.Typer()
    cli.register(app)
    return CliRunner().invoke(app, [str(a) for a in arguments])


@pytest.fixture
def grounded(world) -> Path:
    """Two images with depth and one without."""
    one = world.image(THINGS)
    images = [one, replace(one, id="a/b"), replace(one, id="no depth", depth=None)]
    write_grounded(world.root / "set.jsonl", images)
    return world.root / "set.jsonl"


def test_measure_writes_the_measured_and_lists_the_rest(grounded: Path, tmp_path: Path):
    out = tmp_path / "out" / "measured.jsonl"

    result = run("measure", grounded, "--out", out, "--jobs", 1)

    assert result.exit_code == 0, result.output
    images = list(read_grounded(out))
    assert [image.id for image in images] == ["one", "a/b"]
    assert all(image.layers == ((0,), (1,)) for image in images)
    rejected = [json.loads(line) for line in (out.parent / "measured.rejected.jsonl").open()]
    assert [(r["id"], r["stage"], r["reason"]) for r in rejected] == [
        ("no depth", "measure", "no depth")
    ]
    assert "measure: no depth" in result.output
    assert sorted(p.name for p in out.parent.iterdir()) == [
        "measured.jsonl",
        "measured.rejected.jsonl",
    ]


def test_measure_estimates_where_there_is_no_depth(grounded: Path, tmp_path: Path):
    out = tmp_path / "measured.jsonl"

    result = run("measure", grounded, "--out", out, "--estimator", "stub", "--jobs", 1)

    assert result.exit_code == 0, result.output
    sensor, _, estimated = read_grounded(out)
    assert isinstance(estimated, GroundedImage)
    assert "no depth model" in estimated.provenance["estimate"]
    assert estimated.depth.path.startswith("measured.depth/")
    assert (tmp_path / estimated.depth.path).is_file()
    assert "estimate" not in sensor.provenance


def test_measure_gives_the_same_bytes_in_two_processes(grounded: Path, tmp_path: Path):
    for jobs in (1, 2):
        run("measure", grounded, "--out", tmp_path / f"m{jobs}.jsonl", "--jobs", jobs)

    assert (tmp_path / "m1.jsonl").read_bytes() == (tmp_path / "m2.jsonl").read_bytes()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("measure", "{set}.gone", "--out", "x.jsonl"), "grounded: there is no file"),
        (("points", "{set}.gone", "--out", "x"), "grounded: there is no file"),
        (("measure", "{set}", "--out", "{set}"), "is the set itself"),
        (("measure", "{set}", "--out", "x.jsonl", "--root", "/no/such"), "--root: there is no"),
        (
            ("measure", "{set}", "--out", "x.jsonl", "--device", "cuda"),
            "--device: of the estimator",
        ),
        (("points", "{set}", "--out", "x", "--format", "obj"), "--format is ply or npz"),
        (("points", "{set}", "--out", "x", "--frame", "map"), "--frame is camera or world"),
        (("points", "{set}", "--out", "{folder}/x", "--frame", "world"), "gave a cloud"),
    ],
)
def test_a_wrong_call_says_what_is_wrong(grounded: Path, arguments, message):
    told = [a.format(set=grounded, folder=grounded.parent) for a in arguments]

    result = run(*told)

    assert isinstance(result.exception, InputError)
    assert message in str(result.exception)


def test_points_writes_a_cloud_an_image(grounded: Path, tmp_path: Path):
    result = run("points", grounded, "--out", tmp_path / "clouds", "--format", "npz")

    assert result.exit_code == 0, result.output
    names = sorted(p.name for p in (tmp_path / "clouds").iterdir())
    assert len(names) == 3 and "one.npz" in names and "rejected.jsonl" in names
    with np.load(tmp_path / "clouds" / "one.npz") as arrays:
        assert arrays["xyz"].shape == (160 * 120, 3)
    assert "points: no depth" in result.output


def test_points_keep_the_grid_and_go_to_the_world(world, tmp_path: Path):
    pose = ((1.0, 0.0, 0.0, 0.0), (0.0, 1.0, 0.0, 0.0), (0.0, 0.0, 1.0, 5.0), (0.0, 0.0, 0.0, 1.0))
    write_grounded(world.root / "set.jsonl", [world.image(THINGS, camera_to_world=pose)])

    result = run(
        "points", world.root / "set.jsonl", "--out", tmp_path / "c", "--format", "npz",
        "--frame", "world", "--structured",
    )  # fmt: skip

    assert result.exit_code == 0, result.output
    with np.load(tmp_path / "c" / "one.npz") as arrays:
        assert arrays["xyz"].shape == (120, 160, 3)
        assert arrays["xyz"][30, 30, 2] == 6.0


def test_points_say_of_how_many_the_camera_is_assumed(world, tmp_path: Path):
    one = world.image(THINGS)
    images = [one, replace(one, id="two", camera=None)]
    write_grounded(world.root / "set.jsonl", images)

    result = run("points", world.root / "set.jsonl", "--out", tmp_path / "c")

    assert result.exit_code == 0, result.output
    assert "1 clouds are of a camera" in " ".join(result.output.split())
    assert len(list((tmp_path / "c").glob("*.ply"))) == 2


def test_a_measured_set_stays_where_nothing_could_be_measured(world, tmp_path: Path):
    out = tmp_path / "measured.jsonl"
    out.write_text("before")
    write_grounded(world.root / "set.jsonl", [world.image(THINGS, depth=None)])

    result = run("measure", world.root / "set.jsonl", "--out", out, "--jobs", 1)

    assert isinstance(result.exception, InputError) and "not written" in str(result.exception)
    assert out.read_text() == "before"
    assert "no depth" in (tmp_path / "measured.rejected.jsonl").read_text()
