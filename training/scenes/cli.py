"""``spacesgg scenes``: render and record RGB-D scenes with exact ground truth."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from spacesgg_ros.cli.console import InputError, messages, output
from spacesgg_ros.training.defaults import CACHE_DIR, DATA_DIR


def register(app: typer.Typer) -> None:
    """Add ``scenes`` to the command line."""
    scenes = typer.Typer(help="Render RGB-D scenes with exact ground truth.")
    scenes.command("render")(render)
    scenes.command("labels")(labels)
    scenes.command("lineup")(lineup)
    scenes.command("record")(record)
    app.add_typer(scenes, name="scenes")


def render(
    split: Annotated[
        str, typer.Argument(help="train, val, test-seen, test-unseen-models or test-rooms")
    ],
    frames: Annotated[int, typer.Argument(help="how many; rounded up to whole shards")],
    out: Annotated[Path, typer.Option(help="folder of the shards")] = DATA_DIR,
    seed: Annotated[int, typer.Option(help="another seed, other scenes")] = 0,
    width: Annotated[int, typer.Option(min=64)] = 320,
    height: Annotated[int, typer.Option(min=64)] = 240,
    supersample: Annotated[int, typer.Option(min=1, max=4, help="antialiasing")] = 1,
    jobs: Annotated[int, typer.Option(min=1, help="processes")] = 2,
) -> None:
    """Render frames to WebDataset shards with a contact sheet; run again to resume."""
    from .assets import AssetError
    from .dataset import SceneSetConfig, write_scenes
    from .sheet import write_sheet

    try:
        config = SceneSetConfig(split, frames, seed, width, height, supersample=supersample)
        there = {path for path in config.shard_paths(out) if path.exists()}
        columns = (
            TextColumn("[progress.description]{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[rate]}"),
        )
        with Progress(*columns, console=messages) as progress:
            total = config.shards * config.frames_per_shard
            task = progress.add_task(f"rendering {split}", total=total, rate="")
            started, rendered = time.monotonic(), 0
            for path in write_scenes(config, out, CACHE_DIR, jobs):
                rendered += 0 if path in there else config.frames_per_shard
                per_minute = 60 * rendered / (time.monotonic() - started)
                rate = f"{per_minute:.0f} frames/min" if rendered else ""
                progress.update(task, advance=config.frames_per_shard, rate=rate)
        sheet = out / f"{split}-sheet.jpg"
        write_sheet(config.shard_paths(out)[:1], sheet)
        output.print(f"{total} frames, of which {rendered} new: {out}; to look at: {sheet}")
    except (ValueError, AssetError) as error:
        raise InputError(str(error)) from error


def labels(
    data: Annotated[
        Path | None, typer.Option(help="count the labelled objects of this folder's shards")
    ] = None,
    split: Annotated[str, typer.Option(help="of this split")] = "train",
) -> None:
    """Print the label map as a table: classes, models, models held out, licences."""
    from .label_map import count_labels, read_label_map, write_table

    counts = None
    if data is not None:
        shards = sorted(data.glob(f"{split}-*.tar"))
        if not shards:
            raise InputError(f"no {split} shards in {data}: run `spacesgg scenes render {split}`")
        counts = count_labels(shards)
    output.print(write_table(read_label_map(), counts), end="", soft_wrap=True, markup=False)


def lineup(
    out: Annotated[Path, typer.Argument(help="JPEG to write")],
    labels: Annotated[list[str] | None, typer.Argument(help="classes; none: all made up")] = None,
) -> None:
    """Draw the models that training sees of some classes, the catalogue's first."""
    from .assets import AssetError, load_models
    from .lineup import write_lineup
    from .made_up import MAKERS
    from .variants import vary

    try:
        models = [m for m in load_models(CACHE_DIR) if not m.unseen]
        write_lineup(models + vary(models), labels or list(MAKERS), out)
    except (ValueError, AssetError) as error:
        raise InputError(str(error)) from error
    output.print(f"{len(labels or MAKERS)} classes: {out}")


def record(
    out: Annotated[Path, typer.Argument(help="MCAP to write")],
    scene: Annotated[int, typer.Option(help="index of a scene of split 'demo'")] = 0,
    seconds: Annotated[float, typer.Option(min=0.2)] = 6.7,
) -> None:
    """Record a scene with a moving camera as a ROS 2 bag (MCAP)."""
    from .recording import record_scene

    with messages.status(f"recording {out}"):
        frames = record_scene(out, CACHE_DIR, scene, seconds)
    output.print(f"{frames} frames, {out.stat().st_size / 1e6:.1f} MB: {out}")
