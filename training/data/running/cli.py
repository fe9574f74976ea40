"""``spacesgg data build``: images to a validated instruction set, on one machine or many."""

from __future__ import annotations

import enum
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from spacesgg_ros.cli.console import InputError, messages, output
from spacesgg_ros.training.data.grounded import GroundedError
from spacesgg_ros.training.data.rejected import rejected_table

_ALL_FORMATS = "desc,qa,conv,vsd"


class RunnerName(str, enum.Enum):
    """Who runs it."""

    LOCAL = "local"
    RAY = "ray"


class OutputName(str, enum.Enum):
    """How rows are written."""

    JSONL = "jsonl"
    PARQUET = "parquet"


class GeneratorName(str, enum.Enum):
    """Who writes Desc, QA and Conv."""

    TEMPLATE = "template"
    OPENAI = "openai"


def register(data: typer.Typer) -> None:
    """Add the subcommand to ``spacesgg data``."""
    data.command("build")(build)


def build(
    source: Annotated[
        Path, typer.Argument(help="grounded set (.jsonl), folder of rendered shards, or a shard")
    ],
    out: Annotated[Path, typer.Option(help="folder to write; a killed run in it goes on")],
    runner: Annotated[RunnerName, typer.Option(help="who runs it")] = RunnerName.LOCAL,
    jobs: Annotated[int | None, typer.Option(min=1, help="processes; default: one a core")] = None,
    formats: Annotated[str, typer.Option(help="comma-separated")] = _ALL_FORMATS,
    generator: Annotated[
        GeneratorName, typer.Option(help="who writes desc, qa and conv")
    ] = GeneratorName.TEMPLATE,
    endpoint: Annotated[str, typer.Option(help="openai: base address of the server")] = "",
    model: Annotated[str, typer.Option(help="openai: model as the server names it")] = "",
    cache: Annotated[
        Path | None, typer.Option(help="openai: file that keeps answers; default: in OUT")
    ] = None,
    max_requests: Annotated[
        int | None, typer.Option(min=0, help="openai: stop after so many requests")
    ] = None,
    max_total_tokens: Annotated[
        int | None, typer.Option(min=0, help="openai: stop after so many tokens")
    ] = None,
    key_variable: Annotated[
        str, typer.Option(help="openai: environment variable with the API key")
    ] = "",
    estimator: Annotated[
        str, typer.Option(help="depth model (folder, cached hub id, 'stub') where depth is missing")
    ] = "",
    device: Annotated[str, typer.Option(help="of the depth model: cpu or cuda")] = "cpu",
    copies: Annotated[
        int, typer.Option(min=1, help="ray: copies of the depth model, and of the openai client")
    ] = 1,
    limit: Annotated[int | None, typer.Option(min=1, help="at most so many images")] = None,
    seed: Annotated[int, typer.Option(help="another seed, other words and questions")] = 0,
    output_format: Annotated[
        OutputName, typer.Option("--output", help="parquet: parts only, no rows.jsonl")
    ] = OutputName.JSONL,
    chunk: Annotated[int, typer.Option(min=1, help="images of one part")] = 50,
    root: Annotated[
        Path | None, typer.Option(help="what a set's images are relative to; default: its folder")
    ] = None,
    split: Annotated[str | None, typer.Option(help="of shards: only SPLIT-*.tar")] = None,
    strict: Annotated[
        bool, typer.Option(help="reject also what the input neither proves nor refutes")
    ] = True,
    address: Annotated[
        str, typer.Option(envvar="RAY_ADDRESS", help="ray: running cluster; default: start one")
    ] = "",
) -> None:
    """Measure images, write rows about them, validate the rows: one command, one folder."""
    from spacesgg_ros.training.data.writing.endpoint import Budget, EndpointConfig
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

    try:
        chosen = Generator()
        if generator is GeneratorName.OPENAI:
            server = EndpointConfig(
                endpoint,
                model,
                cache=(cache or out / "answers.db").resolve(),
                budget=Budget(max_requests, max_total_tokens),
                key_variable=key_variable,
            )
            settings = {"name": "openai", "model": model, "temperature": server.temperature}
            chosen = Generator(partial(OpenAIGenerator, server), settings, copies)
        config = BuildConfig(
            formats=tuple(name.strip() for name in formats.split(",") if name.strip()),
            seed=seed,
            generator=chosen,
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
