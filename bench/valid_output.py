"""valid-output: graph texts that are complete and parse without any issue."""

from __future__ import annotations

from spacesgg_ros.bench.result import BenchResult
from spacesgg_ros.bench.splits import LEAST_FRAMES, Bars, describe, measure, met

_TASK = "valid-output"
BARS: Bars = {
    "valid without the grammar": (lambda r: r[_TASK]["without_grammar"]["value"], 0.99),
    "valid with the grammar": (lambda r: r[_TASK]["with_grammar"]["value"], 1.0),
}


def run(quick: bool = False) -> BenchResult:
    """Plain greedy decoding beside decoding under the grammar; quick: 12 frames that ship.

    A text is valid if it ends by itself and its reader notes no departure from the format, so
    every box of a relation must be, digit for digit, the box of a listed object. "Well-formed"
    leaves that last condition out.
    """
    report = measure("test-seen", ["graphs", _TASK], quick)
    valid = report[_TASK]
    frames = report["frames"]
    return BenchResult(
        name="valid-output",
        measured={
            "frames": frames,
            "without_grammar": valid["without_grammar"],
            "well_formed_without_grammar": valid["well_formed"],
            "incomplete_without_grammar": valid["incomplete"],
            "examples": valid["examples"],
            "met": met(BARS, report),
        },
        baseline={"with_grammar": valid["with_grammar"]},
        bar=describe(BARS),
        passed=all(met(BARS, report).values()) and frames >= LEAST_FRAMES,
        quick=quick,
    )
