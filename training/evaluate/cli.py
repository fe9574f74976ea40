"""``spacesgg evaluate``: measure a model against ground truth."""

from __future__ import annotations

import collections
import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import track

from spacesgg_ros.cli.console import InputError
from spacesgg_ros.training.defaults import DATA_DIR

console = Console()


def register(app: typer.Typer) -> None:
    """Add ``evaluate`` to the command line."""
    app.command("evaluate")(evaluate)


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

    from .graphs import evaluate_graphs

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
