"""``spacesgg data write``: measured images to instruction rows."""

from __future__ import annotations

import functools
import os
import shutil
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from spacesgg_ros.cli.console import InputError, messages, output
from spacesgg_ros.training.data.given_options import refuse_given
from spacesgg_ros.training.data.input_files import check_folder, check_input

from .options import (
    ANSWERS,
    WriterOptions,
    add_options,
    read_endpoint,
    tell_spent,
    text_settings,
)

if TYPE_CHECKING:
    from .generator import TextGenerator

_CHUNK = 50
_PARQUET = ".parquet"


def register(data: typer.Typer) -> None:
    """Add the subcommand to ``spacesgg data``."""
    data.command("write")(add_options(write))


def write(
    context: typer.Context,
    measured: Annotated[Path, typer.Argument(callback=check_input, help="measured set (.jsonl)")],
    out: Annotated[Path, typer.Option(help="rows to write: .jsonl or .parquet")],
    root: Annotated[
        Path | None,
        typer.Option(
            callback=check_folder, help="what image paths in the set start from; the set's folder"
        ),
    ] = None,
    formats: Annotated[str, typer.Option(help="of desc, qa and conv")] = "desc,qa,conv",
    turns: Annotated[int, typer.Option(min=1, help="questions of a row, at most")] = 4,
    seed: Annotated[int, typer.Option(help="another seed, other words and questions")] = 0,
    jobs: Annotated[int, typer.Option(min=0, help="processes (template); 0: a core each")] = 0,
    *,
    writer: WriterOptions,
) -> None:
    """Write descriptions (desc), questions (qa) and view changes (conv) about measured images.

    What gives no row goes to OUT.rejected.jsonl with its reason. Killed, or stopped by a budget,
    and started again with the same options it goes on where it was.
    """
    from .formats import WriteConfig
    from .openai_generator import OpenAIGenerator
    from .template import TemplateGenerator

    if out.suffix not in (".jsonl", _PARQUET):
        raise InputError(f"--out ends in .jsonl or .parquet; got {out}")
    if out.resolve() == measured.resolve():
        raise InputError(f"--out {out} is the set itself; name another file")
    server = read_endpoint(context, writer, out.with_name(f"{out.stem}.{ANSWERS}"))
    if server is not None:
        refuse_given(context, ("jobs",), "a server is asked by one process; see --concurrency")
        jobs = 1
    try:
        config = WriteConfig(
            seed=seed,
            formats=tuple(name.strip() for name in formats.split(",") if name.strip()),
            turns=turns,
            images=_image_folder(measured, root or measured.parent, out),
        )
    except ValueError as error:
        raise InputError(str(error)) from error
    texts = TemplateGenerator() if server is None else OpenAIGenerator(server)
    settings = {"write": asdict(config), "generator": text_settings(server)}
    _run(measured, out, config, texts, settings, jobs)
    if server is not None:
        tell_spent(server)


def _image_folder(measured: Path, root: Path, out: Path) -> str:
    """From OUT's folder to the pictures'; warns if the first picture is not there."""
    from spacesgg_ros.training.data.grounded import GroundedImage
    from spacesgg_ros.training.data.sources.files import file_exists, read_grounded

    first = next((g for g in read_grounded(measured) if isinstance(g, GroundedImage)), None)
    if first is not None and not file_exists(root, first.image):
        messages.print(
            f"{root} has no picture {first.image}: the rows will name one that is not there. "
            f"--root DIR says what paths in {measured.name} are relative to."
        )
    return Path(os.path.relpath(root.resolve(), out.resolve().parent)).as_posix()


def _run(
    measured: Path,
    out: Path,
    config: Any,
    writer: TextGenerator,
    settings: dict[str, Any],
    jobs: int,
) -> None:
    from spacesgg_ros.training.data.rejected import rejected_table
    from spacesgg_ros.training.data.running.chunks import JsonlSource
    from spacesgg_ros.training.data.running.pipeline import Pipeline, RunConfig, RunError, Stage
    from spacesgg_ros.training.data.running.run import run_pipeline, tasks_table

    from .formats import STAGE, WriteStage

    stage = Stage(STAGE, functools.partial(WriteStage, config, writer), _CHUNK)
    work = out.with_name(f".{out.name}.run")
    work.parent.mkdir(parents=True, exist_ok=True)
    try:
        outcome = run_pipeline(
            Pipeline((stage,), settings),
            JsonlSource(measured),
            RunConfig(work, chunk=_CHUNK, jobs=jobs or None),
            console=messages,
        )
    except RunError as error:
        raise InputError(str(error)) from error
    rejected = out.with_name(f"{out.stem}.rejected.jsonl")
    if outcome.rows and out.suffix == _PARQUET:
        _write_parquet(work / "rows.jsonl", out)
    elif outcome.rows:
        (work / "rows.jsonl").replace(out)
    (work / "rejected.jsonl").replace(rejected)
    shutil.rmtree(work)
    output.print(tasks_table(outcome))
    if outcome.rejected:
        output.print(rejected_table(outcome.rejected))
    if not outcome.rows:
        raise InputError(
            f"no image of {measured} gave a row, so {out} is not written; {rejected} says why"
        )
    output.print(
        f"{outcome.rows} rows of {outcome.records} images: {out}"
        + (f"; what is missing: {rejected}" if outcome.rejected else ""),
        highlight=False,
        soft_wrap=True,
    )


def _write_parquet(rows: Path, out: Path) -> None:
    from spacesgg_ros.training.data.rows import read_rows
    from spacesgg_ros.training.data.running.parts import encode_rows, write_whole

    write_whole(out, encode_rows([row.to_dict() for row in read_rows(rows)], "parquet"))
