"""``spacesgg bench``: measure, against a baseline taken in the same run, and compare with a bar."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from spacesgg_ros.cli.console import ExitCode, InputError, messages, output


def bench(
    name: Annotated[str | None, typer.Argument(help="Which one; see --list.")] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object instead of a table.")
    ] = False,
    quick: Annotated[
        bool, typer.Option("--quick", help="A few images or seconds: shows that it runs.")
    ] = False,
    show_list: Annotated[bool, typer.Option("--list", help="List the benchmarks.")] = False,
    out: Annotated[
        Path | None, typer.Option(help="Also write the JSON here, e.g. bench/results/NAME.json.")
    ] = None,
) -> None:
    """Run a benchmark and compare it with its bar.

    Exit status 1: it ran and missed the bar. A quick run has no bar to miss.
    """
    try:
        from spacesgg_ros.bench.registry import BENCHMARKS, load_benchmark
        from spacesgg_ros.bench.result import BenchError
    except ImportError as error:
        raise InputError(f"this installation has no benchmarks: {error}") from error
    if show_list:
        for known, what in BENCHMARKS.items():
            output.print(f"[bold]{known:<16}[/]{what}", highlight=False, soft_wrap=True)
        return
    if name is None:
        raise typer.BadParameter(f"name a benchmark: {', '.join(BENCHMARKS)}")
    if name not in BENCHMARKS:
        raise typer.BadParameter(f"{name!r}: there are {', '.join(BENCHMARKS)}")
    try:
        with messages.status(f"{name}: {BENCHMARKS[name]}"):
            result = load_benchmark(name)(quick)
    except BenchError as error:
        raise InputError(f"{name}: {error}") from error
    report = result.to_dict()
    text = json.dumps(report, indent=2)
    if out is not None:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(text + "\n")
    if as_json:
        print(text)
    else:
        _show(report)
    if not result.passed and not quick:
        raise typer.Exit(ExitCode.FAILED)


def _show(report: dict) -> None:
    table = Table(title=report["name"], title_justify="left", show_header=False)
    for part in ("measured", "baseline"):
        for key, value in report[part].items():
            table.add_row(f"[dim]{part}[/] {key}", escape(str(value)))
    if report["ratio"] is not None:
        table.add_row("ratio", str(report["ratio"]))
    verdict = "[green]held[/]" if report["pass"] else "[red]missed[/]"
    table.add_row("bar", f"{escape(report['bar'])}: {verdict}")
    machine = report["machine"]
    table.add_row("machine", f"{machine['cpu']}, {machine['cores']} cores, {machine['os']}")
    output.print(table)
