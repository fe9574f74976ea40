"""``spacesgg export``: a LLaVA folder to ONNX."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from spacesgg_ros.cli.console import messages, output


class Precision(str, Enum):
    """Precisions of an export."""

    FP32 = "fp32"
    FP16 = "fp16"
    INT8 = "int8"


def register(app: typer.Typer) -> None:
    """Add ``export``."""
    app.command("export")(export)


def export(
    model: Annotated[str, typer.Argument(help="Model folder, hub id, or 'embedded'.")],
    precision: Annotated[
        list[Precision] | None,
        typer.Option(help="May be given several times. Default: fp32 and int8."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Where to write. Default: onnx/ in the model folder.")
    ] = None,
) -> None:
    """Write a model's ONNX files and compare them with torch.

    fp32 is always written: the other precisions are made from it. Use fp16 for a GPU.
    """
    from spacesgg_ros.vlm.export import export_model

    chosen = [item.value for item in precision] if precision else ["fp32", "int8"]
    with messages.status("starting") as status:
        manifest = export_model(model, chosen, out, report=status.update)
    table = Table(title="Difference from torch fp32")
    for heading in ("precision", "stage", "largest", "relative", "cosine"):
        table.add_column(heading, justify="left" if heading in ("precision", "stage") else "right")
    for name, found in manifest.differences.items():
        for stage in dict.fromkeys(key.split()[0] for key in found):
            table.add_row(
                name,
                stage,
                f"{found[f'{stage} max']:.2e}",
                f"{found[f'{stage} relative']:.2e}",
                f"{found[f'{stage} cosine']:.6f}",
            )
    output.print(table)
    for file in manifest.files:
        output.print(file, highlight=False)
