"""camera-rate: /scene_graph at 15 Hz while the embedded model runs beside it."""

from __future__ import annotations

from spacesgg_ros.bench.node_overhead import CpuMeter, run_measured
from spacesgg_ros.bench.result import BenchError, BenchResult
from spacesgg_ros.demo.session import DemoOptions
from spacesgg_ros.resources import resource

_RATE_HZ = 15.0
_TOLERANCE = 0.02
_LEAST_KEYFRAMES = 3


def run(quick: bool = False) -> BenchResult:
    """The shipped recording, played in real time by a process of its own."""
    try:
        bag = resource("examples/demo_rgbd.mcap")
        resource("models/tabletop")
    except FileNotFoundError as error:
        raise BenchError(str(error)) from error
    seconds = 8.0 if quick else 40.0
    meter = CpuMeter()
    summary = run_measured(DemoOptions(bag=bag, headless=True, port=None, seconds=seconds), meter)
    rate = round(meter.rate_hz, 2)
    lost = sum(count for reason, count in summary.drops.items() if reason.startswith("frame_"))
    return BenchResult(
        name="camera-rate",
        measured={
            "rate_hz": rate,
            "age_ms": summary.age_ms,
            "frames_in": summary.frames_in,
            "graphs_out": summary.graphs_out,
            "frames_left_out": lost,
            "keyframes": summary.model_keyframes,
            "keyframe_hz": round(summary.model_keyframes / seconds, 2),
            "objects": summary.objects,
            "relations": summary.relations,
            "provider": summary.provider,
            "drops": summary.drops,
        },
        baseline={"camera_hz": _RATE_HZ},
        ratio=round(rate / _RATE_HZ, 3),
        bar=f"rate >= {_RATE_HZ * (1 - _TOLERANCE):g} Hz with >= {_LEAST_KEYFRAMES} keyframes read",
        passed=rate >= _RATE_HZ * (1 - _TOLERANCE) and summary.model_keyframes >= _LEAST_KEYFRAMES,
        quick=quick,
    )
