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

if TYPE_CHECKING:
    from .endpoint import EndpointConfig
    from .generator import TextGenerator

_GENERATORS = ("template", "openai")
_CHUNK = 50
_PARQUET = ".parquet"
_LLM = "Language model"


def register(data: typer.Typer) -> None:
    """Add the subcommand to ``spacesgg data``."""
    data.command("write")(write)


def write(
    measured: Annotated[Path, typer.Argument(help="measured set (.jsonl)")],
    out: Annotated[Path, typer.Option(help="rows to write: .jsonl or .parquet")],
    root: Annotated[
        Path | None, typer.Option(help="what image paths in the set start from; the set's folder")
    ] = None,
    formats: Annotated[str, typer.Option(help="of desc, qa and conv")] = "desc,qa,conv",
    turns: Annotated[int, typer.Option(min=1, help="questions of a row, at most")] = 4,
    seed: Annotated[int, typer.Option(help="another seed, other words and questions")] = 0,
    generator: Annotated[str, typer.Option(help="template or openai")] = "template",
    jobs: Annotated[int, typer.Option(min=0, help="processes (template); 0: a core each")] = 0,
    endpoint: Annotated[
        str, typer.Option(help="http://HOST:PORT/v1", rich_help_panel=_LLM)
    ] = "http://127.0.0.1:8000/v1",
    model: Annotated[str, typer.Option(help="as the server names it", rich_help_panel=_LLM)] = "",
    temperature: Annotated[float, typer.Option(min=0, rich_help_panel=_LLM)] = 0.7,
    max_tokens: Annotated[int, typer.Option(min=1, help="of a row", rich_help_panel=_LLM)] = 1024,
    concurrency: Annotated[
        int, typer.Option(min=1, help="requests under way at once", rich_help_panel=_LLM)
    ] = 8,
    timeout: Annotated[
        float, typer.Option(help="seconds without a byte", rich_help_panel=_LLM)
    ] = 120.0,
    attempts: Annotated[int, typer.Option(min=1, help="of a request", rich_help_panel=_LLM)] = 5,
    key_file: Annotated[
        Path | None, typer.Option(help="file with the API key", rich_help_panel=_LLM)
    ] = None,
    key_variable: Annotated[
        str, typer.Option(help="environment variable with the API key", rich_help_panel=_LLM)
    ] = "",
    cache: Annotated[
        Path | None,
        typer.Option(help="answers so far (.sqlite); OUT.answers.sqlite", rich_help_panel=_LLM),
    ] = None,
    max_requests: Annotated[
        int | None, typer.Option(min=0, help="cap, earlier runs included", rich_help_panel=_LLM)
    ] = None,
    max_total_tokens: Annotated[
        int | None, typer.Option(min=0, help="cap, earlier runs included", rich_help_panel=_LLM)
    ] = None,
    max_cost: Annotated[
        float | None, typer.Option(min=0, help="cap, in the prices' unit", rich_help_panel=_LLM)
    ] = None,
    price_read: Annotated[
        float, typer.Option(help="of a million tokens read", rich_help_panel=_LLM)
    ] = 0.0,
    price_written: Annotated[
        float, typer.Option(help="of a million tokens written", rich_help_panel=_LLM)
    ] = 0.0,
) -> None:
    """Write descriptions (desc), questions (qa) and view changes (conv) about measured images.

    What gives no row goes to OUT.rejected.jsonl with its reason. Killed, or stopped by a budget,
    and started again with the same options it goes on where it was.
    """
    from spacesgg_ros.extras import MissingExtraError

    from .endpoint import Budget, EndpointConfig, read_key
    from .formats import WriteConfig
    from .template import TemplateGenerator

    if generator not in _GENERATORS:
        raise InputError(f"--generator is {' or '.join(_GENERATORS)}; got {generator!r}")
    if out.suffix not in (".jsonl", _PARQUET):
        raise InputError(f"--out ends in .jsonl or .parquet; got {out}")
    _check_set(measured, out)
    writer: TextGenerator = TemplateGenerator()
    server = None
    try:
        config = WriteConfig(
            seed=seed,
            formats=tuple(name.strip() for name in formats.split(",") if name.strip()),
            turns=turns,
            images=_image_folder(measured, root or measured.parent, out),
        )
        if generator == "openai":
            budget = Budget(max_requests, max_total_tokens, max_cost, price_read, price_written)
            server = EndpointConfig(
                url=endpoint,
                model=model,
                temperature=temperature,
                max_tokens=max_tokens,
                concurrency=concurrency,
                timeout_s=timeout,
                attempts=attempts,
                cache=cache or out.with_name(f"{out.stem}.answers.sqlite"),
                budget=budget,
                key_file=key_file,
                key_variable=key_variable,
            )
            read_key(server)
            from .openai_generator import OpenAIGenerator

            writer = OpenAIGenerator(server)
    except MissingExtraError:
        raise
    except ValueError as error:
        raise InputError(str(error)) from error
    settings: dict[str, Any] = {"write": asdict(config), "generator": generator}
    if server is not None:
        # What only decides how fast or how much may differ when a run goes on.
        settings |= {"model": model, "temperature": temperature, "max_tokens": max_tokens}
        jobs = 1  # its requests run side by side
    _run(measured, out, config, writer, settings, jobs)
    if server is not None:
        _tell_spent(server)


def _check_set(measured: Path, out: Path) -> None:
    if not measured.is_file():
        raise InputError(f"no measured set {measured}: make one with `spacesgg data measure`")
    if out.resolve() == measured.resolve():
        raise InputError(f"--out {out} is the set itself; name another file")


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
    if out.suffix == _PARQUET:
        _write_parquet(work / "rows.jsonl", out)
    else:
        (work / "rows.jsonl").replace(out)
    (work / "rejected.jsonl").replace(rejected)
    shutil.rmtree(work)
    output.print(tasks_table(outcome))
    if outcome.rejected:
        output.print(rejected_table(outcome.rejected))
    output.print(
        f"{outcome.rows} rows of {outcome.records} images: {out}"
        + (f"; what is missing: {rejected}" if outcome.rejected else ""),
        highlight=False,
        soft_wrap=True,
    )
    if not outcome.rows:
        raise InputError(f"no image of {measured} gave a row; {rejected} says why")


def _write_parquet(rows: Path, out: Path) -> None:
    from spacesgg_ros.training.data.rows import read_rows
    from spacesgg_ros.training.data.running.parts import encode_rows, write_whole

    write_whole(out, encode_rows([row.to_dict() for row in read_rows(rows)], "parquet"))


def _tell_spent(server: EndpointConfig) -> None:
    from .answer_cache import AnswerCache

    cache = AnswerCache(server.cache)
    spent = cache.spent()
    cache.close()
    cost = spent.cost(server.budget)
    output.print(
        f"{spent.requests} requests so far, {spent.read:,} tokens read, {spent.written:,} written"
        + (f", cost {cost:.4f}" if cost else "")
        + f": {server.cache}",
        highlight=False,
        soft_wrap=True,
    )
