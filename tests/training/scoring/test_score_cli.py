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
    turns = [
        {"from": "human", "value": "<image>\nHow?"},
        {"from": "gpt", "value": "behind"},
    ]
    row = {"id": "r", "image": "a.png", "width": 8, "height": 8, "task": "vsd-classify"}
    rows = _lines(tmp_path / "rows.jsonl", [row | {"conversations": turns}])
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
