"""``spacesgg data validate``: which rows enter a training set."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from spacesgg_ros.cli.console import InputError, output

from ..input_files import check_input, check_output


def register(data: typer.Typer) -> None:
    """Add the subcommand to ``spacesgg data``."""
    data.command("validate")(validate)


def validate(
    rows: Annotated[Path, typer.Argument(callback=check_input, help="Rows (.jsonl).")],
    against: Annotated[
        Path,
        typer.Option(callback=check_input, help="Measured set that they were made from (.jsonl)."),
    ],
    out: Annotated[
        Path,
        typer.Option(
            callback=check_output, help="Folder for good.jsonl, rejected.jsonl, counts.json."
        ),
    ],
    strict: Annotated[
        bool, typer.Option(help="Reject what the input neither proves nor refutes, too.")
    ] = True,
) -> None:
    """Check rows against the geometry: tags, boxes, claims, layers, answers, form, duplicates.

    Rejected rows are kept aside with every reason against them.
    """
    from spacesgg_ros.training.data.grounded import GroundedError
    from spacesgg_ros.training.data.rejected import rejected_table

    from .config import ValidationConfig
    from .files import GOOD, REJECTED, validate_file

    if (out / GOOD).resolve() == rows.resolve():
        raise InputError(f"{rows} would be overwritten; name another folder than {out}")
    try:
        report = validate_file(rows, against, out, ValidationConfig(strict=strict))
    except (GroundedError, OSError) as error:
        raise InputError(f"cannot validate {rows}: {error}") from error
    summary = report.to_dict()
    if not summary["rows"] or not report.images:
        empty, what = (against, "grounded image") if summary["rows"] else (rows, "row")
        raise InputError(
            f"{empty} holds no {what}: each line is one, as JSON; see {out / REJECTED}"
        )
    table = Table("task", title="rows")
    for name in ("rows", "good", "rejected"):
        table.add_column(name, justify="right")
    for task, counts in summary["by_task"].items():
        numbers = (counts["rows"], counts["good"], counts["rows"] - counts["good"])
        table.add_row(task or "(none)", *(f"{n:,}" for n in numbers))
    output.print(table)
    if report.reasons:
        output.print(rejected_table(report.reasons, title="rejected"))
    if not summary["good"]:
        raise InputError(
            f"none of {summary['rows']} rows of {rows} is good; is {against} the set they were "
            "made from, and measured (`spacesgg data measure`)?"
        )
    output.print(
        f"{summary['good']} of {summary['rows']} rows are good: {out / GOOD}"
        + (f"; what was rejected: {out / REJECTED}" if report.reasons else ""),
        highlight=False,
        soft_wrap=True,
    )
