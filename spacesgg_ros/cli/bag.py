"""``spacesgg bag``: recordings for the demo."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from spacesgg_ros.cli.console import InputError, messages, output
from spacesgg_ros.demo import DemoError

app = typer.Typer(no_args_is_help=True, help="Make and look into RGB-D recordings.")


@app.command("from-images")
def from_images(
    rgb: Annotated[Path, typer.Argument(help="Colour picture: JPEG, PNG, ...")],
    depth: Annotated[
        Path,
        typer.Argument(
            help="Depth of the same pixels: 16-bit PNG in millimetres, or .npy in "
            "metres (NaN or 0: no reading)."
        ),
    ],
    intrinsics: Annotated[str, typer.Option(help="fx,fy,cx,cy in pixels.")],
    out: Annotated[Path, typer.Option(help="The .mcap file to write.")],
    frames: Annotated[int, typer.Option(min=1, help="How often the picture is recorded.")] = 30,
    rate: Annotated[float, typer.Option(min=0.1, max=240.0, help="Frames a second.")] = 15.0,
    frame_id: Annotated[str, typer.Option(help="TF name of the camera.")] = "camera_optical_frame",
) -> None:
    """Make a recording from one colour picture and its depth: a still camera.

    The demo then runs on it: spacesgg demo --bag FILE
    """
    from spacesgg_ros.demo.still_camera import read_still, record_still

    try:
        still = read_still(rgb, depth, intrinsics)
        record_still(out, still, frames=frames, rate_hz=rate, frame_id=frame_id)
    except (DemoError, OSError) as error:
        raise InputError(str(error)) from error
    messages.print(f"Wrote {out}: {frames} frames at {rate:g} Hz.", highlight=False)


@app.command("info")
def info(bag: Annotated[Path, typer.Argument(help="Recording to look into.")]) -> None:
    """List a recording's topics and those that the demo would play."""
    from spacesgg_ros.demo.recording import Recording

    try:
        with Recording(bag) as recording:
            for name, kind in sorted(recording.available.items()):
                output.print(f"{name}  [dim]{kind}[/]", highlight=False, soft_wrap=True)
            for role, name in vars(recording.topics).items():
                output.print(f"[dim]{role}:[/] {name or 'none'}", highlight=False, soft_wrap=True)
            output.print(f"{recording.image_count} images", highlight=False)
    except DemoError as error:
        raise InputError(str(error)) from error
