"""VSD rows scored: labels, sentences, references put together, baselines."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from spacesgg_ros.training.data.rows import Row, make_turns
from spacesgg_ros.training.evaluate.scoring import captions
from spacesgg_ros.training.evaluate.scoring.outcomes import ScoreError
from spacesgg_ros.training.evaluate.scoring.vsd import make_baselines, score_vsd
from spacesgg_ros.training.evaluate.scoring.vsd_items import VsdItem, read_items
from spacesgg_ros.vlm import prompts


def _row(name: str, task: str, prompt: str, answer: str, image: str = "a.jpg", **more) -> dict:
    row = Row(name, image, 9, 9, task, make_turns([(prompt, answer)]))
    return row.to_dict() | more


def _ask(prompt: str) -> str:
    return prompt.format(subject="cup", object="plate")


def _label(name: str, truth: str, names: tuple[str, str] = ("cup", "plate")) -> VsdItem:
    return VsdItem(name, f"{name}.jpg", "vsd-classify", "?", names, (truth,), name)


def _read(tmp_path: Path, rows: list[dict]):
    file = tmp_path / "rows.jsonl"
    file.write_text("\n".join(map(json.dumps, rows)))
    return read_items(file)


def test_labels_are_scored_by_accuracy_and_macro_f1() -> None:
    items = [_label("1", "on"), _label("2", "on"), _label("3", "in"), _label("4", "under")]
    said = {"1": "on top of", "2": "It is inside.", "3": "in", "4": "hm"}
    result = score_vsd(items, said, name="m")
    values = {metric: m.value for metric, m in result.headline.items()}
    assert values["classify: accuracy"] == 0.5
    # on: 2*1/(2+1), in: 2*1/(1+2), under: 0.
    assert values["classify: macro F1"] == pytest.approx((2 / 3 + 2 / 3 + 0) / 3, abs=1e-4)
    assert values["classify: unparseable"] == 0.25
    assert result.details["classify"]["confusion"]["under"] == {"(none)": 1}
    assert result.baseline["majority"]["classify: accuracy"].value == 0.5


def test_names_alone_are_learnt_from_training_rows() -> None:
    train = [_label("t1", "in"), _label("t2", "in"), _label("t3", "on", ("cat", "mat"))]
    blind = make_baselines([_label("1", "on")], train)
    assert blind["names"](_label("1", "on")) == "in"
    assert blind["names"](_label("1", "on", ("cat", "mat"))) == "on"
    assert blind["names"](_label("1", "on", ("dog", "sofa"))) == "in"
    assert set(make_baselines([_label("1", "on")], None)) == {"majority"}


def test_what_is_said_of_the_same_two_things_is_a_reference(tmp_path: Path) -> None:
    read = _read(
        tmp_path,
        [
            _row("d", "vsd-describe", _ask(prompts.DESCRIBE_PROMPT), "The cup is on the plate."),
            _row("o", "vsd-open", _ask(prompts.OPEN_PROMPT), "It is on.\nThe plate is under it."),
            _row("e", "vsd-open", _ask(prompts.OPEN_PROMPT), "Elsewhere.", image="b.jpg"),
            _row("f", "vsd-describe", "Say it.", "On.", references=["Upon.", "On."]),
            _row("c", "vsd-classify", _ask(prompts.CLASSIFY_PROMPT), "on top of"),
        ],
    )
    items = {item.id: item for item in read.items}
    together = ("The cup is on the plate.", "It is on.", "The plate is under it.")
    assert items["d"].references == items["o"].references == together
    assert items["e"].references == ("Elsewhere.",)
    assert items["f"].references == ("On.", "Upon.")
    assert (items["c"].references, items["c"].names) == (("on",), ("cup", "plate"))


def test_rows_that_ask_something_else_are_listed(tmp_path: Path) -> None:
    good = _row("c", "vsd-classify", "?", "on")
    bad = [
        _row("x", "caption", "?", "A cup."),
        _row("y", "vsd-classify", "?", "wearing"),
        good,
        {"id": "z"},
    ]
    read = _read(tmp_path, [good, *bad])
    assert [item.id for item in read.items] == ["c"]
    assert [entry["entry"] for entry in read.bad] == [2, 3, 4, 5]
    assert read.bad[2]["reason"] == "a second row of the same id"
    with pytest.raises(ScoreError, match="holds no row of vsd-classify"):
        _read(tmp_path, bad[:1])


def test_every_line_of_an_open_answer_is_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("sacrebleu")
    pytest.importorskip("pycocoevalcap")
    monkeypatch.setattr(captions, "find_java", lambda: None)
    answer = "The cup is on the plate.\nThe plate is under the cup."
    rows = [_row("o", "vsd-open", _ask(prompts.OPEN_PROMPT), answer)]
    result = score_vsd(
        _read(tmp_path, rows).items, {"o": "the cup is on the plate\nall other words"}, name="m"
    )
    assert result.headline["open: ROUGE-L"].value == 0.5
    assert result.headline["open: METEOR"].value is None
    assert "METEOR" in result.settings["not measured"]
    assert list(result.per_item["open: ROUGE-L"].items) == ["o#1", "o#2"]
    assert set(result.groups.values()) == {"a.jpg"}
    # Without pixels: no label to learn from, so "on": the first sentence exactly.
    assert result.baseline["majority"]["open: ROUGE-L"].value == 1.0


def test_a_missing_answer_is_wrong() -> None:
    result = score_vsd([_label("1", "on")], {}, name="m")
    assert result.headline["classify: accuracy"].value == 0
    assert result.details["missing"] == 1
