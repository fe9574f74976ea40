"""Rows by a language model: what it is told, what is kept of its answers, and the command."""

from __future__ import annotations

import json
import pickle
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("httpx")

from typer.testing import CliRunner

from spacesgg_ros.cli.main import make_app
from spacesgg_ros.graph.boxes import encode_box
from spacesgg_ros.graph.text import parse_graph
from spacesgg_ros.training.data.grounded import GroundedImage
from spacesgg_ros.training.data.rows import read_rows
from spacesgg_ros.training.data.sources.files import write_grounded
from spacesgg_ros.training.data.writing.endpoint import EndpointConfig
from spacesgg_ros.training.data.writing.formats import WriteConfig, write_batch
from spacesgg_ros.training.data.writing.openai_generator import OpenAIGenerator

from .conftest import FakeServer, said

Serve = Callable[..., FakeServer]
MUG = "<ref>mug</ref><box>[[200, 500, 260, 600]]</box>"
GOOD = f"Layer 1: A {MUG}.\n1. Question: Where is the {MUG}? Answer: Near."


def _write(server: FakeServer, image: GroundedImage, *formats: str) -> tuple:
    endpoint = EndpointConfig(server.url, "tiny", attempts=2, backoff_s=0.001)
    generator = pickle.loads(pickle.dumps(OpenAIGenerator(endpoint)))
    return write_batch([image], WriteConfig(formats=formats), generator)


@pytest.mark.parametrize("name", ["desc", "qa", "conv"])
def test_the_model_is_given_facts_of_the_image_only(
    serve: Serve, kitchen: GroundedImage, name: str
) -> None:
    server = serve(said(GOOD))
    _write(server, replace(kitchen, caption="A tidy kitchen."), name)
    system, user = (m["content"] for m in server.requests[0]["messages"])
    boxes = {encode_box(o.box_px, 999, 999) for o in kitchen.objects}
    graph = parse_graph(user)
    assert not graph.issues
    assert {o.box for o in graph.objects} <= boxes
    assert ("A tidy kitchen." in user) == (name == "desc")
    assert "Never mention" in system and "{" not in system


def test_the_model_is_told_each_view_of_a_pair(serve: Serve, kitchen: GroundedImage) -> None:
    server = serve(said(GOOD))
    pair = tuple(o for o in kitchen.orders if (o.subject, o.target) == (1, 3))
    _write(server, replace(kitchen, orders=pair), "conv")
    user = server.requests[0]["messages"][1]["content"]
    assert f"In the picture: {MUG} in front of and to the left of <ref>chair</ref>" in user
    assert "From the back: behind and to the right of" in user
    assert "From the left side: to the right of and in front of" in user
    assert "From the right side: to the left of and behind" in user


def test_an_image_without_such_facts_asks_nothing(serve: Serve, kitchen: GroundedImage) -> None:
    server = serve(said(GOOD))
    silent = replace(kitchen, orders=(), relations=())
    rows, rejected = _write(server, silent, "qa", "conv")
    assert not rows and not server.requests
    assert [r.reason for r in rejected] == ["nothing to say"] * 2


def test_good_answers_are_rows_and_others_are_listed(serve: Serve, kitchen: GroundedImage) -> None:
    server = serve(said("I am a language model."))
    rows, rejected = _write(server, kitchen, "desc", "qa", "conv")
    assert not rows
    assert [(r.reason, r.detail) for r in rejected] == [
        ("unusable answer", "no layers"),
        ("unusable answer", "no question"),
        ("unusable answer", "no question"),
    ]
    rows, rejected = _write(serve(said(GOOD)), kitchen, "desc", "qa")
    assert not rejected
    assert [row.provenance["generator"] for row in rows] == ["openai", "openai"]
    assert rows[0].provenance["model"] == "tiny"
    assert rows[1].exchanges == ((f"Where is the {MUG}?", "Near."),)


def _command(folder: Path, server: FakeServer | None, *more: str) -> tuple[int, str]:
    options = ["--jobs", "1"]
    if server:
        options = ["--generator", "openai", "--endpoint", server.url, "--model", "m"]
    elif "openai" in more:
        options = []
    arguments = ["data", "write", f"{folder}/set.jsonl", "--out", f"{folder}/out/rows.jsonl"]
    result = CliRunner().invoke(make_app(), [*arguments, *options, *more])
    return result.exit_code, re.sub(r"\s+", " ", f"{result.output} {result.exception or ''}")


@pytest.fixture
def folder(tmp_path: Path, kitchen: GroundedImage) -> Path:
    """A set of two images."""
    write_grounded(tmp_path / "set.jsonl", [kitchen, replace(kitchen, id="other")])
    return tmp_path


def test_the_command_writes_rows_that_find_their_images(folder: Path) -> None:
    code, told = _command(folder, None)
    assert code == 0, told
    rows = list(read_rows(folder / "out/rows.jsonl"))
    assert len(rows) == 6
    assert {row.image for row in rows} == {"../kitchen.jpg"}
    assert "6 rows of 2 images" in told
    first = (folder / "out/rows.jsonl").read_bytes()
    _command(folder, None)
    assert (folder / "out/rows.jsonl").read_bytes() == first
    _command(folder, None, "--seed", "1")
    assert (folder / "out/rows.jsonl").read_bytes() != first


def test_the_command_writes_parquet(folder: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    code, told = _command(folder, None, "--out", f"{folder}/rows.parquet", "--formats", "qa")
    assert code == 0, told
    table = parquet.read_table(folder / "rows.parquet").to_pylist()
    assert [row["id"] for row in table] == ["kitchen/qa", "other/qa"]
    assert json.loads(table[0]["provenance"])["generator"] == "template"


def test_a_second_run_asks_nothing(folder: Path, serve: Serve) -> None:
    server = serve(said(GOOD))
    assert _command(folder, server, "--formats", "desc,qa")[0] == 0
    first = (folder / "out/rows.jsonl").read_bytes()
    assert len(server.requests) == 4
    code, told = _command(folder, server, "--formats", "desc,qa")
    assert code == 0 and "4 requests so far" in told
    assert len(server.requests) == 4
    assert (folder / "out/rows.jsonl").read_bytes() == first


def test_a_run_stopped_by_its_budget_goes_on_with_a_larger_one(folder: Path, serve: Serve) -> None:
    server = serve(said(GOOD))
    options = ("--formats", "desc,qa", "--concurrency", "1")
    code, told = _command(folder, server, *options, "--max-requests", "3")
    assert code and "budget exhausted: 3 requests are used up" in told
    assert not (folder / "out/rows.jsonl").exists()
    assert _command(folder, server, *options, "--max-requests", "4")[0] == 0
    assert len(server.requests) == 4
    assert len(list(read_rows(folder / "out/rows.jsonl"))) == 4


@pytest.mark.parametrize(
    ("more", "told"),
    [
        (("--formats", "poem"), "unknown formats"),
        (("--generator", "human"), "'template', 'openai'"),
        (("--generator", "openai"), "needs --model"),
        (("--generator", "openai", "--model", "m", "--jobs", "2"), "--jobs: a server is asked"),
        (("--model", "m", "--max-cost", "1"), "--model, --max-cost: for a language model"),
        (("--out", "rows.csv"), ".jsonl or .parquet"),
        (("--generator", "openai", "--model", "m", "--max-cost", "1"), "price"),
        (("--generator", "openai", "--model", "m", "--key-variable", "NO_KEY"), "NO_KEY"),
    ],
)
def test_wrong_options_say_what_is_wrong(folder: Path, more: tuple[str, ...], told: str) -> None:
    code, said_ = _command(folder, None, *more)
    assert code and told in said_.replace(" │ │", "")


def test_a_set_that_gives_no_row_leaves_the_rows_that_were_there(
    folder: Path, kitchen: GroundedImage
) -> None:
    assert _command(folder, None)[0] == 0
    before = (folder / "out/rows.jsonl").read_bytes()
    write_grounded(folder / "set.jsonl", [replace(kitchen, orders=(), relations=())])
    code, told = _command(folder, None, "--formats", "qa")
    assert code and "rows.jsonl is not written" in told
    assert (folder / "out/rows.jsonl").read_bytes() == before
