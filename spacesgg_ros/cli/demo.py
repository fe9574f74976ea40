"""``spacesgg demo``: a recorded camera, the node and the live graph, in one command."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from spacesgg_ros.cli.console import ExitCode, InputError, messages, output
from spacesgg_ros.demo import DemoError
from spacesgg_ros.resources import resource
from spacesgg_ros.viewer.state import Question

DEMO_BAG = "examples/demo_rgbd.mcap"
_VIEWPOINTS = ("camera", "left", "right", "back")


def demo(
    bag: Annotated[
        Path | None,
        typer.Option(
            help="Recording to play: .mcap, .db3, .bag or a folder. Default: the one "
            "that ships with the package."
        ),
    ] = None,
    image_topic: Annotated[
        str | None,
        typer.Option(help="Colour topic in the bag. Default: found by type and name."),
    ] = None,
    depth_topic: Annotated[
        str | None, typer.Option(help="Depth topic, aligned with colour.")
    ] = None,
    camera_info_topic: Annotated[
        str | None, typer.Option(help="CameraInfo topic of the colour camera.")
    ] = None,
    model: Annotated[
        str, typer.Option(help="'embedded', a model folder, or a Hugging Face id in the cache.")
    ] = "embedded",
    headless: Annotated[
        bool,
        typer.Option("--headless", help="No live view; the last line is a JSON summary."),
    ] = False,
    seconds: Annotated[
        float | None,
        typer.Option(min=0.0, help="End so long after the model's first look. Default: Ctrl-C."),
    ] = None,
    query: Annotated[
        str | None,
        typer.Option(
            help="Question for the node: 'subject,relation,object[,viewpoint]'; leave "
            "one empty for any, e.g. 'mug,,plate'. Default: chosen from the graph."
        ),
    ] = None,
    rate: Annotated[float, typer.Option(min=0.05, max=20.0, help="Playback speed.")] = 1.0,
    loop: Annotated[bool, typer.Option(help="Play back and forth without end, or once.")] = True,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port of the page; 0: any.")] = 8000,
    no_web: Annotated[bool, typer.Option("--no-web", help="Serve no page.")] = False,
    domain: Annotated[
        int | None,
        typer.Option(
            min=0,
            max=232,
            help="ROS_DOMAIN_ID. Default: a random one, so that no robot is disturbed.",
        ),
    ] = None,
    everywhere: Annotated[
        bool,
        typer.Option("--everywhere", help="Be found by other machines too, not this one only."),
    ] = False,
    start_timeout: Annotated[
        float, typer.Option(min=1.0, help="Give up when no image was read after so many seconds.")
    ] = 120.0,
) -> None:
    """Play a recorded RGB-D camera through the node and show the live scene graph.

    With --headless the last line is a JSON summary.

    Exit status 1: the node failed or its model read no image.
    """
    question = _question(query)
    from spacesgg_ros.demo.recording import Recording
    from spacesgg_ros.demo.session import DemoOptions, DemoSession

    topics = {"image": image_topic, "depth": depth_topic, "camera_info": camera_info_topic}
    try:
        path = resource(DEMO_BAG) if bag is None else bag
        with Recording(path, **topics):
            pass
    except (DemoError, FileNotFoundError) as error:
        raise InputError(str(error)) from error
    options = DemoOptions(
        bag=path,
        topics=topics,
        model=model,
        rate=rate,
        loop=loop,
        seconds=seconds,
        headless=headless,
        port=None if no_web else port,
        query=question,
        domain=domain,
        local_only=not everywhere,
        start_timeout_s=start_timeout,
    )
    try:
        summary = DemoSession(options, output).run()
    except DemoError as error:
        messages.print(f"demo: {error}", style="red", markup=False, highlight=False, soft_wrap=True)
        if headless:
            print(json.dumps({"ok": False, "problem": str(error)}), flush=True)
        raise typer.Exit(ExitCode.FAILED) from error
    if headless:
        print(json.dumps(summary.to_dict()), flush=True)
    else:
        age = summary.age_ms
        output.print(
            f"{summary.graphs_out} graphs of {summary.frames_in} images, {summary.rate_hz} Hz, age "
            f"{age['p50']} ms (p95 {age['p95']}), {summary.model_keyframes} keyframes read.",
            soft_wrap=True,
        )
    if not summary.ok:
        raise typer.Exit(ExitCode.FAILED)


def _question(text: str | None) -> Question | None:
    """Raises typer.BadParameter (exit status 2) for anything but three or four parts."""
    if text is None:
        return None
    parts = [part.strip() for part in text.split(",")]
    known_view = len(parts) == 3 or (len(parts) == 4 and parts[3] in _VIEWPOINTS)
    if not known_view:
        raise typer.BadParameter(
            f"--query {text!r}: expected 'subject,relation,object' or with a fourth part: "
            f"{', '.join(_VIEWPOINTS)}"
        )
    return Question(*parts)
