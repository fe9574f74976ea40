"""What each part of the instruction mix is worth: four short trainings at equal compute.

``python -m spacesgg_ros.bench.ablation --steps 600`` trains from the same model, one that recipe
``embedded/look`` left, with the same batches a step and the same number of steps in all, and
measures each model on the same ``val`` frames, its text alone: what the tower adds to a graph
(:func:`~spacesgg_ros.vlm.proposals.ground_graph`) is the same for all.

- *desc*: stage 1, then layered descriptions;
- *desc+qa*: spatial questions join; *desc+qa+conv*: view-change conversations join;
- *no stage 1*: the last mix from the start, for as many steps as both stages have.

Scene graphs and VSD classification are in every mix, in equal shares, because they are what is
measured; the added tasks share the rest evenly. Interrupted, it goes on where it was.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from spacesgg_ros.bench.result import BenchError, describe_machine
from spacesgg_ros.bench.training_set import merge_weights
from spacesgg_ros.extras import require
from spacesgg_ros.graph import parse_graph
from spacesgg_ros.training.defaults import DATA_DIR

MEASURED_TASKS = {"graph": 0.5, "vsd-classify": 0.1}
ADDED_SHARE = 0.4
MIXES: Mapping[str, tuple[str, ...]] = {
    "desc": ("description",),
    "desc+qa": ("description", "qa"),
    "desc+qa+conv": ("description", "qa", "conversation"),
}
NO_STAGE_1 = "no stage 1"
_STAGES = ("embedded/stage1", "embedded/stage2")
_RESULT = Path(__file__).parent / "results" / "ablation.json"


@dataclass(frozen=True)
class AblationConfig:
    """What to train on and how long.

    Attributes:
        start: a folder as recipe ``embedded/look`` leaves it. rows: instruction rows of every task.
        val: folder with rendered ``val`` shards; the first ``frames`` of them are measured.
        align_steps, steps: of stage 1 and stage 2.
        run: folder of the runs.
        overrides: of the recipes, ``KEY=VALUE``.
    """

    start: Path
    rows: Path
    val: Path
    align_steps: int
    steps: int
    frames: int = 200
    questions_a_frame: int = 4
    run: Path = Path("runs/ablation")
    overrides: tuple[str, ...] = ()


def task_weights(added: tuple[str, ...]) -> dict[str, float]:
    """Shares of the tasks in a mix; they sum to 1."""
    return MEASURED_TASKS | {task: round(ADDED_SHARE / len(added), 6) for task in added}


def run_ablation(config: AblationConfig) -> Iterator[tuple[str, dict[str, Any]]]:
    """Train and measure one variant after the other; yields name and numbers.

    Raises:
        BenchError: no ``val`` frames. InputError: rows or start do not fit the recipes.
    """
    shards = sorted(config.val.glob("val-*.tar"))
    if not shards:
        raise BenchError(f"no val frames in {config.val}: run `spacesgg scenes render val 300`")
    aligned = _train(config, "stage1", _STAGES[0], {}, config.start, config.align_steps)
    for name, added in MIXES.items():
        weights = task_weights(added)
        trained = _train(config, name, _STAGES[1], weights, aligned, config.steps)
        yield name, _measure(config, trained, shards)
    weights = task_weights(MIXES["desc+qa+conv"])
    steps = config.align_steps + config.steps
    trained = _train(config, NO_STAGE_1, _STAGES[1], weights, config.start, steps)
    yield NO_STAGE_1, _measure(config, trained, shards)


def _train(
    config: AblationConfig,
    name: str,
    recipe: str,
    weights: dict[str, float],
    model: Path,
    steps: int,
) -> Path:
    """The folder of the trained model; a finished run is not trained again."""
    recipes = require("spacesgg_ros.training.engine.recipe", "train")
    engine = require("spacesgg_ros.training.engine.run", "train")
    settings = recipes.read_settings(recipes.find_recipe(recipe), config.overrides)
    settings["model"] = str(model)
    mix = weights or merge_weights(settings)
    settings["data"] = [{"rows": str(config.rows), "weights": mix}]
    settings["max_steps"] = steps
    place = config.run / name.replace(" ", "-").replace("+", "-")
    trained: Path = engine.train_recipe(recipes.make_recipe(settings, recipe), place)
    return trained


class TextAlone:
    """A model whose graphs are what it writes, without what its tower adds."""

    def __init__(self, model: Any) -> None:
        self._model = model

    def __getattr__(self, name: str) -> Any:
        return getattr(self._model, name)

    def write_graph(self, rgb: np.ndarray, **options: Any) -> Any:
        """As the model's, but ``graph`` is ``text``, parsed."""
        written = self._model.write_graph(rgb, **options)
        return replace(written, graph=parse_graph(written.text))


def _measure(config: AblationConfig, model: Path, shards: list[Path]) -> dict[str, Any]:
    """Recall of objects and triplets, and accuracy of VSD answers, in fp32."""
    export = require("spacesgg_ros.vlm.export", "torch")
    vlm = require("spacesgg_ros.vlm", "torch")
    evaluation = require("spacesgg_ros.training.evaluate.evaluation", "train")
    frames = require("spacesgg_ros.training.evaluate.frames", "train")
    if not (model / "onnx").is_dir():
        export.export_model(str(model), ["fp32"])
    loaded = vlm.SceneGraphModel.load(model, precision="fp32")
    running = evaluation.Evaluation(
        TextAlone(loaded),
        "val",
        tasks=[evaluation.GRAPHS, evaluation.VSD_CLASSIFY],
        questions_a_frame=config.questions_a_frame,
    )
    for frame in frames.read_frames(shards, config.frames):
        running.add(frame)
    report = running.report()
    graphs, answers = report[evaluation.GRAPHS], report[evaluation.VSD_CLASSIFY]
    return {
        "object_recall": graphs["objects"]["recall"],
        "object_precision": graphs["objects"]["precision"],
        "triplet_recall": graphs["triplets"]["text"]["recall"],
        "triplet_mean_recall": graphs["triplets"]["text"]["mean_recall"],
        "vsd_accuracy": answers["accuracy"],
        "vsd_macro_f1": answers["macro_f1"],
    }


def write_table(variants: Mapping[str, Mapping[str, Any]]) -> str:
    """The numbers as a Markdown table, intervals over scenes."""
    keys = ("object_recall", "object_precision", "triplet_recall", "vsd_accuracy")
    heads = ["variant", *(key.replace("_", " ") for key in keys), "VSD macro F1"]
    lines = ["| " + " | ".join(heads) + " |", "|" + " --- |" * len(heads)]
    for name, numbers in variants.items():
        cells = [
            f"{numbers[key]['value']:.3f} ({numbers[key]['scenes_95'][0]:.3f}–"
            f"{numbers[key]['scenes_95'][1]:.3f})"
            for key in keys
        ]
        lines.append(f"| {name} | {' | '.join(cells)} | {numbers['vsd_macro_f1']:.3f} |")
    return "\n".join(lines)


def main() -> None:
    """Run it and keep the result."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--start", type=Path, default=Path("runs/embedded/look/model"))
    parser.add_argument("--rows", type=Path, default=Path("data/embedded/train.jsonl"))
    parser.add_argument("--val", type=Path, default=DATA_DIR)
    parser.add_argument("--steps", type=int, default=600, help="of stage 2")
    parser.add_argument("--align-steps", type=int, help="of stage 1; default: half of --steps")
    parser.add_argument("--frames", type=int, default=200, help="of val, measured")
    parser.add_argument("--run", type=Path, default=Path("runs/ablation"))
    parser.add_argument("--threads", type=int, default=0, help="0: torch decides")
    parser.add_argument("--set", action="append", default=[], help="KEY=VALUE of the recipes")
    parser.add_argument("--out", type=Path, default=_RESULT)
    given = parser.parse_args()
    if given.threads:
        require("torch", "train").set_num_threads(given.threads)
    config = AblationConfig(
        given.start,
        given.rows,
        given.val,
        given.align_steps or max(1, given.steps // 2),
        given.steps,
        given.frames,
        run=given.run,
        overrides=tuple(given.set),
    )
    variants: dict[str, Any] = {}
    for name, numbers in run_ablation(config):
        variants[name] = numbers
        report = {
            "name": "ablation",
            "steps": {"stage 1": config.align_steps, "stage 2": config.steps},
            "frames": config.frames,
            "variants": variants,
            "machine": describe_machine(),
        }
        given.out.parent.mkdir(parents=True, exist_ok=True)
        given.out.write_text(json.dumps(report, indent=2) + "\n")
        print(write_table(variants), flush=True)


if __name__ == "__main__":
    main()
