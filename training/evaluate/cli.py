"""``spacesgg evaluate``: measure a model against ground truth; ``spacesgg card``: write it up."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.progress import track

from spacesgg_ros.cli.console import InputError
from spacesgg_ros.training.defaults import DATA_DIR, MODEL_DIR

if TYPE_CHECKING:
    from .priors import Priors
    from .scores import FrameScore

console = Console()
if console.width < 110:
    console.width = 110  # the tables


def register(app: typer.Typer) -> None:
    """Add ``evaluate`` and ``card`` to the command line."""
    app.command("evaluate")(evaluate)
    app.command("card")(card)


def evaluate(
    data: Annotated[Path, typer.Option(help="rendered shards")] = DATA_DIR,
    split: Annotated[
        str, typer.Option(help="test-seen, test-unseen-models, test-rooms or val")
    ] = "test-seen",
    model: Annotated[str, typer.Option(help="folder, hub id or 'embedded'")] = "embedded",
    precision: Annotated[str, typer.Option(help="auto, fp32, fp16 or int8")] = "auto",
    threads: Annotated[int, typer.Option(min=0, help="0: one a core")] = 0,
    task: Annotated[
        list[str] | None, typer.Option(help="graphs, vsd-classify, valid-output; default all")
    ] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="at most so many frames")] = None,
    questions: Annotated[int, typer.Option(min=1, help="VSD questions a frame")] = 4,
    train_data: Annotated[
        Path | None,
        typer.Option(help="learn the pixel-free baseline anew from these training shards"),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="write the JSON here as well")] = None,
    pictures: Annotated[
        Path | None, typer.Option(help="draw worst and typical frames into this folder")
    ] = None,
    frames_a_sheet: Annotated[int, typer.Option(min=1, help="frames on each picture")] = 6,
) -> None:
    """Measure a model on held-out rendered frames, next to what is known without the picture."""
    from spacesgg_ros.vlm import SceneGraphModel

    from . import report as tables
    from .evaluation import GRAPHS, TASKS, VSD_CLASSIFY, Evaluation
    from .frames import read_frames

    tasks = tuple(task or TASKS)
    if unknown := [name for name in tasks if name not in TASKS]:
        raise InputError(f"unknown task {unknown[0]!r}; there are {', '.join(TASKS)}")
    if pictures is not None and GRAPHS not in tasks:
        raise InputError("--pictures draws graphs; add --task graphs")
    shards = _find_shards(data, split)
    loaded = SceneGraphModel.load(model, precision=precision, threads=threads)
    priors = _find_priors(loaded.folder.path, train_data)
    evaluation = Evaluation(loaded, split, tasks=tasks, priors=priors, questions_a_frame=questions)
    frames = read_frames(shards, limit)
    for frame in track(frames, f"evaluating {split}", total=_count(shards, limit), console=console):
        evaluation.add(frame)
    report = evaluation.report()
    if out is not None:
        tables.write_report(report, out)
    console.print(tables.main_table(report).rich())
    if GRAPHS in tasks:
        for table in (tables.size_table, tables.predicate_table, tables.confusion_table):
            console.print(table(report).rich())
        if priors is not None:
            console.print(tables.given_table(report).rich())
    if VSD_CLASSIFY in tasks:
        console.print(tables.answer_table(report).rich())
    if pictures is not None:
        _draw(shards, evaluation.scores, pictures, split, frames_a_sheet)


def card(
    model: Annotated[Path, typer.Option(help="model folder")] = MODEL_DIR,
) -> None:
    """Write the model folder's README.md from what `evaluate` measured into MODEL/evaluation."""
    from .card import write_card

    console.print(f"{write_card(model)}")


def _find_shards(data: Path, split: str) -> list[Path]:
    shards = sorted(data.glob(f"{split}-*.tar"))
    if not shards:
        raise InputError(
            f"no frames of split {split!r} in {data}: run `spacesgg scenes render {split} 600 "
            f"--out {data}` first"
        )
    return shards


def _count(shards: list[Path], limit: int | None) -> int:
    from spacesgg_ros.training.scenes.dataset import read_shards

    frames = sum(1 for _ in read_shards(shards, images=False))
    return frames if limit is None else min(frames, limit)


def _find_priors(folder: Path, train_data: Path | None) -> Priors | None:
    """The baseline kept with the model, or learnt now and kept there."""
    from spacesgg_ros.training.scenes.dataset import read_shards

    from .priors import FILE_NAME, learn_priors, load_priors, save_priors

    kept = folder / FILE_NAME
    if train_data is not None:
        records = read_shards(_find_shards(train_data, "train"), images=False)
        priors = learn_priors(
            record for record, _ in track(records, "reading training records", console=console)
        )
        save_priors(priors, kept)
        return priors
    if not kept.is_file():
        console.print(f"[yellow]no baseline: {kept} is missing; --train-data DIR makes it[/]")
        return None
    try:
        return load_priors(kept)
    except (OSError, ValueError, KeyError) as error:
        raise InputError(
            f"{kept} cannot be read ({error!r}); make it again with --train-data DIR"
        ) from error


def _draw(
    shards: list[Path], scores: list[FrameScore], folder: Path, split: str, count: int
) -> None:
    from . import pictures
    from .frames import read_frames

    chosen = {kind: pictures.pick_frames(scores, kind, count) for kind in pictures.KINDS}
    wanted = {score.key for those in chosen.values() for score in those}
    frames = {frame.key: frame for frame in read_frames(shards, keys=wanted)}
    for kind, those in chosen.items():
        pairs = [pictures.draw_pair(frames[score.key], score) for score in those]
        path = folder / pictures.sheet_name(split, kind)
        pictures.save_sheet(pictures.draw_sheet(pairs), path)
        console.print(f"{path}")
