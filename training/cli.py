"""Subcommands of ``spacesgg`` for rendering, training and evaluation."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from spacesgg_ros.cli.console import output
from spacesgg_ros.extras import require

from .data import cli as data_cli
from .defaults import RUN_DIR
from .evaluate import cli as evaluate_cli
from .evaluate import score_cli
from .scenes import cli as scenes_cli


def register(app: typer.Typer) -> None:
    """Add ``scenes``, ``train``, ``merge``, ``evaluate``, ``score`` and ``data``."""
    scenes_cli.register(app)
    app.command("train")(train)
    app.command("merge")(merge)
    evaluate_cli.register(app)
    score_cli.register(app)
    data_cli.register(app)


def train(
    recipe: Annotated[str, typer.Argument(help="A YAML file, or a shipped one: embedded/stage1.")],
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", help="Change a setting: batch.size=8, data.0.rows=mine.jsonl."),
    ] = None,
    run: Annotated[
        Path | None, typer.Option(help="Folder of the run. Default: runs/RECIPE.")
    ] = None,
    threads: Annotated[int, typer.Option(min=0, help="CPU threads; 0: torch decides.")] = 0,
    download: Annotated[bool, typer.Option(help="Fetch a hub id that is not here yet.")] = False,
) -> None:
    """Train as a recipe says; run again, it goes on from the last complete checkpoint."""
    torch = require("torch", "train")
    require("transformers", "train")
    require("accelerate", "train")
    from .engine.recipe import find_recipe, make_recipe, read_settings

    if threads:
        torch.set_num_threads(threads)
    file = find_recipe(recipe)
    values = read_settings(file, settings or [])
    run = run or RUN_DIR.parent / file.parent.name / file.stem
    if values.get("kind") == "tower":
        from .model.tower_training import run_recipe

        run_recipe({key: value for key, value in values.items() if key != "kind"}, run)
        return
    from .engine.run import train_recipe

    result = train_recipe(make_recipe(values, str(file)), run, download)
    output.print(result, highlight=False)


def merge(
    adapter: Annotated[Path, typer.Argument(help="Folder with adapter_config.json.")],
    out: Annotated[Path, typer.Option(help="Model folder to write.")],
    base: Annotated[str, typer.Option(help="Base model. Default: the one it names.")] = "",
) -> None:
    """Fold an adapter into its base model: a folder that `spacesgg export` and the node take."""
    require("torch", "train")
    from .engine.adapters import merge_adapter

    output.print(merge_adapter(adapter, out, base), highlight=False)
