"""The model card: prose from ``card.md``, every number from the evaluations beside the model."""

from __future__ import annotations

import itertools
import json
import math
import os
from collections.abc import Sequence
from pathlib import Path

import jinja2
from safetensors import safe_open

from spacesgg_ros.cli.console import InputError
from spacesgg_ros.graph import VSD_LABELS
from spacesgg_ros.training.scenes.assets import LICENCES
from spacesgg_ros.training.scenes.label_map import read_label_map
from spacesgg_ros.vlm import prompts

from . import report as tables
from .evaluation import GRAPHS
from .pictures import KINDS, sheet_name
from .priors import FILE_NAME, load_priors

EVALUATION_DIR = "evaluation"
TRAINING_FILE = "TRAINING.md"
PICTURES_DIR = Path("docs/images")
_TEMPLATE = Path(__file__).with_name("card.md")
_LEAST_OBJECTS = 10
_NOVELTY = {
    "test-seen": "layout, surroundings, light and view; the 3D models are those of training",
    "test-unseen-models": "every 3D model (of classes that training knows), and the rest",
    "test-rooms": "rooms: layout, light and view; the 3D models are those of training",
    "val": "layout and view; watched during training",
}


def write_card(model: Path, pictures: Path = PICTURES_DIR) -> Path:
    """Write ``model/README.md``.

    Reads ``model/evaluation/SPLIT.json`` (``spacesgg evaluate --out``), the priors, the weights'
    header, ``model/TRAINING.md`` (how it was trained, in words) and the sheets in ``pictures``.

    Raises:
        InputError: something of this is missing or cannot be read.
    """
    splits = _read_reports(model / EVALUATION_DIR)
    try:
        config = json.loads((model / "config.json").read_text())
        training = (model / TRAINING_FILE).read_text().strip()
        priors = load_priors(model / FILE_NAME)
        vision, text = config["vision_config"], config["text_config"]
        weights = model / "model.safetensors"
        label_map = read_label_map()
        context = {
            "parameters": _count_parameters(weights),
            "weights_mb": weights.stat().st_size / 1e6,
            "onnx_mb": sum(f.stat().st_size for f in (model / "onnx").iterdir()) / 1e6,
            "labels": sorted(vision["id2label"].values()),
            "image_size": vision["image_size"],
            "image_tokens": config["image_seq_length"],
            "layers": text["num_hidden_layers"],
            "hidden_size": text["hidden_size"],
            "prompt": config.get("spacesgg_prompt", prompts.SCENE_GRAPH_PROMPT),
            "training_frames": f"{priors.frames:,}",
            "listed": round(priors.objects_a_frame),
            "training": training,
        }
    except (OSError, ValueError, KeyError) as error:
        raise InputError(
            f"{model} lacks what the card needs: {error!r}; expected config.json, "
            f"model.safetensors, onnx/, {FILE_NAME} (spacesgg evaluate --train-data DIR) and "
            f"{TRAINING_FILE} (how it was trained)"
        ) from error
    seen = splits.get("test-seen") or next(iter(splits.values()))
    environment = jinja2.Environment(
        undefined=jinja2.StrictUndefined, keep_trailing_newline=True, autoescape=False
    )
    card = environment.from_string(_TEMPLATE.read_text()).render(
        context,
        splits=splits,
        seen=seen,
        precision=seen["precision"],
        novelty=_NOVELTY,
        relations=VSD_LABELS,
        models_trained=sum(len(entry.trained) for entry in label_map),
        models_unseen=sum(len(entry.unseen) for entry in label_map),
        licences=[f"{library} {licence}" for library, licence in LICENCES.items()],
        tables=tables,
        least=_LEAST_OBJECTS,
        best_worst=choose_classes(seen[GRAPHS]["by_class"]),
        pictures=_find_pictures(model, splits, pictures),
    )
    path = model / "README.md"
    path.write_text(card)
    return path


def choose_classes(counts: dict[str, dict], most: int = 10) -> list[str]:
    """The best and the worst classes by recall, of those with enough objects."""
    known = [name for name, row in counts.items() if row["true"] >= _LEAST_OBJECTS]
    known.sort(key=lambda name: (-counts[name]["found"] / counts[name]["true"], name))
    return known if len(known) <= 2 * most else known[:most] + known[-most:]


def _read_reports(folder: Path) -> dict[str, dict]:
    """Reports by split, in the order of the splits' definitions."""
    try:
        reports = [json.loads(path.read_text()) for path in sorted(folder.glob("*.json"))]
        by_split = {report["split"]: report for report in reports if GRAPHS in report}
    except (OSError, ValueError, KeyError) as error:
        raise InputError(f"{folder} holds a file that is no evaluation: {error!r}") from error
    if not by_split:
        raise InputError(
            f"no evaluation in {folder}: run `spacesgg evaluate --split test-seen --out "
            f"{folder / 'test-seen.json'}` first"
        )
    order = [*_NOVELTY, *sorted(by_split.keys() - _NOVELTY.keys())]
    if unknown := [name for name in by_split if name not in _NOVELTY]:
        raise InputError(f"{folder}: no words for split {unknown[0]!r}; {', '.join(_NOVELTY)}")
    return {name: by_split[name] for name in order if name in by_split}


def _count_parameters(weights: Path) -> int:
    with safe_open(weights, framework="numpy") as file:
        return sum(math.prod(file.get_slice(name).get_shape()) for name in file.keys())  # noqa: SIM118


def _find_pictures(
    model: Path, splits: Sequence[str] | dict, folder: Path
) -> list[tuple[str, str]]:
    """Title and path, relative to the card, of the sheets that exist."""
    found = []
    for split, kind in itertools.product(splits, KINDS):
        path = folder / sheet_name(split, kind)
        if path.is_file():
            found.append((f"{split}: {kind} frames", Path(os.path.relpath(path, model)).as_posix()))
    return found
