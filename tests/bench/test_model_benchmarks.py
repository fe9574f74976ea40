"""Bars of the embedded model's benchmarks, on reports made by hand."""

from __future__ import annotations

import json
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("cv2")

from spacesgg_ros.bench import (
    ablation,
    model_rooms,
    model_seen,
    model_unseen,
    splits,
    valid_output,
    vsd_classify,
)
from spacesgg_ros.bench.result import BenchError
from spacesgg_ros.bench.training_set import merge_weights
from spacesgg_ros.training.engine.recipe import find_recipe, read_settings


def number(value: float) -> dict:
    return {"value": value, "of": 100, "wilson_95": [0.0, 1.0], "scenes_95": [0.0, 1.0]}


def report_of(value: float, frames: int = 600) -> dict:
    """Every number of every task is ``value``."""
    pair = {"recall": number(value), "precision": number(value), "mean_recall": number(value)}
    readings = ("text", "text_and_depth", "every_relation")
    return {
        "frames": frames,
        "graphs": {
            "frames": frames,
            "scenes": frames // 3,
            "objects": pair,
            "boxes": pair,
            "triplets": {name: pair for name in readings},
            "said_and_true": number(value),
            "valid_output": number(1.0),
            "by_size": [],
            "tokens_a_frame": 200.0,
            "milliseconds_a_frame": 90.0,
        },
        "pixel_free": {"objects": pair},
        "vsd-classify": {
            "questions": 4 * frames,
            "accuracy": number(value),
            "macro_f1": value,
            "baselines": {"text_only": {"accuracy": number(0.5), "macro_f1": 0.4}},
        },
        "valid-output": {
            "without_grammar": number(value),
            "well_formed": number(value),
            "with_grammar": number(1.0),
            "incomplete": 0,
            "examples": [],
        },
    }


ALL = (model_seen, model_unseen, model_rooms, vsd_classify, valid_output)


@pytest.fixture
def measured(monkeypatch):
    """Makes every benchmark measure the given report."""

    def use(report: dict) -> None:
        def measure(*_: object) -> dict:
            return deepcopy(report)

        for module in (splits, vsd_classify, valid_output):
            monkeypatch.setattr(module, "measure", measure)

    return use


@pytest.mark.parametrize("module", ALL)
def test_a_bar_holds_at_its_value_and_not_below(module, measured) -> None:
    bars = [least for _, least in module.BARS.values() if least < 1]
    measured(report_of(max(bars)))
    assert module.run().passed
    measured(report_of(min(bars) - 0.001))
    result = module.run()
    assert not result.passed
    assert result.measured["met"] == {
        name: name == "valid with the grammar" for name in module.BARS
    }
    json.dumps(result.to_dict())


@pytest.mark.parametrize("module", ALL)
def test_too_few_frames_do_not_pass(module, measured) -> None:
    measured(report_of(1.0, frames=499))
    assert not module.run().passed


def test_a_bar_says_its_numbers() -> None:
    assert splits.describe(model_unseen.BARS) == (
        "object recall >= 0.5, box recall, any label >= 0.8, on >= 500 frames"
    )


def test_a_missing_baseline_says_how_to_make_it(monkeypatch, tmp_path: Path) -> None:
    pytest.importorskip("scipy")
    from types import SimpleNamespace

    model = SimpleNamespace(folder=SimpleNamespace(path=tmp_path))
    monkeypatch.setattr(splits, "load_embedded", lambda precision: model)
    with pytest.raises(BenchError, match="--train-data"):
        splits.measure("test-seen", ["graphs"], True)


def test_a_mix_of_several_files_is_merged_whole() -> None:
    settings = read_settings(find_recipe("embedded/stage2"))
    shares = merge_weights(settings)
    assert len(settings["data"]) > 1 and "graph" in shares and "vsd-classify" in shares
    assert sum(shares.values()) == pytest.approx(1)


def test_mixes_of_the_ablation_differ_only_in_what_shares_the_rest() -> None:
    for added in ablation.MIXES.values():
        weights = ablation.task_weights(added)
        assert sum(weights.values()) == pytest.approx(1, abs=1e-5)
        assert {task: weights[task] for task in ablation.MEASURED_TASKS} == {
            "graph": 0.5,
            "vsd-classify": 0.1,
        }


def test_every_variant_of_the_ablation_takes_as_many_steps(monkeypatch, tmp_path: Path) -> None:
    (tmp_path / "val-00000.tar").touch()
    steps: dict[str, int] = {}

    def train(config, name, recipe, weights, model, count) -> Path:
        steps[name] = count + steps.get(model.name, 0)
        return Path(name)

    monkeypatch.setattr(ablation, "_train", train)
    monkeypatch.setattr(ablation, "_measure", lambda *_: {})
    config = ablation.AblationConfig(Path("start"), Path("rows"), tmp_path, 300, 600)
    names = [name for name, _ in ablation.run_ablation(config)]
    assert names == ["desc", "desc+qa", "desc+qa+conv", "no stage 1"]
    assert {steps[name] for name in names} == {900}


def test_the_ablation_measures_what_the_text_says() -> None:
    @dataclass(frozen=True)
    class Written:
        text: str
        graph: str

    class Model:
        model_id = "m"

        def write_graph(self, rgb, limits) -> Written:
            return Written("<ref>mug</ref><box>[[1, 2, 3, 4]]</box>", "what the tower adds")

    model = ablation.TextAlone(Model())
    assert model.model_id == "m"
    graph = model.write_graph(np.zeros((2, 2, 3)), limits=None).graph
    assert [o.label for o in graph.objects] == ["mug"]


def test_the_ablation_needs_val_frames(tmp_path: Path) -> None:
    config = ablation.AblationConfig(tmp_path, tmp_path, tmp_path, 1, 1)
    with pytest.raises(BenchError, match="scenes render val"):
        next(ablation.run_ablation(config))


def test_the_ablations_table_has_a_row_a_variant() -> None:
    row = {
        key: number(0.5)
        for key in ("object_recall", "object_precision", "triplet_recall", "vsd_accuracy")
    } | {"vsd_macro_f1": 0.25}
    assert ablation.write_table({"desc": row}).splitlines()[2] == (
        "| desc | 0.500 (0.000–1.000) | 0.500 (0.000–1.000) | 0.500 (0.000–1.000) | "
        "0.500 (0.000–1.000) | 0.250 |"
    )
