"""``spacesgg data validate`` on files."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from spacesgg_ros.cli.console import InputError
from spacesgg_ros.cli.main import make_app
from spacesgg_ros.training.data.rejected import Rejected
from spacesgg_ros.training.data.rows import read_rows


def test_a_file_is_split_into_good_and_rejected(tmp_path, image, row):
    good = row("caption", ("Describe the picture.", "The mug is left of the bowl.")).to_dict()
    bad = row("caption", ("Describe the picture.", "The mug is right of the bowl.")).to_dict()
    lost = good | {"id": "lost", "provenance": {"grounded": "nowhere"}}
    lines = [json.dumps(r) for r in (good, bad | {"id": "bad"}, good | {"id": "again"}, lost)]
    (tmp_path / "rows.jsonl").write_text("\n".join([*lines, "{broken"]))
    (tmp_path / "set.jsonl").write_text(json.dumps(image.to_dict()) + "\n")
    out = tmp_path / "out"
    arguments = [str(tmp_path / "rows.jsonl"), "--against", str(tmp_path / "set.jsonl")]
    result = CliRunner().invoke(make_app(), ["data", "validate", *arguments, "--out", str(out)])
    assert result.exit_code == 0, result.output
    assert f"what was rejected: {out / 'rejected.jsonl'}" in " ".join(result.output.split())
    (kept,) = read_rows(out / "good.jsonl")
    assert (kept.id, kept.image) == ("r", f"../{good['image']}")  # named from the new folder
    rejected = [json.loads(line) for line in (out / "rejected.jsonl").open()]
    assert {Rejected.from_dict(r).id: r["reason"] for r in rejected} == {
        "bad": "claim contradicts the geometry",
        "again": "duplicate row",
        "lost": "no grounded image",
        "rows.jsonl:5": "malformed row",
    }
    counts = json.loads((out / "counts.json").read_text())
    assert (counts["rows"], counts["good"]) == (4, 1)
    assert sum(counts["reasons"].values()) == 4


def test_nothing_rejected_names_no_file_of_it(tmp_path, image, row):
    good = row("caption", ("Describe the picture.", "The mug is left of the bowl."))
    (tmp_path / "rows.jsonl").write_text(json.dumps(good.to_dict()))
    (tmp_path / "set.jsonl").write_text(json.dumps(image.to_dict()))
    arguments = [str(tmp_path / "rows.jsonl"), "--against", str(tmp_path / "set.jsonl")]
    result = CliRunner().invoke(
        make_app(), ["data", "validate", *arguments, "--out", str(tmp_path / "out")]
    )
    assert "1 of 1 rows are good" in result.output
    assert "rejected.jsonl" not in result.output


@pytest.mark.parametrize(
    ("rows", "against", "message"),
    [
        ("none.jsonl", "set.jsonl", "there is no file none.jsonl"),
        (".", "set.jsonl", "is a folder"),
        ("empty.jsonl", "set.jsonl", "is empty"),
        ("list.jsonl", "set.jsonl", "list.jsonl holds no row"),
        ("rows.jsonl", "none.jsonl", "--against: there is no file"),
        ("rows.jsonl", "list.jsonl", "list.jsonl holds no grounded image"),
    ],
)
def test_unfit_files_are_named(tmp_path, monkeypatch, image, row, rows, against, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "rows.jsonl").write_text(json.dumps(row("caption", ("A?", "B.")).to_dict()))
    (tmp_path / "set.jsonl").write_text(json.dumps(image.to_dict()) + "\n")
    (tmp_path / "empty.jsonl").write_text("")
    (tmp_path / "list.jsonl").write_text("[]\n")
    arguments = ["data", "validate", rows, "--against", against, "--out", "out"]
    result = CliRunner().invoke(make_app(), arguments)
    assert isinstance(result.exception, InputError)
    assert message in str(result.exception)
    assert "Errno" not in str(result.exception)


def test_rows_are_not_overwritten(tmp_path):
    rows = tmp_path / "good.jsonl"
    rows.write_text("{}")
    arguments = ["data", "validate", str(rows), "--against", str(rows), "--out", str(tmp_path)]
    assert "overwritten" in str(CliRunner().invoke(make_app(), arguments).exception)
    assert rows.read_text() == "{}"


def test_a_set_that_proves_no_row_is_an_error(tmp_path, image, row):
    wrong = row("caption", ("Describe the picture.", "The mug is right of the bowl.")).to_dict()
    (tmp_path / "rows.jsonl").write_text(json.dumps(wrong))
    (tmp_path / "set.jsonl").write_text(json.dumps(image.to_dict()) + "\n")
    arguments = [str(tmp_path / "rows.jsonl"), "--against", str(tmp_path / "set.jsonl")]
    result = CliRunner().invoke(
        make_app(), ["data", "validate", *arguments, "--out", str(tmp_path / "out")]
    )
    assert result.exit_code != 0
    assert "data measure" in str(result.exception)
