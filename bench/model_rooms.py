"""model-rooms: rooms of models that training knew, newly furnished."""

from __future__ import annotations

from spacesgg_ros.bench.result import BenchResult
from spacesgg_ros.bench.splits import Bars, judge_graphs

BARS: Bars = {
    "object recall": (lambda r: r["graphs"]["objects"]["recall"]["value"], 0.70),
}


def run(quick: bool = False) -> BenchResult:
    """Rooms; quick: four scenes, rendered now."""
    return judge_graphs("model-rooms", "test-rooms", BARS, quick)
