"""``spacesgg graph IMAGE``: the scene graph of one picture, with or without depth."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from spacesgg_ros.cli.console import InputError, messages, output

if TYPE_CHECKING:
    import numpy as np

    from spacesgg_ros.graph import Intrinsics, RGBDFrame, SceneGraph, TextGraph


def register(app: typer.Typer) -> None:
    """Add ``graph``."""
    app.command("graph")(graph)


def graph(
    image: Annotated[Path, typer.Argument(help="PNG or JPEG picture.", show_default=False)],
    depth: Annotated[
        Path | None,
        typer.Option(help="16-bit PNG, or .npy: integers as PNG, floats in metres. 0 = unknown."),
    ] = None,
    depth_scale: Annotated[
        float, typer.Option(help="Integer depth units in a metre.", min=1e-6)
    ] = 1000.0,
    intrinsics: Annotated[
        str | None, typer.Option(help="fx,fy,cx,cy in pixels of the picture; with --depth.")
    ] = None,
    model: Annotated[str, typer.Option(help="Model folder, hub id, or 'embedded'.")] = "embedded",
    adapter: Annotated[
        str, typer.Option(help="peft adapter (folder or hub id) on the model; needs runtime torch.")
    ] = "",
    runtime: Annotated[str, typer.Option(help="onnx or torch.")] = "onnx",
    provider: Annotated[str, typer.Option(help="cpu, cuda or tensorrt.")] = "cpu",
    precision: Annotated[str, typer.Option(help="auto, fp32, fp16 or int8.")] = "auto",
    threads: Annotated[int, typer.Option(help="CPU threads; 0 = physical cores.", min=0)] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    text: Annotated[bool, typer.Option("--text", help="Print what the model wrote.")] = False,
    out: Annotated[Path | None, typer.Option(help="Write an annotated picture here.")] = None,
) -> None:
    """Print the scene graph of a picture; with depth, positions and measured relations too."""
    if (depth is None) != (intrinsics is None):
        raise typer.BadParameter("--depth and --intrinsics belong together: give both or neither")
    rgb = _read_image(image)
    frame = _make_frame(rgb, depth, depth_scale, _parse_intrinsics(intrinsics, rgb))

    from spacesgg_ros.vlm import SceneGraphModel

    with messages.status("loading the model") as status:
        loaded = SceneGraphModel.load(
            model,
            runtime=runtime,
            provider=provider,
            precision=precision,
            threads=threads,
            adapter=adapter,
        )
        status.update("reading the picture")
        written = loaded.write_graph(rgb)
    scene = lift_still(frame, written.graph, loaded.model_id)
    scene = replace(scene, stage_ms={**written.stage_ms, **scene.stage_ms})
    if out is not None:
        _write_image(out, rgb, scene)
    if as_json:
        print(json.dumps(_to_json(scene, written, loaded.runtime_info), indent=2))
        return
    if text:
        print(written.text)
        return
    _print_tables(scene)
    if written.finish_reason == "limit":
        messages.print("The model reached its token limit: the graph may be incomplete.")


def lift_still(frame: RGBDFrame, text_graph: TextGraph, model_id: str) -> SceneGraph:
    """The scene graph of one frame that will have no successor."""
    from spacesgg_ros.graph import LiveSceneGraph

    live = LiveSceneGraph()
    live.update(frame)
    live.add_keyframe(frame.stamp_ns, text_graph, model_id)
    # The tracker publishes with a camera frame: the same picture again, a nanosecond on.
    scene = live.update(replace(frame, stamp_ns=frame.stamp_ns + 1))
    return replace(scene, stamp_ns=frame.stamp_ns, sequence=1)


def _read_image(path: Path) -> np.ndarray:
    import cv2

    bgr = _decode_file(path, cv2.IMREAD_COLOR) if path.is_file() else None
    if bgr is None:
        seen = "cannot be decoded" if path.is_file() else "does not exist"
        raise InputError(f"{path} {seen}; expected a PNG or JPEG picture")
    rgb: np.ndarray = cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB)
    return rgb


def _decode_file(path: Path, flags: int) -> np.ndarray | None:
    import cv2

    try:
        return cv2.imread(str(path), flags)
    except cv2.error:  # its header promises more pixels than OpenCV takes
        return None


def _write_image(path: Path, rgb: np.ndarray, scene: SceneGraph) -> None:
    import cv2

    from spacesgg_ros.graph import annotate

    picture = cv2.cvtColor(annotate(rgb, scene), cv2.COLOR_RGB2BGR)
    try:
        written = cv2.imwrite(str(path), picture)
    except cv2.error as error:
        raise InputError(f"cannot write {path}: {error.err}; use .png or .jpg") from error
    if not written:
        raise InputError(f"cannot write {path}; expected a .png or .jpg in a writable folder")
    messages.print(f"wrote {path}", highlight=False)


def _parse_intrinsics(value: str | None, rgb: np.ndarray) -> Intrinsics | None:
    from spacesgg_ros.graph import Intrinsics

    if value is None:
        return None
    try:
        fx, fy, cx, cy = (float(part) for part in value.split(","))
    except ValueError as error:
        raise typer.BadParameter(
            f"--intrinsics must be fx,fy,cx,cy, four numbers; got '{value}'"
        ) from error
    height, width = rgb.shape[:2]
    return Intrinsics(fx, fy, cx, cy, width, height)


def _make_frame(
    rgb: np.ndarray, depth: Path | None, scale: float, camera: Intrinsics | None
) -> RGBDFrame:
    from spacesgg_ros.graph import RGBDFrame, align_depth

    if depth is None or camera is None:
        return RGBDFrame(1, "camera", rgb)
    depth_m = read_depth(depth, scale)
    if depth_m.shape != rgb.shape[:2]:
        depth_m = align_depth(depth_m, camera.width, camera.height)
    return RGBDFrame(1, "camera", rgb, depth_m, camera)


def read_depth(path: Path, scale: float) -> np.ndarray:
    """``(H, W)`` float32 metres, NaN where unknown.

    Raises:
        InputError: not a one-channel 16-bit picture or 2D array.
    """
    import cv2
    import numpy as np

    if not path.is_file():
        raise InputError(f"{path} does not exist; expected a 16-bit PNG or an .npy file")
    raw: Any
    if path.suffix == ".npy":
        try:
            raw = np.load(path, allow_pickle=False)
        except (ValueError, EOFError) as error:
            raise InputError(f"{path} is no array file ({error})") from error
    else:
        raw = _decode_file(path, cv2.IMREAD_UNCHANGED)
    if raw is None or raw.ndim != 2 or raw.dtype.kind not in "uif" or raw.dtype == np.uint8:
        seen = "no picture" if raw is None else f"{raw.dtype} of shape {raw.shape}"
        raise InputError(f"{path} holds {seen}; expected one channel, 16 bit, or 2D floats")
    depth_m = raw.astype(np.float32)
    if raw.dtype.kind != "f":
        depth_m /= np.float32(scale)
    depth_m[~((depth_m > 0) & (depth_m < np.inf))] = np.nan
    return depth_m


def _to_json(scene: SceneGraph, written: Any, info: Any) -> dict[str, Any]:
    from spacesgg_ros.graph import graph_to_dict

    return {
        **graph_to_dict(scene),
        "text": written.text,
        "finish_reason": written.finish_reason,
        "tokens": written.token_count,
        "issues": [f"{issue.kind.value} at {issue.offset}" for issue in written.graph.issues],
        "runtime": asdict(info),
    }


def _print_tables(scene: SceneGraph) -> None:
    objects = Table(title=f"{len(scene.objects)} objects")
    for heading in ("id", "label", "box (px)", "layer", "position (m)", "size (m)"):
        objects.add_column(heading)
    for item in scene.objects:
        extent = item.extent
        objects.add_row(
            f"#{item.id}",
            escape(item.label),  # a model's words are data, no markup
            " ".join(f"{value:.0f}" for value in item.box_px),
            str(item.layer or "-"),
            "-" if extent is None else " ".join(f"{value:+.2f}" for value in extent.position),
            "-" if extent is None else " ".join(f"{value:.2f}" for value in extent.size),
        )
    output.print(objects)
    names = {item.id: escape(f"{item.label} #{item.id}") for item in scene.objects}
    relations = Table(title=f"{len(scene.relations)} relations")
    for heading in ("subject", "predicate", "object", "source", "distance (m)"):
        relations.add_column(heading)
    for relation in scene.relations:
        distance = relation.distance_m
        relations.add_row(
            names[relation.subject_id],
            escape(relation.predicate),
            names[relation.object_id],
            relation.source.name.lower(),
            "-" if distance is None else f"{distance:.2f}",
        )
    output.print(relations)
    timing = ", ".join(f"{stage} {ms:.0f}" for stage, ms in scene.stage_ms.items() if ms >= 0.5)
    messages.print(f"{scene.model_id}: {timing} ms", highlight=False)
