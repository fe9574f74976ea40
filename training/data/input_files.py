"""Files that a command line names, looked at before anything is read: callbacks of its options."""

from __future__ import annotations

from pathlib import Path

import typer

from spacesgg_ros.cli.console import InputError

Paths = Path | list[Path] | None


def check_input(context: typer.Context, option: typer.CallbackParam, value: Paths) -> Paths:
    """Refuse a file to read that is not there, is a folder, or is empty.

    Raises:
        InputError: names the option and the file.
    """
    if not context.resilient_parsing:
        for path in value if isinstance(value, list) else filter(None, [value]):
            _check_file(path, option.opts[0])
    return value


def check_source(context: typer.Context, option: typer.CallbackParam, value: Paths) -> Paths:
    """:func:`check_input` where a folder is good, too.

    Raises:
        InputError: names the option and what is not there or empty.
    """
    if isinstance(value, Path) and not context.resilient_parsing and not value.is_dir():
        _check_file(value, option.opts[0], "file or folder")
    return value


def check_folder(context: typer.Context, option: typer.CallbackParam, value: Paths) -> Paths:
    """Refuse a folder to read from that is none.

    Raises:
        InputError: names the option and the folder.
    """
    if isinstance(value, Path) and not context.resilient_parsing and not value.is_dir():
        if value.exists():
            raise InputError(f"{option.opts[0]}: {value} is a file; name a folder")
        raise InputError(_tell_missing(value, option.opts[0], "folder"))
    return value


def check_output(context: typer.Context, option: typer.CallbackParam, value: Paths) -> Paths:
    """Refuse a folder to write that is, or would lie in, a file.

    Raises:
        InputError: names the option and the file.
    """
    if isinstance(value, Path) and not context.resilient_parsing:
        there = next((p for p in (value, *value.parents) if p.exists()), None)
        if there is not None and not there.is_dir():
            raise InputError(f"{option.opts[0]} {value}: {there} is a file; name a folder")
    return value


def _tell_missing(path: Path, name: str, what: str) -> str:
    place = "" if path.is_absolute() else f" in {Path.cwd()}"
    return f"{name}: there is no {what} {path}{place}; check its name"


def _check_file(path: Path, name: str, what: str = "file") -> None:
    if path.is_dir():
        raise InputError(f"{name}: {path} is a folder; name a file in it")
    if not path.exists():
        raise InputError(_tell_missing(path, name, what))
    if path.is_file() and not path.stat().st_size:
        raise InputError(f"{name}: {path} is empty; was it written to the end?")
