"""Options that were given although they mean nothing beside the others: refused, not ignored."""

from __future__ import annotations

from collections.abc import Sequence

import typer

from spacesgg_ros.cli.console import InputError


def refuse_given(context: typer.Context, names: Sequence[str], why: str) -> None:
    """Refuse options that were given on the command line.

    Args:
        names: of the command's parameters.
        why: they mean nothing here, and what to do; follows the options' names.

    Raises:
        InputError: one was given; a default or an environment variable is none.
    """
    given = []
    for name in names:
        source = context.get_parameter_source(name)
        if source is not None and source.name == "COMMANDLINE":
            given.append(next(p.opts[0] for p in context.command.params if p.name == name))
    if given:
        raise InputError(f"{', '.join(given)}: {why}")
