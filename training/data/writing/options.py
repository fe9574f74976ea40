"""The options of who writes desc, qa and conv: one definition for every command that has them."""

from __future__ import annotations

import enum
import functools
import inspect
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated, Any, get_type_hints

import typer

from spacesgg_ros.cli.console import InputError, output
from spacesgg_ros.training.data.given_options import refuse_given

from .answer_cache import AnswerCache
from .endpoint import Budget, EndpointConfig, read_key

ANSWERS = "answers.sqlite"
"""How a file of answers is called, after the name of what they are for."""

_ARGUMENT = "writer"


class GeneratorName(str, enum.Enum):
    """Who writes Desc, QA and Conv."""

    TEMPLATE = "template"
    OPENAI = "openai"


def _option(said: str = "", **more: Any) -> Any:
    return typer.Option(help=said, rich_help_panel="Language model (--generator openai)", **more)


@dataclass(frozen=True)
class WriterOptions:
    """What a command with :func:`add_writer_options` is given as ``writer``."""

    generator: Annotated[GeneratorName, typer.Option(help="who writes desc, qa and conv")] = (
        GeneratorName.TEMPLATE
    )
    endpoint: Annotated[str, _option("http://HOST:PORT/v1")] = "http://127.0.0.1:8000/v1"
    model: Annotated[str, _option("as the server names it")] = ""
    temperature: Annotated[float, _option(min=0)] = 0.7
    max_tokens: Annotated[int, _option("of a row", min=1)] = 1024
    concurrency: Annotated[int, _option("requests under way at once", min=1)] = 8
    timeout: Annotated[float, _option("seconds without a byte")] = 120.0
    attempts: Annotated[int, _option("of a request", min=1)] = 5
    key_file: Annotated[Path | None, _option("file with the API key")] = None
    key_variable: Annotated[str, _option("environment variable with the API key")] = ""
    cache: Annotated[Path | None, _option(f"answers so far; beside or in OUT: {ANSWERS}")] = None
    max_requests: Annotated[int | None, _option("cap, earlier runs included", min=0)] = None
    max_total_tokens: Annotated[int | None, _option("cap, earlier runs included", min=0)] = None
    max_cost: Annotated[float | None, _option("cap, in the prices' unit", min=0)] = None
    price_read: Annotated[float, _option("of a million tokens read", min=0)] = 0.0
    price_written: Annotated[float, _option("of a million tokens written", min=0)] = 0.0


MODEL_OPTIONS = tuple(f.name for f in fields(WriterOptions) if f.name != "generator")
"""Those that mean nothing where no language model writes."""


def add_writer_options(command: Callable[..., None]) -> Callable[..., None]:
    """A command whose argument ``writer`` is made of the options of :class:`WriterOptions`."""
    hints = get_type_hints(WriterOptions, include_extras=True)
    options = [
        inspect.Parameter(
            f.name, inspect.Parameter.KEYWORD_ONLY, default=f.default, annotation=hints[f.name]
        )
        for f in fields(WriterOptions)
    ]

    @functools.wraps(command)
    def run(**values: Any) -> None:
        chosen = {option.name: values.pop(option.name) for option in options}
        command(**values, **{_ARGUMENT: WriterOptions(**chosen)})

    signature = inspect.signature(command, eval_str=True)
    own = [p for p in signature.parameters.values() if p.name != _ARGUMENT]
    shown = [p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in own] + options
    # What Typer reads of a command.
    run.__signature__ = signature.replace(parameters=shown)  # type: ignore[attr-defined]
    run.__annotations__ = {p.name: p.annotation for p in shown}
    return run


def read_endpoint(
    context: typer.Context, writer: WriterOptions, cache: Path
) -> EndpointConfig | None:
    """The server that writes, or None where the templates do.

    Args:
        cache: the file of answers where none is named.

    Raises:
        InputError: an option for a server where none writes, or a server that cannot be asked.
    """
    if writer.generator is GeneratorName.TEMPLATE:
        refuse_given(
            context,
            MODEL_OPTIONS,
            "for a language model, and the template generator asks none; add --generator openai",
        )
        return None
    if not writer.model:
        raise InputError(
            f"--generator openai needs --model NAME as the server names it; "
            f"{writer.endpoint.rstrip('/')}/models lists what it has"
        )
    try:
        server = EndpointConfig(
            url=writer.endpoint,
            model=writer.model,
            temperature=writer.temperature,
            max_tokens=writer.max_tokens,
            concurrency=writer.concurrency,
            timeout_s=writer.timeout,
            attempts=writer.attempts,
            # Absolute: on a cluster a worker has another working folder.
            cache=(writer.cache or cache).resolve(),
            budget=Budget(
                writer.max_requests,
                writer.max_total_tokens,
                writer.max_cost,
                writer.price_read,
                writer.price_written,
            ),
            key_file=writer.key_file and writer.key_file.resolve(),
            key_variable=writer.key_variable,
        )
        read_key(server)
    except ValueError as error:
        raise InputError(str(error)) from error
    return server


def text_settings(server: EndpointConfig | None) -> dict[str, Any]:
    """What the texts depend on, for a run's manifest; how fast and how much is not in it."""
    if server is None:
        return {"name": GeneratorName.TEMPLATE.value}
    return {
        "name": GeneratorName.OPENAI.value,
        "model": server.model,
        "temperature": server.temperature,
        "max_tokens": server.max_tokens,
    }


def tell_spent(server: EndpointConfig) -> None:
    """Say what all runs that share the server's cache have used."""
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
