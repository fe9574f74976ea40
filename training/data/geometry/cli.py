"""``spacesgg data measure`` and ``spacesgg data points``: depth to layers, orders and clouds."""

from __future__ import annotations

import functools
import shutil
from collections import Counter
from pathlib import Path
from typing import Annotated

import typer

from spacesgg_ros.cli.console import InputError, messages, output
from spacesgg_ros.training.data.given_options import refuse_given
from spacesgg_ros.training.data.input_files import check_folder, check_input

_FORMATS = ("ply", "npz")
_FRAMES = ("camera", "world")
_CHUNK = 50
_ESTIMATE_BATCH = 8


def register(data: typer.Typer) -> None:
    """Add the subcommands to ``spacesgg data``."""
    data.command("measure")(measure)
    data.command("points")(points)


def measure(
    context: typer.Context,
    grounded: Annotated[Path, typer.Argument(callback=check_input, help="Grounded set (.jsonl).")],
    out: Annotated[Path, typer.Option(help="Measured set to write (.jsonl).")],
    root: Annotated[
        Path | None,
        typer.Option(callback=check_folder, help="Folder that paths in SET start from; SET's own."),
    ] = None,
    estimator: Annotated[
        str,
        typer.Option(help="For images without depth: model folder, cached hub id, or 'stub'."),
    ] = "",
    depth_kind: Annotated[
        str, typer.Option(help="Of the estimator, if its folder does not tell: metric, inverse.")
    ] = "",
    device: Annotated[str, typer.Option(help="The estimator's: cpu, cuda, ...")] = "cpu",
    jobs: Annotated[int, typer.Option(min=0, help="Processes; 0: a core each.")] = 0,
) -> None:
    """Measure objects of a set by depth: intervals, layers near to far, orders in four views.

    What cannot be measured goes to OUT.rejected.jsonl with its reason. Killed and started again
    with the same options it goes on where it was.
    """
    from spacesgg_ros.training.data.rejected import rejected_table
    from spacesgg_ros.training.data.running.chunks import JsonlSource
    from spacesgg_ros.training.data.running.pipeline import Pipeline, RunConfig, RunError, Stage
    from spacesgg_ros.training.data.running.run import run_pipeline

    from .estimator import make_estimate_stage
    from .measure import MeasureStage

    base = (root or grounded.parent).resolve()
    if out.resolve() == grounded.resolve():
        raise InputError(f"--out {out} is the set itself; name another file")
    if not estimator:
        refuse_given(context, ("depth_kind", "device"), "of the estimator; name one by --estimator")
    stages = []
    if estimator:
        options = (estimator, depth_kind or None, device)
        check_estimator(*options)
        make = functools.partial(make_estimate_stage, base, f"{out.stem}.depth", *options)
        stages.append(Stage("estimate", make, _ESTIMATE_BATCH))
    stages.append(Stage("measure", functools.partial(MeasureStage, base)))
    settings = {"root": str(base), "estimator": estimator, "kind": depth_kind}
    work = out.with_name(f".{out.name}.run")
    work.parent.mkdir(parents=True, exist_ok=True)
    try:
        outcome = run_pipeline(
            Pipeline(tuple(stages), settings),
            JsonlSource(grounded),
            RunConfig(work, chunk=_CHUNK, jobs=jobs or None),
            console=messages,
        )
    except RunError as error:
        raise InputError(str(error)) from error
    rejected = out.with_name(f"{out.stem}.rejected.jsonl")
    (work / "rejected.jsonl").replace(rejected)
    if outcome.rows:
        (work / "rows.jsonl").replace(out)
    shutil.rmtree(work)
    if outcome.rejected:
        output.print(rejected_table(outcome.rejected))
    if not outcome.rows:
        raise InputError(
            f"no image of {grounded} could be measured, so {out} is not written; see {rejected}"
        )
    output.print(
        f"{outcome.rows} of {outcome.records} images measured: {out}"
        + (f"; {outcome.records - outcome.rows} in {rejected}" if outcome.rejected else ""),
        highlight=False,
        soft_wrap=True,
    )


def points(
    grounded: Annotated[Path, typer.Argument(callback=check_input, help="Grounded set (.jsonl).")],
    out: Annotated[Path, typer.Option(help="Folder for a cloud an image.")],
    root: Annotated[
        Path | None,
        typer.Option(callback=check_folder, help="Folder that paths in SET start from; SET's own."),
    ] = None,
    file_format: Annotated[
        str, typer.Option("--format", help="ply (binary, little endian) or npz.")
    ] = "ply",
    frame: Annotated[str, typer.Option(help="camera (optical) or world.")] = "camera",
    structured: Annotated[
        bool, typer.Option("--structured", help="Keep the image's grid, NaN where nothing is.")
    ] = False,
) -> None:
    """Write the coloured point cloud of every image; needs depth.

    Images without it are listed and counted in OUT/rejected.jsonl. Without intrinsics a camera is
    assumed, and said to be.
    """
    from spacesgg_ros.training.data.rejected import (
        Rejected,
        count_reasons,
        rejected_table,
        write_rejected,
    )
    from spacesgg_ros.training.data.sources.files import FileError, read_grounded

    from .errors import GeometryError
    from .estimator import safe_name
    from .points import ASSUMED_FOV_DEG, make_cloud, write_npz, write_ply

    for value, allowed, name in ((file_format, _FORMATS, "format"), (frame, _FRAMES, "frame")):
        if value not in allowed:
            raise InputError(f"--{name} is {' or '.join(allowed)}; got {value!r}")
    base = (root or grounded.parent).resolve()
    out.mkdir(parents=True, exist_ok=True)
    write = write_ply if file_format == "ply" else write_npz
    totals: Counter[str] = Counter()
    bad: list[Rejected] = []
    with messages.status("writing clouds"):
        for image in read_grounded(grounded):
            if isinstance(image, Rejected):
                bad.append(image)
                continue
            try:
                cloud = make_cloud(image, base, frame == "world")
            except (GeometryError, FileError) as error:
                known = isinstance(error, GeometryError)
                reason = error.reason if known else "no usable picture"
                bad.append(Rejected(image.id, "points", reason, str(error)))
                continue
            path = out / f"{safe_name(image.id)}.{file_format}"
            totals["points"] += write(path, cloud if structured else cloud.readings())
            totals["clouds"] += 1
            totals["assumed"] += image.camera is None
    write_rejected(out / "rejected.jsonl", bad)
    if bad:
        output.print(rejected_table(count_reasons(bad)))
    if totals["assumed"]:
        messages.print(
            f"[yellow]no intrinsics:[/] {totals['assumed']} clouds are of a camera that is assumed "
            f"{ASSUMED_FOV_DEG:g} degrees wide",
            highlight=False,
        )
    output.print(
        f"{totals['clouds']} clouds, {totals['points']:,} points: {out}; {len(bad)} images without",
        highlight=False,
        soft_wrap=True,
    )
    if not totals["clouds"]:
        raise InputError(f"no image of {grounded} gave a cloud; see {out / 'rejected.jsonl'}")


def check_estimator(model: str, kind: str | None = None, device: str = "cpu") -> None:
    """Find a depth model wrong before a run, not in a worker; say so where it is none.

    Raises:
        InputError: it cannot be loaded.
        MissingExtraError: torch or transformers is not installed.
    """
    from .errors import GeometryError
    from .estimator import STUB, load_estimator

    try:
        name = load_estimator(model, kind, device).name
    except GeometryError as error:
        raise InputError(str(error)) from error
    if model == STUB:
        messages.print(f"[yellow]no depth model:[/] {name}", highlight=False)
