"""lifting: metric positions from noisy depth against the true centres of rendered objects."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from spacesgg_ros.bench.held_out import HeldOutFrame, read_held_out, render_more
from spacesgg_ros.bench.result import BenchError, BenchResult
from spacesgg_ros.graph import (
    LiveSceneGraph,
    RGBDFrame,
    TextGraph,
    TextObject,
    box_area,
    encode_box,
)
from spacesgg_ros.graph.types import BoxPx

_WITHIN_M = 2.0
_BAR_M = 0.02
_IN_FULL_VIEW = 0.9


def run(quick: bool = False) -> BenchResult:
    """The node's own path (keyframe, plane, lifting) fed the true boxes of all but the table.

    The truth is the centre of the model's own box, not of the surface the camera sees. The
    baseline is what most detectors' 3D add-ons do: the median depth of the box, unprojected at
    the box's centre.
    """
    shipped = _measure(read_held_out(3 if quick else None))
    rendered = None if quick else _measure(render_more(Path("data/cache")))
    judged = rendered or shipped
    error_mm = judged["measured"]["median_mm"]
    return BenchResult(
        name="lifting",
        measured=judged["measured"]
        | {"frames": "40 scenes rendered now" if rendered else "shipped"}
        | ({"shipped_8_scenes": shipped["measured"]} if rendered else {}),
        baseline={"method": "median depth at the box's centre", **judged["baseline"]},
        ratio=round(judged["baseline"]["median_mm"] / error_mm, 2),
        bar=f"median position error <= {_BAR_M * 100:g} cm within {_WITHIN_M:g} m",
        passed=error_mm <= 1e3 * _BAR_M,
        quick=quick,
    )


def _measure(frames: Iterable[HeldOutFrame]) -> dict[str, dict[str, Any]]:
    """Errors of every object within reach, ours and the baseline's."""
    ours: list[float] = []
    naive: list[float] = []
    in_full_view: list[float] = []
    missing = 0
    for frame in frames:
        for truth, lifted, box, visible in _lift_frame(frame):
            if np.linalg.norm(truth) > _WITHIN_M:
                continue
            if lifted is None:
                missing += 1
                continue
            ours.append(float(np.linalg.norm(lifted - truth)))
            if visible >= _IN_FULL_VIEW:
                in_full_view.append(ours[-1])
            naive.append(float(np.linalg.norm(_unproject_median(frame, box) - truth)))
    if not ours:
        raise BenchError("no held-out object could be lifted at all")
    return {
        "measured": {
            "objects": len(ours),
            "without_position": missing,
            **_spread(ours),
            "in_full_view": {"objects": len(in_full_view), **_spread(in_full_view)},
        },
        "baseline": _spread(naive),
    }


def _lift_frame(
    frame: HeldOutFrame,
) -> list[tuple[np.ndarray, np.ndarray | None, BoxPx, float]]:
    """(true centre, lifted centre or None, box, visible share of the whole object's box) of every
    object but the table (index 0)."""
    height, width = frame.rgb.shape[:2]
    truths = [item for item in frame.record["objects"] if item["index"] != 0]
    # Labels are numbers here, so that each lifted object finds its truth again.
    text = TextGraph(
        objects=tuple(
            TextObject((str(number),), encode_box(tuple(item["box_px"]), width, height))
            for number, item in enumerate(truths)
        )
    )
    live = LiveSceneGraph()
    live.update(RGBDFrame(1, "camera", frame.rgb, frame.depth_m, frame.intrinsics))
    live.add_keyframe(1, text)
    graph = live.update(RGBDFrame(2, "camera", frame.rgb, frame.depth_m, frame.intrinsics))
    lifted = {item.label: item.extent for item in graph.objects}
    result = []
    for number, item in enumerate(truths):
        extent = lifted.get(str(number))
        position = None if extent is None else np.array(extent.position)
        box = tuple(item["box_px"])
        seen, whole = box_area(np.array([box, item["amodal_box_px"]]))
        visible = float(seen / max(1.0, whole))
        result.append((np.array(item["position_camera"]), position, box, visible))
    return result


def _unproject_median(frame: HeldOutFrame, box: BoxPx) -> np.ndarray:
    x0, y0, x1, y1 = (int(v) for v in box)
    z = float(np.nanmedian(frame.depth_m[y0:y1, x0:x1]))
    k = frame.intrinsics
    u, v = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
    return np.array([(u - k.cx) / k.fx * z, (v - k.cy) / k.fy * z, z])


def _spread(errors: list[float]) -> dict[str, float]:
    if not errors:
        return {}
    p50, p90 = (1e3 * float(np.percentile(errors, p)) for p in (50, 90))
    return {"median_mm": round(p50, 1), "p90_mm": round(p90, 1)}
