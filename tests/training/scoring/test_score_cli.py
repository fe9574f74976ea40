"""``spacesgg score``: one command each, files in and a folder out."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from spacesgg_ros.cli.console import ExitCode
from spacesgg_ros.cli.main import main
from spacesgg_ros.graph import parse_graph
from spacesgg_ros.training.evaluate import score_cli
from spacesgg_ros.training.evaluate.scoring.asking import Prompt, ask_model
from spacesgg_ros.vlm import ModelAnswer, ModelGraph

VSD_ROW = {
    "id": "r", "image": "a.png", "width": 8, "height": 8, "task": "vsd-classify",
    "conversations": [
        {"from": "human", "value": "<image>\nHow?"}, {"from": "gpt", "value": "behind"},
    ],
}  # fmt: skip


class FakeModel:
    """Says a fixed text, or writes one mug that fills a square picture."""

    model_id = "fake"

    class runtime_info:
        precision = "fp32"

    def answer(self, rgb, prompt, *, choices=None, max_new_tokens=128):
        return ModelAnswer((choices or ("behind",))[-1], (), 0, "eos", {"total": 1.0})

    def write_graph(self, rgb):
        text = "<ref>mug</ref><box>[[0, 0, 999, 999]]</box>"
        return ModelGraph(text, parse_graph(text), (), 0, "eos")


def _run(*arguments: object) -> int:
    with pytest.raises(SystemExit) as ended:
        main(["score", *map(str, arguments)])
    return int(ended.value.code or 0)


def _lines(path: Path, entries: list[dict]) -> Path:
    path.write_text("\n".join(map(json.dumps, entries)))
    return path


@pytest.fixture
def questions(tmp_path: Path) -> Path:
    cv2.imwrite(str(tmp_path / "a.png"), np.zeros((8, 8, 3), np.uint8))
    return _lines(
        tmp_path / "q.jsonl",
        [
            {"id": 1, "image": "a.png", "question": "Where?", "answer": "behind"},
            {"id": 2, "image": "none.png", "question": "Where?", "answer": "on"},
            {"id": 3, "question": "No answer?"},
        ],
    )


def test_answers_of_a_file_become_a_folder_and_two_folders_a_comparison(
    tmp_path: Path, questions: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first = _lines(tmp_path / "a.jsonl", [{"question_id": 1, "text": "behind"}])
    second = _lines(tmp_path / "b.jsonl", [{"question_id": k, "text": "on"} for k in (1, 2)])
    for file in (first, second):
        out = tmp_path / file.stem
        assert _run("spatial", "--questions", questions, "--answers", file, "--out", out) == 0
        assert (out / "report.md").is_file()
    assert "1 left out" in capsys.readouterr().err
    result = json.loads((tmp_path / "a" / "result.json").read_text())
    assert result["headline"]["accuracy"]["value"] == 0.5
    assert sum(result["details"]["left out"].values()) == 1
    assert _run("compare", tmp_path / "a", tmp_path / "b", "--out", tmp_path / "c") == 0
    assert (tmp_path / "c" / "comparison.json").is_file()


def test_a_model_is_asked_and_its_answers_are_kept(
    tmp_path: Path, questions: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(score_cli, "_load", lambda *_: FakeModel())
    out = tmp_path / "out"
    assert _run("spatial", "--questions", questions, "--model", "fake", "--out", out) == 0
    kept = [json.loads(line) for line in (out / "answers.jsonl").read_text().splitlines()]
    assert kept == [{"question_id": "1", "text": "behind", "model_id": "fake"}]
    settings = json.loads((out / "result.json").read_text())["settings"]
    assert [count for reason, count in settings["problems"].items() if "none.png" in reason] == [1]


def test_a_model_finds_boxes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("pycocotools")
    monkeypatch.setattr(score_cli, "_load", lambda *_: FakeModel())
    cv2.imwrite(str(tmp_path / "7.png"), np.zeros((80, 80, 3), np.uint8))
    truth = tmp_path / "t.json"
    note = {"id": 1, "image_id": 7, "category_id": 1, "bbox": [0, 0, 80, 80], "iscrowd": 0}
    image = {"id": 7, "width": 80, "height": 80, "file_name": "7.png"}
    truth.write_text(
        json.dumps(
            {
                "images": [image],
                "annotations": [note],
                "categories": [{"id": 1, "name": "mug"}],
            }
        )
    )
    out = tmp_path / "out"
    assert _run("detection", "--truth", truth, "--model", "fake", "--out", out) == 0
    result = json.loads((out / "result.json").read_text())
    assert result["headline"]["AP"]["value"] == 1.0
    assert _run("detection", "--truth", truth, "--predictions", out / "predictions.jsonl") == 0


def test_vsd_rows_are_scored(tmp_path: Path) -> None:
    rows = _lines(tmp_path / "rows.jsonl", [VSD_ROW])
    answers = _lines(tmp_path / "a.jsonl", [{"question_id": "r", "text": "at the back of"}])
    out = tmp_path / "out"
    assert _run("vsd", "--rows", rows, "--answers", answers, "--out", out) == 0
    assert (out / "confusion.png").is_file()


@pytest.mark.parametrize(
    "arguments",
    [
        ("spatial", "--questions", "q.jsonl"),
        ("spatial", "--questions", "q.jsonl", "--answers", "a", "--model", "m"),
        ("spatial", "--questions", "none.jsonl", "--answers", "a"),
        ("vsd", "--rows", "q.jsonl", "--answers", "a"),
        ("detection", "--truth", "q.jsonl", "--predictions", "a"),
        ("compare", "q.jsonl", "q.jsonl"),
    ],
    ids=["no answers", "two sources", "no file", "no rows", "no truth", "no result"],
)
def test_unusable_input_ends_with_its_exit_code(
    questions: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...]
) -> None:
    monkeypatch.chdir(questions.parent)
    assert _run(*arguments) == ExitCode.BAD_INPUT


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("spatial", "--questions", "q.jsonl", "--answers", "x.jsonl"), "first id is '77'"),
        (("spatial", "--questions", "q.jsonl", "--answers", "text.jsonl"), "holds no answer"),
        (
            ("spatial", "--questions", "q.jsonl", "--answers", "none.jsonl"),
            "--answers: there is no",
        ),
        (("spatial", "--questions", "q.jsonl", "--answers", "empty.jsonl"), "is empty"),
        (("spatial", "--questions", ".", "--answers", "x.jsonl"), "is a folder"),
        (
            ("spatial", "--questions", "q.jsonl", "--answers", "x.jsonl", "--truth", "x.jsonl"),
            "x.jsonl fits no question",
        ),
        (("vsd", "--rows", "r.jsonl", "--answers", "x.jsonl"), "fits no question"),
        (("detection", "--truth", "t.jsonl", "--predictions", "p.jsonl"), "fits no image"),
        (("detection", "--truth", "t.jsonl", "--predictions", "text.jsonl"), "holds no prediction"),
        (("detection", "--truth", "text.jsonl", "--predictions", "p.jsonl"), "no image in"),
        (("compare", "text.jsonl", "text.jsonl"), "no result of"),
        (("compare", ".", "."), "result.json"),
        (
            ("spatial", "--questions", "q.jsonl", "--answers", "x.jsonl", "--out", "q.jsonl"),
            "name a folder",
        ),
    ],
)
def test_files_that_fit_nothing_are_refused_by_name(
    questions: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: tuple[str, ...],
    told: str,
) -> None:
    monkeypatch.chdir(questions.parent)
    _lines(Path("x.jsonl"), [{"question_id": 77, "text": "behind"}])
    _lines(Path("r.jsonl"), [VSD_ROW])
    box = {"label": "mug", "box_px": [0, 0, 4, 4]}
    _lines(Path("p.jsonl"), [{"id": "other", "objects": [box]}])
    image = {"id": "g", "image": "a.png", "width": 8, "height": 8, "objects": [box]}
    _lines(Path("t.jsonl"), [image | {"relations": []}])
    Path("text.jsonl").write_text("hello\n")
    Path("empty.jsonl").write_text("")
    assert _run(*arguments) == ExitCode.BAD_INPUT
    said = capsys.readouterr().err
    assert told in said and "Errno" not in said


def test_answers_to_other_questions_are_counted_and_named(
    tmp_path: Path, questions: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    answers = _lines(tmp_path / "x.jsonl", [{"question_id": k, "text": "behind"} for k in (77, 1)])
    out = tmp_path / "out"
    assert _run("spatial", "--questions", questions, "--answers", answers, "--out", out) == 0
    assert "1 of 2 fit no question that is scored: '77'" in capsys.readouterr().err
    settings = json.loads((out / "result.json").read_text())["settings"]
    assert settings["answers to no question"] == 1


def test_pictures_that_are_not_there_lead_to_the_option_that_names_their_folder(
    tmp_path: Path,
    questions: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(score_cli, "_load", lambda *_: FakeModel())
    assert _run("spatial", "--questions", questions, "--model", "fake") == 0
    assert "1 of 2 questions not asked about" in capsys.readouterr().err
    (tmp_path / "a.png").unlink()
    assert _run("spatial", "--questions", questions, "--model", "fake") == ExitCode.BAD_INPUT
    assert "--images" in capsys.readouterr().err


def test_a_mirrored_picture_is_asked_about_mirrored(tmp_path: Path) -> None:
    picture = np.zeros((2, 4, 3), np.uint8)
    picture[:, 0] = 255
    cv2.imwrite(str(tmp_path / "a.png"), picture)
    seen = []

    class Looking(FakeModel):
        def answer(self, rgb, prompt, *, choices=None, max_new_tokens=128):
            seen.append(rgb[0, :, 0].tolist())
            return super().answer(rgb, prompt, choices=choices)

    prompts = [Prompt("1", "a.png", "?"), Prompt("2", "a.png", "?", mirror=True)]
    assert [asked.id for asked in ask_model(Looking(), prompts, tmp_path)] == ["1", "2"]
    assert seen == [[255, 0, 0, 0], [0, 0, 0, 255]]
