"""``spacesgg data``: make training sets."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.progress import Progress
from rich.table import Table

from spacesgg_ros import __version__
from spacesgg_ros.cli.console import InputError, messages, output
from spacesgg_ros.graph.predicates import VSD_LABELS
from spacesgg_ros.training.defaults import DATA_DIR

from . import own_graphs_cli, review_cli
from .geometry import cli as geometry_cli
from .running import cli as running_cli
from .sources import cli as sources_cli
from .validation import cli as validation_cli
from .vsd import cli as vsd_cli
from .writing import cli as writing_cli

_SHOWN_BAD = 5


def register(app: typer.Typer) -> None:
    """Add ``data`` to the command line."""
    data = typer.Typer(help="Make training sets.", no_args_is_help=True)
    data.command("instructions")(instructions)
    own_graphs_cli.register(data)
    review_cli.register(data)
    geometry_cli.register(data)
    running_cli.register(data)
    sources_cli.register(data)
    validation_cli.register(data)
    vsd_cli.register(data)
    writing_cli.register(data)
    data.callback()(_group)
    app.add_typer(data, name="data")


def _group() -> None:
    """Make training sets."""


def instructions(
    out: Annotated[Path, typer.Option(help="rows file (.jsonl) to write")],
    scenes: Annotated[Path, typer.Option(help="folder of rendered shards")] = DATA_DIR,
    split: Annotated[str, typer.Option(help="which shards: SPLIT-*.tar")] = "train",
    tasks: Annotated[str, typer.Option(help="comma-separated; all by default")] = "",
    mirror: Annotated[bool, typer.Option(help="also the frames seen in a mirror")] = False,
    classify_turns: Annotated[
        int, typer.Option(min=1, help="questions in a vsd-classify row: more learnt an image")
    ] = 1,
    limit: Annotated[int | None, typer.Option(min=1, help="at most so many frames")] = None,
    seed: Annotated[int, typer.Option(help="another seed, other words and questions")] = 0,
) -> None:
    """Turn rendered frames into instruction rows; statistics go to OUT.stats.json."""
    from .instructions import InstructionConfig, frame_rows, read_frames
    from .rows import TASKS, Row, manifest_hash, read_rows, write_rows
    from .statistics import RowStatistics
    from .targets import FrameError

    shards = sorted(scenes.glob(f"{split}-*.tar"))
    if not shards:
        raise InputError(
            f"no frames of split {split!r} in {scenes}: run `spacesgg scenes render {split}` first"
        )
    chosen = tuple(task.strip() for task in tasks.split(",") if task.strip()) or TASKS
    try:
        config = InstructionConfig(
            seed=seed, tasks=chosen, mirror=mirror, classify_turns=classify_turns
        )
    except ValueError as error:
        raise InputError(str(error)) from error
    bad: list[dict[str, str]] = []
    labels: set[str] = set()
    root = out.resolve().parent
    frames = 0

    def make_rows(progress: Progress) -> Iterator[Row]:
        nonlocal frames
        bar = progress.add_task(f"writing {out.name}", total=limit or len(shards))
        for shard in shards:
            place = Path(os.path.relpath(shard.resolve(), root)).as_posix()
            for key, record in read_frames(shard):
                if frames == limit:
                    return
                frames += 1
                progress.advance(bar, 1 if limit else 0)
                try:
                    if isinstance(record, FrameError):
                        raise record
                    rows = frame_rows(record, f"{place}/{key}.jpg", f"scenes/{split}", config)
                except FrameError as error:
                    bad.append({"shard": shard.name, "frame": key, "reason": str(error)})
                    continue
                labels.update(o["label"] for o in record["objects"])
                yield from rows
            progress.advance(bar, 0 if limit else 1)

    with Progress(console=messages) as progress:
        count = write_rows(out, make_rows(progress))
        if not count:
            raise InputError(
                f"no row came out of {frames} frames of {scenes}; "
                f"the first bad one: {bad[0]['reason'] if bad else 'none, they are empty'}"
            )
        statistics = RowStatistics(frozenset(labels))
        for row in progress.track(read_rows(out), total=count, description="counting"):
            statistics.add(row)
    summary = {
        "file": out.name,
        "frames": frames,
        "bad_frames": bad,
        "config": asdict(config),
        "split": split,
        "shards": [shard.name for shard in shards],
        "manifest_sha256": manifest_hash(shards),
        "rows_sha256": manifest_hash([out]),
        "version": __version__,
        "labels": sorted(labels),
        **statistics.summary(),
    }
    out.with_suffix(".stats.json").write_text(json.dumps(summary, indent=1) + "\n")
    output.print(_task_table(summary), _relation_table(summary))
    output.print(
        f"{count} rows of {frames - len(bad)} frames: {out}; {summary['words']['distinct']} "
        f"distinct words; {len(bad)} bad frames"
    )
    for entry in bad[:_SHOWN_BAD]:
        messages.print(f"[yellow]bad frame:[/] {entry['frame']}: {entry['reason']}", markup=True)


def _task_table(summary: dict[str, Any]) -> Table:
    table = Table("task", title="rows and tokens (embedded tokenizer, without the image's)")
    for name in ("rows", "median", "p95", "max", "learnt, median", "learnt in all"):
        table.add_column(name, justify="right")
    for task, rows in summary["rows"].items():
        tokens, learnt = summary["tokens"][task], summary["learnt_tokens"][task]
        numbers = (rows, *(tokens[k] for k in ("median", "p95", "max")))
        table.add_row(task, *(f"{n:,}" for n in (*numbers, learnt["median"], learnt["sum"])))
    return table


def _relation_table(summary: dict[str, Any]) -> Table:
    table = Table("relation", title="relations in the answers")
    for task in summary["relations"]:
        table.add_column(task, justify="right")
    for label in VSD_LABELS:
        counts = [relations[label] for relations in summary["relations"].values()]
        table.add_row(label, *(f"{count:,}" for count in counts))
    return table
