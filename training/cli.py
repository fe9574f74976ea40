"""Subcommands of ``spacesgg`` for rendering, training and evaluation."""

from __future__ import annotations

import collections
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

DATA_DIR = Path("data/tabletop")
CACHE_DIR = Path("data/cache")
RUN_DIR = Path("runs/tabletop")
MODEL_DIR = Path("models/tabletop")

console = Console()


def register(app: typer.Typer) -> None:
    """Add ``scenes``, ``train`` and ``evaluate`` to the command line."""
    scenes = typer.Typer(help="Render RGB-D tabletop scenes with exact ground truth.")
    scenes.command("render")(render)
    scenes.command("record")(record)
    app.add_typer(scenes, name="scenes")
    train = typer.Typer(help="Train the embedded model.")
    train.command("tower")(train_tower)
    train.command("llava")(train_llava)
    app.add_typer(train, name="train")
    app.command("evaluate")(evaluate)


def render(
    split: Annotated[str, typer.Argument(help="train, val or test-seen")],
    frames: Annotated[int, typer.Argument(help="how many; rounded up to whole shards")],
    out: Annotated[Path, typer.Option(help="folder of the shards")] = DATA_DIR,
    seed: Annotated[int, typer.Option(help="another seed, other scenes")] = 0,
    width: Annotated[int, typer.Option(min=64)] = 320,
    height: Annotated[int, typer.Option(min=64)] = 240,
    supersample: Annotated[int, typer.Option(min=1, max=4, help="antialiasing")] = 1,
    jobs: Annotated[int, typer.Option(min=1, help="processes")] = 2,
) -> None:
    """Render frames to WebDataset shards; run again to resume."""
    from .scenes.assets import AssetError
    from .scenes.dataset import SceneSetConfig, write_scenes

    try:
        config = SceneSetConfig(split, frames, seed, width, height, supersample=supersample)
        shards = write_scenes(config, out, CACHE_DIR, jobs)
        for path in track(shards, f"rendering {split}", total=config.shards, console=console):
            console.print(f"[dim]{path}[/]")
    except (ValueError, AssetError) as error:
        raise InputError(str(error)) from error


def record(
    out: Annotated[Path, typer.Argument(help="MCAP to write")],
    scene: Annotated[int, typer.Option(help="index of a scene of split 'demo'")] = 0,
    seconds: Annotated[float, typer.Option(min=0.2)] = 6.7,
) -> None:
    """Record a scene with a moving camera as a ROS 2 bag (MCAP)."""
    from .scenes.recording import record_scene

    with console.status(f"recording {out}"):
        frames = record_scene(out, CACHE_DIR, scene, seconds)
    console.print(f"{frames} frames, {out.stat().st_size / 1e6:.1f} MB: {out}")


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


def evaluate(
    data: Annotated[Path, typer.Option(help="rendered shards")] = DATA_DIR,
    split: Annotated[str, typer.Option(help="which frames")] = "test-seen",
    model: Annotated[str, typer.Option(help="folder, hub id or 'embedded'")] = "embedded",
    precision: Annotated[str, typer.Option(help="auto, fp32, fp16 or int8")] = "auto",
    limit: Annotated[int | None, typer.Option(min=1, help="at most so many frames")] = None,
    out: Annotated[Path | None, typer.Option(help="write the JSON here as well")] = None,
) -> None:
    """Measure a model on held-out rendered frames: recall of objects and triplets."""
    from spacesgg_ros.vlm import SceneGraphModel

    from .evaluate.graphs import evaluate_graphs

    shards = sorted(data.glob(f"{split}-*.tar"))
    if not shards:
        raise InputError(
            f"no frames of split {split!r} in {data}: run `spacesgg scenes render {split}` first"
        )
    loaded = SceneGraphModel.load(model, precision=precision)
    running = evaluate_graphs(loaded, shards, limit)
    steps = track(running, f"evaluating {split}", total=limit, console=console)
    scores = collections.deque(steps, maxlen=1).pop()
    report = {"model": loaded.model_id, "precision": loaded.runtime_info.precision, "split": split}
    report |= scores.summary()
    text = json.dumps(report, indent=1)
    if out:
        out.write_text(text + "\n")
    console.print_json(text)


def _logger(path: Path) -> Callable[[dict], None]:
    path.parent.mkdir(parents=True, exist_ok=True)

    def log(entry: dict) -> None:
        line = json.dumps({"time": round(time.time()), **entry})
        with path.open("a") as file:
            file.write(line + "\n")
        console.print(line, soft_wrap=True)

    return log
