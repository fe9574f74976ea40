"""Subcommands of ``spacesgg`` for rendering, training and evaluation."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import track

from spacesgg_ros.cli.console import InputError
from spacesgg_ros.extras import require

from .data import cli as data_cli
from .defaults import DATA_DIR, MODEL_DIR, RUN_DIR
from .evaluate import cli as evaluate_cli
from .scenes import cli as scenes_cli

console = Console()


def register(app: typer.Typer) -> None:
    """Add ``scenes``, ``train``, ``evaluate`` and ``data`` to the command line."""
    scenes_cli.register(app)
    train = typer.Typer(help="Train the embedded model.")
    train.command("tower")(train_tower)
    train.command("llava")(train_llava)
    app.add_typer(train, name="train")
    evaluate_cli.register(app)
    data_cli.register(app)


def train_tower(
    data: Annotated[Path, typer.Option(help="rendered shards")] = DATA_DIR,
    run: Annotated[Path, typer.Option(help="checkpoints and logs")] = RUN_DIR,
    minutes: Annotated[float, typer.Option(min=0.1, help="wall time")] = 20,
    threads: Annotated[int, typer.Option(min=1)] = 2,
) -> None:
    """Step 1: teach the vision tower boxes, names and distances; goes on from the run's tower."""
    torch = require("torch", "train")
    from .model import checkpoint, tower_data, tower_training

    torch.set_num_threads(threads)
    run.mkdir(parents=True, exist_ok=True)
    labels = tower_data.load_labels(data)
    if not labels:
        raise InputError(f"no training frames in {data}: run `spacesgg scenes render train` first")
    (run / "labels.json").write_text(json.dumps(labels))
    tower = checkpoint.build_tower(labels)
    if (run / "tower.pt").exists():
        tower.load_state_dict(torch.load(run / "tower.pt", weights_only=True))
    shards = sorted([*data.glob("train-*.tar"), *data.glob("val-*.tar")])
    for shard in track(shards, "caching frozen features", console=console):
        tower_data.cache_features(
            tower.backbone, [shard], data / "features", tower.config.image_size
        )
    tower_training.train_tower(
        tower,
        tower_data.FeatureSet.load(data / "features", "train"),
        tower_data.FeatureSet.load(data / "features", "val"),
        {label: i for i, label in enumerate(labels)},
        tower_training.TowerRecipe(minutes=minutes),
        _logger(run / "tower.jsonl"),
        run / "tower.pt",
    )


def train_llava(
    data: Annotated[Path, typer.Option(help="rendered shards with cached features")] = DATA_DIR,
    run: Annotated[Path, typer.Option(help="where step 1 left the tower")] = RUN_DIR,
    out: Annotated[Path, typer.Option(help="model folder to write")] = MODEL_DIR,
    align_minutes: Annotated[float, typer.Option(min=0.0)] = 11,
    tune_minutes: Annotated[float, typer.Option(min=0.1)] = 18,
    threads: Annotated[int, typer.Option(min=1)] = 2,
) -> None:
    """Step 2: teach projector and decoder object lists, then scene graphs; goes on from OUT."""
    torch = require("torch", "train")
    from .model import checkpoint, llava_training, tower_data

    if not (run / "tower.pt").exists():
        raise InputError(f"no tower in {run}: run `spacesgg train tower` first")
    torch.set_num_threads(threads)
    labels = json.loads((run / "labels.json").read_text())
    tower = checkpoint.build_tower(labels)
    tower.load_state_dict(torch.load(run / "tower.pt", weights_only=True))
    model, tokenizer = checkpoint.build_llava(tower, labels, out)
    features = tower_data.FeatureSet.load(data / "features", "train")
    with console.status("caching tower tokens"):
        tokens = llava_training.cache_tokens(tower, features, data / "features" / "tokens.npy")
    llava_training.train_llava(
        model,
        tokenizer,
        tokens,
        llava_training.TextSet.build(features.records, tokenizer),
        llava_training.LlavaRecipe(align_minutes=align_minutes, tune_minutes=tune_minutes),
        _logger(run / "llava.jsonl"),
        lambda: checkpoint.save_llava(model, out),
    )


def _logger(path: Path) -> Callable[[dict], None]:
    path.parent.mkdir(parents=True, exist_ok=True)

    def log(entry: dict) -> None:
        line = json.dumps({"time": round(time.time()), **entry})
        with path.open("a") as file:
            file.write(line + "\n")
        console.print(line, soft_wrap=True)

    return log
