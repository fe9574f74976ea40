"""The options of a language model: one definition for every command that asks one."""

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

_PANEL = "Language model (openai)"


class GeneratorName(str, enum.Enum):
    """Who writes Desc, QA and Conv."""

    TEMPLATE = "template"
    OPENAI = "openai"


def _option(said: str = "", **more: Any) -> Any:
    return typer.Option(help=said, rich_help_panel=_PANEL, **more)


@dataclass(frozen=True)
class ServerOptions:
    """Which language model is asked, how, and how much: the options of a command that asks one."""

    endpoint: Annotated[str, _option("http://HOST:PORT/v1")] = "http://127.0.0.1:8000/v1"
    model: Annotated[str, _option("as the server names it")] = ""
    temperature: Annotated[float, _option(min=0)] = 0.7
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


@dataclass(frozen=True)
class WriterOptions(ServerOptions):
    """Who writes rows: the templates, or a language model."""

    max_tokens: Annotated[int, _option("of a row", min=1)] = 1024
    generator: Annotated[GeneratorName, typer.Option(help="who writes desc, qa and conv")] = (
        GeneratorName.TEMPLATE
    )


def _names(options: type[ServerOptions]) -> tuple[str, ...]:
    return tuple(f.name for f in fields(options) if f.name != "generator")


SERVER_OPTIONS = _names(ServerOptions)
MODEL_OPTIONS = _names(WriterOptions)
"""Those that mean nothing where no language model is asked."""


def add_options(command: Callable[..., None]) -> Callable[..., None]:
    """A command whose argument of type :class:`ServerOptions` (or :class:`WriterOptions`) is made
    of the options that the class lists."""
    signature = inspect.signature(command, eval_str=True)
    own = list(signature.parameters.values())
    (argument,) = (p for p in own if p.annotation in (ServerOptions, WriterOptions))
    hints = get_type_hints(argument.annotation, include_extras=True)
    options = [
        inspect.Parameter(
            f.name, inspect.Parameter.KEYWORD_ONLY, default=f.default, annotation=hints[f.name]
        )
        for f in fields(argument.annotation)
    ]

    @functools.wraps(command)
    def run(**values: Any) -> None:
        chosen = {option.name: values.pop(option.name) for option in options}
        command(**values, **{argument.name: argument.annotation(**chosen)})

    own.remove(argument)
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
    return make_endpoint(writer, "--generator openai", cache, writer.max_tokens)


def make_endpoint(
    options: ServerOptions, asked_by: str, cache: Path, max_tokens: int
) -> EndpointConfig:
    """The server that the options name.

    Args:
        asked_by: the option that asks for a language model.
        cache: the file of answers where none is named.
        max_tokens: of an answer.

    Raises:
        InputError: a server that cannot be asked.
    """
    if not options.model:
        raise InputError(
            f"{asked_by} needs --model NAME as the server names it; "
            f"{options.endpoint.rstrip('/')}/models lists what it has"
        )
    try:
        server = EndpointConfig(
            url=options.endpoint,
            model=options.model,
            temperature=options.temperature,
            max_tokens=max_tokens,
            concurrency=options.concurrency,
            timeout_s=options.timeout,
            attempts=options.attempts,
            # Absolute: on a cluster a worker has another working folder.
            cache=(options.cache or cache).resolve(),
            budget=Budget(
                options.max_requests,
                options.max_total_tokens,
                options.max_cost,
                options.price_read,
                options.price_written,
            ),
            key_file=options.key_file and options.key_file.resolve(),
            key_variable=options.key_variable,
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
