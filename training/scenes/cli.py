"""``spacesgg scenes``: render and record RGB-D scenes with exact ground truth."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import track

from spacesgg_ros.cli.console import InputError
from spacesgg_ros.training.defaults import CACHE_DIR, DATA_DIR

console = Console()


def register(app: typer.Typer) -> None:
    """Add ``scenes`` to the command line."""
    scenes = typer.Typer(help="Render RGB-D scenes with exact ground truth.")
    scenes.command("render")(render)
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
    """Render frames to WebDataset shards; run again to resume."""
    from .assets import AssetError
    from .dataset import SceneSetConfig, write_scenes

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
    from .recording import record_scene

    with console.status(f"recording {out}"):
        frames = record_scene(out, CACHE_DIR, scene, seconds)
    console.print(f"{frames} frames, {out.stat().st_size / 1e6:.1f} MB: {out}")
