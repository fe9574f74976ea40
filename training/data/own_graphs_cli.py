"""``spacesgg data own-graphs``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from spacesgg_ros.cli.console import InputError, messages, output
from spacesgg_ros.vlm import EMBEDDED_MODEL

from .input_files import check_input
from .rejected import rejected_table


def register(data: typer.Typer) -> None:
    """Add the command to ``spacesgg data``."""
    data.command("own-graphs")(own_graphs)


def own_graphs(
    rows: Annotated[
        Path, typer.Argument(callback=check_input, help="rows file (.jsonl) with graphs")
    ],
    out: Annotated[Path, typer.Option(help="folder to write; a killed run in it goes on")],
    model: Annotated[str, typer.Option(help="embedded, or a folder")] = EMBEDDED_MODEL,
    precision: Annotated[str, typer.Option(help="auto, fp32, fp16 or int8")] = "auto",
    valid_share: Annotated[
        float,
        typer.Option(min=0, max=1, help="of graphs valid without the grammar, how many to keep"),
    ] = 0.3,
    jobs: Annotated[int | None, typer.Option(min=1, help="processes; default: one a core")] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="at most so many rows")] = None,
) -> None:
    """Let a model write the graphs of a rows file itself, to train it out of its own mistakes of
    form."""
    from spacesgg_ros.vlm.folder import open_folder

    from .own_graphs import OwnGraphConfig, check_row, own_graph_pipeline
    from .rows import manifest_hash
    from .running.chunks import JsonlSource
    from .running.pipeline import RunConfig, RunError
    from .running.run import run_pipeline

    root = rows.resolve().parent
    config = OwnGraphConfig(model, precision, valid_share)
    try:
        outcome = run_pipeline(
            own_graph_pipeline(config, root, manifest_hash(open_folder(model).weight_files())),
            JsonlSource(rows, check_row),
            RunConfig(out, limit=limit, jobs=jobs),
            console=messages,
        )
    except RunError as error:
        raise InputError(str(error)) from error
    if outcome.rejected:
        output.print(rejected_table(outcome.rejected))
    if not outcome.rows:
        raise InputError(
            f"no graph came out of {outcome.records} rows: see {out}/rejected.jsonl; rows of task "
            "graph are needed, as `spacesgg data instructions --tasks graph` makes them"
        )
    output.print(
        f"{outcome.rows} graphs of {outcome.records} rows: {out / 'rows.jsonl'}; "
        f"images are relative to {root}",
        soft_wrap=True,
    )
