"""``spacesgg data build``: images to a validated instruction set, on one machine or many."""

from __future__ import annotations

import enum
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from spacesgg_ros.cli.console import InputError, messages, output
from spacesgg_ros.training.data.geometry.cli import check_estimator
from spacesgg_ros.training.data.given_options import refuse_given
from spacesgg_ros.training.data.grounded import GroundedError
from spacesgg_ros.training.data.input_files import check_folder, check_source
from spacesgg_ros.training.data.rejected import rejected_table
from spacesgg_ros.training.data.writing.generator import FORMATS as WRITTEN
from spacesgg_ros.training.data.writing.options import (
    ANSWERS,
    GeneratorName,
    WriterOptions,
    add_options,
    read_endpoint,
    tell_spent,
    text_settings,
)

_ALL_FORMATS = "desc,qa,conv,vsd"


class RunnerName(str, enum.Enum):
    """Who runs it."""

    LOCAL = "local"
    RAY = "ray"


class OutputName(str, enum.Enum):
    """How rows are written."""

    JSONL = "jsonl"
    PARQUET = "parquet"


def register(data: typer.Typer) -> None:
    """Add the subcommand to ``spacesgg data``."""
    data.command("build")(add_options(build))


def build(
    context: typer.Context,
    source: Annotated[
        Path,
        typer.Argument(
            callback=check_source,
            help="grounded set (.jsonl), folder of rendered shards, or a shard",
        ),
    ],
    out: Annotated[Path, typer.Option(help="folder to write; a killed run in it goes on")],
    runner: Annotated[RunnerName, typer.Option(help="who runs it")] = RunnerName.LOCAL,
    jobs: Annotated[int | None, typer.Option(min=1, help="processes; default: one a core")] = None,
    formats: Annotated[str, typer.Option(help="comma-separated")] = _ALL_FORMATS,
    estimator: Annotated[
        str, typer.Option(help="depth model (folder, cached hub id, 'stub') where depth is missing")
    ] = "",
    device: Annotated[str, typer.Option(help="of the depth model: cpu or cuda")] = "cpu",
    copies: Annotated[
        int, typer.Option(min=1, help="ray: of the depth model, and of what asks the server")
    ] = 1,
    limit: Annotated[int | None, typer.Option(min=1, help="at most so many images")] = None,
    seed: Annotated[int, typer.Option(help="another seed, other words and questions")] = 0,
    output_format: Annotated[
        OutputName, typer.Option("--output", help="parquet: parts only, no rows.jsonl")
    ] = OutputName.JSONL,
    chunk: Annotated[int, typer.Option(min=1, help="images of one part")] = 50,
    root: Annotated[
        Path | None,
        typer.Option(
            callback=check_folder, help="what a set's images are relative to; default: its folder"
        ),
    ] = None,
    split: Annotated[str | None, typer.Option(help="of shards: only SPLIT-*.tar")] = None,
    strict: Annotated[
        bool, typer.Option(help="reject also what the input neither proves nor refutes")
    ] = True,
    address: Annotated[
        str, typer.Option(envvar="RAY_ADDRESS", help="ray: running cluster; default: start one")
    ] = "",
    *,
    writer: WriterOptions,
) -> None:
    """Measure images, write rows about them, validate the rows: one command, one folder."""
    from spacesgg_ros.training.data.writing.openai_generator import OpenAIGenerator

    from .build import (
        BuildConfig,
        Estimate,
        Generator,
        find_source,
        image_root,
        make_pipeline,
    )
    from .pipeline import RunConfig, RunError
    from .run import run_pipeline, tasks_table, times_table

    chosen_formats = tuple(name.strip() for name in formats.split(",") if name.strip())
    server = read_endpoint(context, writer, out / ANSWERS)
    _refuse_meaningless(context, source, runner, chosen_formats)
    if estimator:
        # On a cluster the GPUs are elsewhere.
        check_estimator(estimator, device=device if runner is RunnerName.LOCAL else "cpu")
    try:
        generator = Generator()
        if server is not None:
            generator = Generator(partial(OpenAIGenerator, server), text_settings(server), copies)
        config = BuildConfig(
            formats=chosen_formats,
            seed=seed,
            generator=generator,
            estimate=Estimate(estimator, out / "depth", device, copies) if estimator else None,
            strict=strict,
        )
        base = image_root(source, root)
        outcome = run_pipeline(
            make_pipeline(base, config),
            find_source(source, root, split),
            RunConfig(out, output_format.value, chunk, limit, jobs, address),
            runner.value,
            messages,
        )
    except (GroundedError, RunError, ValueError) as error:
        raise InputError(str(error)) from error
    output.print(tasks_table(outcome), times_table(outcome))
    if server is not None:
        tell_spent(server)
    if outcome.rejected:
        output.print(rejected_table(outcome.rejected))
    rejected = sum(outcome.rejected.values())
    rows = out / ("rows.jsonl" if output_format is OutputName.JSONL else "parts")
    output.print(
        f"{outcome.rows} rows of {outcome.records} images: {rows}; {rejected} rejected: "
        f"rejected.jsonl; images are relative to {base}",
        soft_wrap=True,
    )
    if not outcome.rows:
        raise InputError(f"no row came out of {outcome.records} images: see {out}/rejected.jsonl")


def _refuse_meaningless(
    context: typer.Context, source: Path, runner: RunnerName, formats: tuple[str, ...]
) -> None:
    """Options that are given and have no effect beside the others; see :func:`refuse_given`."""
    options = context.params
    asked = options["generator"] is GeneratorName.OPENAI
    if not set(formats) & set(WRITTEN):
        refuse_given(context, ("generator",), f"--formats has none of {', '.join(WRITTEN)}")
    if not options["estimator"]:
        refuse_given(context, ("device",), "of the depth model; name one by --estimator")
    if runner is RunnerName.LOCAL:
        ray = "for --runner ray; processes of this machine are --jobs"
        refuse_given(context, ("copies", "address"), ray)
    elif not (options["estimator"] or asked):
        model = "of a model, and there is none; name one by --estimator or --generator openai"
        refuse_given(context, ("copies",), model)
    if runner is RunnerName.RAY and options["address"]:
        refuse_given(context, ("jobs",), "a running cluster has its own CPUs; leave it out")
    if not source.is_dir():
        refuse_given(context, ("split",), f"for a folder of rendered shards; {source} is one file")
