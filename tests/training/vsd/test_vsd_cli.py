"""``spacesgg data vsd``, ``vsr`` and ``refine`` from files to files."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from spacesgg_ros.cli.console import InputError
from spacesgg_ros.training.data.rows import Row, make_turns, read_rows, write_rows
from spacesgg_ros.training.data.vsd.cli import register
from spacesgg_ros.training.data.vsd.rewriters import MAX_TOKENS, ModelRewriter
from spacesgg_ros.training.data.writing.endpoint import EndpointConfig

TRIPLE = {"s": "dog", "p": "behind", "o": "cat", "s_bbox": [1, 20, 30, 50], "o_bbox": [9, 10, 0, 4]}
V1 = [
    {
        "img_id": "7",
        "triple_list": [TRIPLE],
        "captions": ["the dog is behind the cat", "there is a dog behind a cat"],
    },
    {"img_id": "8", "triple_list": [], "captions": []},
]
V2 = [{"img_id": "7", "triple_list": [TRIPLE], "captions": ["A cat is in front of the dog."]}]


def run(*args: object) -> str:
    app = typer.Typer()
    register(app)
    result = CliRunner().invoke(app, [str(a) for a in args], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


@pytest.fixture
def files(tmp_path: Path) -> Path:
    (tmp_path / "v1.json").write_text(json.dumps(V1))
    (tmp_path / "v2.json").write_text(json.dumps(V2))
    return tmp_path


def build(files: Path) -> Path:
    out = files / "rows.jsonl"
    run("vsd", files / "v1.json", "--v2", files / "v2.json", "--out", out, "--statistics")
    return out


def test_vsd_writes_rows_reasons_and_statistics(files: Path) -> None:
    out = build(files)
    assert [row.task for row in read_rows(out)] == ["vsd-classify", "vsd-describe", "vsd-open"]
    rejected = (files / "rows.rejected.jsonl").read_text().splitlines()
    assert [json.loads(line)["reason"] for line in rejected] == ["no usable triple"]
    stats = json.loads((files / "rows.stats.json").read_text())
    assert stats["statistics"]["v1.json"]["labels"]["behind"] == 1
    assert stats["rows"] == {"vsd-classify": 1, "vsd-describe": 1, "vsd-open": 1}


def test_the_same_input_gives_the_same_bytes(files: Path) -> None:
    first = build(files).read_bytes()
    assert build(files).read_bytes() == first


def test_refine_writes_rows_that_say_the_same_into_another_folder(files: Path) -> None:
    rows = build(files)
    (files / "sub").mkdir()
    refined = files / "sub" / "refined.jsonl"
    run("refine", rows, "--out", refined)
    before, after = list(read_rows(rows)), list(read_rows(refined))
    assert [r.image for r in after] == [f"../{r.image}" for r in before]
    assert after[0].exchanges == before[0].exchanges
    assert after[2].exchanges != before[2].exchanges
    stats = json.loads((files / "sub" / "refined.stats.json").read_text())
    assert stats["diversity"]["after"]["sentences"] == 4


def test_refine_asks_the_server_that_its_options_name(
    files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[EndpointConfig] = []

    def rewrite(self: ModelRewriter, sentences: list[str]) -> list[str]:
        asked.append(self.endpoint)
        return sentences

    monkeypatch.setattr(ModelRewriter, "rewrite", rewrite)
    model = ["--rewriter", "openai", "--model", "tiny", "--timeout", 7, "--max-total-tokens", 9]
    told = run("refine", build(files), "--out", files / "refined.jsonl", *model)
    server = asked[0]
    assert (server.model, server.timeout_s, server.budget.tokens) == ("tiny", 7.0, 9)
    assert server.max_tokens == MAX_TOKENS
    assert server.cache == files / "refined.answers.sqlite"
    assert "0 requests so far" in told


def test_vsr_counts_what_it_maps_and_what_not(tmp_path: Path) -> None:
    items = [
        {"image": "1.jpg", "caption": "The cup is over the bed.", "label": 1, "relation": "over"},
        {"image": "1.jpg", "caption": "The cup is at the bed.", "label": 1, "relation": "at"},
    ]
    (tmp_path / "vsr.jsonl").write_text("\n".join(map(json.dumps, items)))
    run("vsr", tmp_path / "vsr.jsonl", "--out", tmp_path / "out.jsonl")
    stats = json.loads((tmp_path / "out.stats.json").read_text())
    assert stats["relations"] == {"above": {"over": 1}}
    assert stats["not_used"] == {"read: not one of the nine: at": 1}


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["vsd", "v1.json"], "nothing to do"),
        (["vsd", "none.json", "--out", "o.jsonl"], "none.json"),
        (["vsd", "v1.json", "--out", "o.jsonl", "--tasks", "qa"], "unknown tasks"),
        (["vsd", "v1.json", "--out", "o.jsonl", "--images", "none"], "there is no folder none"),
        (["vsd", "empty.json", "--out", "o.jsonl"], "is empty"),
        (["vsd", "list.json", "--statistics"], "no usable picture"),
        (["vsd", "v1.json", "--v2", "list.json", "--out", "o.jsonl"], "no usable picture"),
        (["vsd", "v1.json", "--out", "o.jsonl", "--images", "."], "is --images . the folder"),
        (["vsr", "list.json", "--out", "o.jsonl"], "not a VSR item"),
        (["refine", "empty.json", "--out", "o.jsonl"], "is empty"),
        (["refine", ".", "--out", "o.jsonl"], "is a folder"),
        (["refine", "qa.jsonl", "--out", "o.jsonl"], "no sentence to rewrite"),
        (["refine", "v1.json", "--out", "v1.json"], "another file"),
        (["refine", "v1.json", "--out", "o.jsonl", "--rewriter", "x"], "rules or openai"),
        (["refine", "v1.json", "--out", "o.jsonl", "--rewriter", "openai"], "openai needs --model"),
        (["refine", "v1.json", "--out", "o.jsonl", "--model", "m"], "--model: for a language"),
        (["refine", "none.jsonl", "--out", "o.jsonl"], "none.jsonl"),
    ],
)
def test_wrong_input_is_named(
    files: Path, monkeypatch: pytest.MonkeyPatch, args: list[str], message: str
) -> None:
    monkeypatch.chdir(files)
    Path("empty.json").write_text("")
    Path("list.json").write_text("[]")
    turns = make_turns([("Where is the mug?", "On the table.")])
    write_rows(Path("qa.jsonl"), [Row("r", "a.png", 8, 8, "qa", turns)])
    with pytest.raises(InputError, match=message):
        run(*args)
    assert not Path("o.jsonl").exists()
