"""A model's own graphs as rows: what is given, what is learnt, what is kept."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

cv2 = pytest.importorskip("cv2")

import typer
from typer.testing import CliRunner

from spacesgg_ros.graph import parse_graph
from spacesgg_ros.training.data import own_graphs, own_graphs_cli
from spacesgg_ros.training.data.own_graphs import continue_lists
from spacesgg_ros.training.data.rows import Row, make_turns, read_rows, write_rows
from spacesgg_ros.vlm.model import FreeText

LIST = "<ref>mug</ref><box>[[1, 2, 30, 40]]</box>\n<ref>table</ref><box>[[0, 9, 99, 80]]</box>"
RIGHT = "\n<pred>on</pred><box>[[1, 2, 30, 40]]</box><box>[[0, 9, 99, 80]]</box>"
WRONG = "\n<pred>on</pred><box>[[1, 2, 30, 41]]</box><box>[[0, 9, 99, 80]]</box>"


class Writer:
    """Writes ``free`` by itself and ``held`` under the grammar; dark images end at a limit."""

    model_id = "writer"
    graph_prompt = "Write the scene graph."

    def __init__(self, free: str, held: str) -> None:
        self._free, self._held = free, held

    def write_freely(self, rgb: np.ndarray) -> FreeText:
        return FreeText(self._free, parse_graph(self._free).issues, True)

    def write_graph(self, rgb: np.ndarray) -> SimpleNamespace:
        return SimpleNamespace(text=self._held, finish_reason="eos" if rgb.any() else "limit")


def make_row(name: str = "a", task: str = "graph", image: str = "light.png") -> Row:
    return Row(name, image, 4, 2, task, make_turns([("Write the scene graph.", "<ref>")]))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name, value in (("light", 200), ("dark", 0)):
        cv2.imwrite(str(tmp_path / f"{name}.png"), np.full((2, 4, 3), value, np.uint8))
    return tmp_path


def test_a_wrong_copy_is_corrected_and_the_list_is_given(root: Path) -> None:
    writer = Writer(LIST + WRONG, LIST + RIGHT)
    (row,) = own_graphs.own_graphs(writer, make_row(), root, valid_share=0)
    assert row.id == "a/own" and row.image == "light.png"
    assert row.exchanges == (("Write the scene graph.", LIST + RIGHT),) and row.given == LIST
    assert row.provenance == {"text": "model", "model": "writer", "corrected": True}


@pytest.mark.parametrize(
    ("free", "held", "image"),
    [(LIST, LIST, "light.png"), (WRONG, LIST, "light.png"), (LIST + WRONG, LIST, "dark.png")],
    ids=["no relation", "none is left", "cut off"],
)
def test_what_teaches_nothing_is_left_out(root: Path, free: str, held: str, image: str) -> None:
    row = make_row(image=image)
    assert not own_graphs.own_graphs(Writer(free, held), row, root, valid_share=1)


def test_of_valid_texts_a_share_is_kept(root: Path) -> None:
    writer = Writer(LIST + RIGHT, LIST + RIGHT)
    kept = [
        row
        for k in range(300)
        for row in own_graphs.own_graphs(writer, make_row(str(k)), root, valid_share=0.3)
    ]
    assert 60 < len(kept) < 120 and not any(row.provenance["corrected"] for row in kept)
    assert not own_graphs.own_graphs(writer, make_row(), root, valid_share=0)


def test_a_list_with_a_repeat_goes_on_without_it_too() -> None:
    again = "\n<ref>mug</ref><box>[[1, 3, 30, 40]]</box>"
    bowl = "\n<ref>bowl</ref><box>[[50, 3, 70, 40]]</box>"
    told = "\n<pred>on</pred><box>[[1, 3, 30, 40]]</box><box>[[0, 9, 99, 80]]</box>"
    own, once = continue_lists(LIST + again + bowl + told)
    assert own == ("own", LIST + again + bowl + told, LIST + again + bowl)
    assert once == ("once", LIST + bowl + RIGHT, LIST)


def test_a_list_without_a_repeat_teaches_its_relations() -> None:
    assert continue_lists(LIST + RIGHT) == [("own", LIST + RIGHT, LIST)]
    assert continue_lists(LIST) == []


def invoke(*arguments: object):
    app = typer.Typer()
    app.command("other")(lambda: None)
    own_graphs_cli.register(app)
    return CliRunner().invoke(app, ["own-graphs", *map(str, arguments)])


def test_the_command_makes_rows_and_lists_the_bad(root: Path, monkeypatch) -> None:
    rows = [make_row("a"), make_row("b", "caption"), make_row("c", image="gone.png")]
    write_rows(root / "r.jsonl", rows)
    with (root / "r.jsonl").open("a") as file:
        file.write('{"id": "d"}\n')
    model = Writer(LIST + WRONG, LIST + RIGHT)
    monkeypatch.setattr(own_graphs, "SceneGraphModel", SimpleNamespace(load=lambda *_, **__: model))
    result = invoke(root / "r.jsonl", "--out", root / "out", "--jobs", 1)
    assert result.exit_code == 0, result.output
    assert [row.id for row in read_rows(root / "out/rows.jsonl")] == ["a/own"]
    rejected = [json.loads(x) for x in (root / "out/rejected.jsonl").read_text().splitlines()]
    assert [r["reason"] for r in rejected] == ["not a row", "image cannot be read"]


def test_rows_without_graphs_say_what_is_needed(root: Path, monkeypatch) -> None:
    write_rows(root / "r.jsonl", [make_row("b", "caption")])
    model = Writer(LIST + WRONG, LIST + RIGHT)
    monkeypatch.setattr(own_graphs, "SceneGraphModel", SimpleNamespace(load=lambda *_, **__: model))
    result = invoke(root / "r.jsonl", "--out", root / "out", "--jobs", 1)
    assert result.exit_code != 0 and "--tasks graph" in str(result.exception)
