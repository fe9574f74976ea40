"""Entry point of ``spacesgg``: gathers the subcommands and turns errors into exit codes."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from types import ModuleType
from typing import Annotated

import typer
from rich.markup import escape

from spacesgg_ros import __version__
from spacesgg_ros.cli.console import ExitCode, InputError, messages
from spacesgg_ros.extras import MissingExtraError

_MODULES = {
    "spacesgg_ros.cli.graph": ("graph",),
    "spacesgg_ros.cli.export": ("export",),
    "spacesgg_ros.cli.demo": ("demo",),
    "spacesgg_ros.cli.bag": ("bag",),
    "spacesgg_ros.cli.bench": ("bench",),
    "spacesgg_ros.training.cli": ("scenes", "data", "train", "merge", "evaluate", "score", "card"),
}
"""Module to the subcommands it brings."""

_EXTRA_OF = {"torch": "train", "transformers": "train", "scipy": "scenes"}
"""Optional packages that training imports by itself, to the extra that brings them."""


def _print_version(asked: bool) -> None:
    if asked:
        typer.echo(__version__)
        raise typer.Exit


def make_app() -> typer.Typer:
    """The command with every subcommand that this installation has.

    A subcommand whose module cannot be imported stays visible and says why when it is run;
    one whose module is not installed at all is left out.
    """
    app = typer.Typer(
        name="spacesgg",
        help="Live 3D scene graphs from an RGB-D camera: run, look at, measure and retrain.",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        epilog="Exit status: 0 done, 1 it ran and fell short, 2 usage, 3 unusable input, 4 model, "
        "5 not installed.",
    )

    @app.callback()
    def read_options(
        version: Annotated[
            bool,
            typer.Option(
                "--version",
                help="Print the version and exit.",
                is_eager=True,
                callback=_print_version,
            ),
        ] = False,
    ) -> None:
        pass

    for module_name, commands in _MODULES.items():
        try:
            module = importlib.import_module(module_name)
        except ImportError as error:
            if not _is_absent(module_name, error):
                for command in commands:
                    _add_broken(app, command, error)
            continue
        _add_module(app, module, commands)
    return app


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line; always ends with ``SystemExit``."""
    try:
        make_app()(args=None if arguments is None else list(arguments))
    except MissingExtraError as error:
        _fail(str(error), ExitCode.NOT_INSTALLED)
    except InputError as error:
        _fail(str(error), ExitCode.BAD_INPUT)
    except (ValueError, RuntimeError) as error:
        # Imported late, as they load numpy and OpenCV; only these two are expected here.
        from spacesgg_ros.graph.types import GraphError
        from spacesgg_ros.vlm.errors import ModelError

        if isinstance(error, GraphError):
            _fail(str(error), ExitCode.BAD_INPUT)
        if isinstance(error, ModelError):
            missing = isinstance(error.__cause__, MissingExtraError)
            _fail(str(error), ExitCode.NOT_INSTALLED if missing else ExitCode.MODEL)
        raise
    except ModuleNotFoundError as error:
        extra = _EXTRA_OF.get((error.name or "").split(".")[0])
        if extra is None:
            raise
        _fail(
            f"{error}; install it with: pip install 'spacesgg_ros[{extra}]'", ExitCode.NOT_INSTALLED
        )


def _fail(message: str, code: ExitCode) -> None:
    messages.print(f"[red]error:[/] {escape(message)}", highlight=False, soft_wrap=True)
    sys.exit(code)


def _is_absent(module_name: str, error: ImportError) -> bool:
    """The module itself or a package around it does not exist, rather than what it imports."""
    return isinstance(error, ModuleNotFoundError) and bool(
        error.name and (module_name == error.name or module_name.startswith(f"{error.name}."))
    )


def _add_module(app: typer.Typer, module: ModuleType, commands: tuple[str, ...]) -> None:
    """By ``register(app)``, a Typer ``app``, or a function named like its subcommand."""
    if hasattr(module, "register"):
        module.register(app)
    elif isinstance(getattr(module, "app", None), typer.Typer):
        app.add_typer(module.app, name=commands[0])
    else:
        for command in commands:
            app.command(command)(getattr(module, command))


def _add_broken(app: typer.Typer, command: str, error: ImportError) -> None:
    @app.command(command, help=f"Not available here: {error}", hidden=False)
    def explain() -> None:
        raise MissingExtraError(f"'spacesgg {command}' is not available: {error}") from error


if __name__ == "__main__":
    main()
