"""model-unseen: 3D models that training never saw, of classes that it knows."""

from __future__ import annotations

from spacesgg_ros.bench.result import BenchResult
from spacesgg_ros.bench.splits import Bars, judge_graphs

BARS: Bars = {
    "object recall": (lambda r: r["graphs"]["objects"]["recall"]["value"], 0.50),
    "box recall, any label": (lambda r: r["graphs"]["boxes"]["recall"]["value"], 0.80),
}


def run(quick: bool = False) -> BenchResult:
    """Tabletops and rooms of unseen models only; quick: four scenes, rendered now."""
    return judge_graphs("model-unseen", "test-unseen-models", BARS, quick)
