"""vsd-classify: how two named objects stand to each other, asked about a picture."""

from __future__ import annotations

from spacesgg_ros.bench.result import BenchError, BenchResult
from spacesgg_ros.bench.splits import LEAST_FRAMES, Bars, describe, measure, met

_TASK = "vsd-classify"
BARS: Bars = {
    "accuracy": (lambda r: r[_TASK]["accuracy"]["value"], 0.85),
    "macro F1": (lambda r: r[_TASK]["macro_f1"], 0.80),
}


def run(quick: bool = False) -> BenchResult:
    """Four questions a frame of test-seen; quick: 12 of the frames that ship."""
    report = measure("test-seen", [_TASK], quick)
    vsd = report[_TASK]
    if not vsd["questions"]:
        raise BenchError("no held-out frame has two objects to ask about; render test-seen again")
    baselines = vsd.pop("baselines")
    return BenchResult(
        name="vsd-classify",
        measured={"frames": report["frames"], **vsd, "met": met(BARS, report)},
        baseline=baselines,
        ratio=round(vsd["accuracy"]["value"] / baselines["text_only"]["accuracy"]["value"], 2)
        if baselines["text_only"]["accuracy"]["value"]
        else None,
        bar=describe(BARS),
        passed=all(met(BARS, report).values()) and report["frames"] >= LEAST_FRAMES,
        quick=quick,
    )
