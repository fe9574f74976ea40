"""A whole evaluation with a model that knows the truth, and the command's errors."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip("cv2")

from spacesgg_ros.cli.console import InputError
from spacesgg_ros.graph import TextGraph, parse_graph, write_graph
from spacesgg_ros.training.data.targets import target_graph
from spacesgg_ros.training.evaluate import cli
from spacesgg_ros.training.evaluate.evaluation import TASKS, Evaluation
from spacesgg_ros.training.evaluate.facts import relation_questions
from spacesgg_ros.training.evaluate.frames import make_frame
from spacesgg_ros.training.evaluate.priors import learn_priors
from spacesgg_ros.training.evaluate.report import main_table, write_report
from spacesgg_ros.vlm.model import FreeText


class Knower:
    """Writes the truth of one record; ``broken``: without the grammar it cuts its text."""

    model_id = "knower"
    graph_prompt = "Write the scene graph."
    runtime_info = SimpleNamespace(precision="exact")

    def __init__(self, record: dict, broken: bool = False) -> None:
        self._graph: TextGraph = target_graph(record)
        self._answers = {f"{s}>{o}": p for s, p, o in relation_questions(record)}
        self._broken = broken

    def write_freely(self, rgb: np.ndarray) -> FreeText:
        text = write_graph(self._graph)
        text = text[:-3] if self._broken else text
        return FreeText(text, parse_graph(text).issues, True)

    def write_graph(self, rgb: np.ndarray) -> SimpleNamespace:
        return SimpleNamespace(
            graph=self._graph, finish_reason="eos", token_count=80, stage_ms={"total": 5.0}
        )

    def answer(self, rgb: np.ndarray, prompt: str, choices: object) -> SimpleNamespace:
        names = prompt.removesuffix("?").split(" of the ")[1].split(" to the ")
        return SimpleNamespace(text=self._answers[">".join(names)], stage_ms={"total": 2.0})


@pytest.fixture
def frame(record: dict):
    record |= {"intrinsics": [300.0, 300.0, 159.5, 119.5]}
    rgb, depth_m = np.zeros((240, 320, 3), np.uint8), np.full((240, 320), 1.0, np.float32)
    return make_frame(record, rgb, depth_m)


def test_a_model_that_knows_the_truth_is_right_everywhere(frame, record: dict, tmp_path) -> None:
    evaluation = Evaluation(Knower(record), "val", priors=learn_priors([record]))
    evaluation.add(frame)
    report = evaluation.report()
    graphs = report["graphs"]
    assert graphs["objects"]["recall"]["value"] == graphs["objects"]["precision"]["value"] == 1.0
    assert graphs["triplets"]["text"]["recall"]["value"] == 1.0
    assert report["vsd-classify"]["accuracy"]["value"] == report["vsd-classify"]["macro_f1"] == 1.0
    assert report["vsd-classify"]["questions"] == 4
    assert report["valid-output"]["without_grammar"]["value"] == 1.0
    assert report["valid-output"]["with_grammar"]["value"] == 1.0
    assert len(main_table(report).rows) == 16
    write_report(report, tmp_path / "report.json")


def test_a_text_that_breaks_off_is_not_valid(frame, record: dict) -> None:
    evaluation = Evaluation(Knower(record, broken=True), "val", tasks=["valid-output"])
    evaluation.add(frame)
    valid = evaluation.report()["valid-output"]
    assert (valid["without_grammar"]["value"], valid["well_formed"]["value"]) == (0.0, 0.0)
    assert valid["examples"][0]["issues"]


def test_only_the_asked_tasks_are_run(frame, record: dict) -> None:
    evaluation = Evaluation(Knower(record), "val", tasks=["vsd-classify"])
    evaluation.add(frame)
    report = evaluation.report()
    assert set(TASKS) & set(report) == {"vsd-classify"}
    assert "baselines" not in report["vsd-classify"]
    with pytest.raises(ValueError, match="there are graphs, vsd-classify"):
        Evaluation(Knower(record), "val", tasks=["speed"])


def test_the_noise_of_a_frame_is_always_the_same(record: dict) -> None:
    rgb, depth_m = np.zeros((240, 320, 3), np.uint8), np.full((240, 320), 1.0, np.float32)
    one, two = (make_frame(record, rgb, depth_m) for _ in range(2))
    assert np.array_equal(one.depth_m, two.depth_m, equal_nan=True)
    assert abs(float(np.nanmedian(one.depth_m)) - 1.0) < 0.01
    holes = np.ones((240, 320), bool)
    assert np.isnan(make_frame(record, rgb, depth_m, holes).depth_m).mean() > 0.7


def test_an_unknown_task_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="unknown task 'speed'; there are graphs"):
        cli.evaluate(data=tmp_path, task=["speed"])


def test_pictures_need_graphs(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="--task graphs"):
        cli.evaluate(data=tmp_path, task=["vsd-classify"], pictures=tmp_path)


def test_frames_that_are_missing_say_how_to_render_them(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="spacesgg scenes render test-rooms 600"):
        cli.evaluate(data=tmp_path, split="test-rooms")
