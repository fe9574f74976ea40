"""model-seen: new layouts, surroundings and views of models that training knew."""

from __future__ import annotations

from spacesgg_ros.bench.result import BenchResult
from spacesgg_ros.bench.splits import Bars, judge_graphs

BARS: Bars = {
    "object recall": (lambda r: r["graphs"]["objects"]["recall"]["value"], 0.85),
    "object precision": (lambda r: r["graphs"]["objects"]["precision"]["value"], 0.85),
    "text triplet recall": (lambda r: r["graphs"]["triplets"]["text"]["recall"]["value"], 0.60),
    "text triplet mean recall": (
        lambda r: r["graphs"]["triplets"]["text"]["mean_recall"]["value"],
        0.50,
    ),
    "triplet recall with depth": (
        lambda r: r["graphs"]["triplets"]["text_and_depth"]["recall"]["value"],
        0.75,
    ),
}


def run(quick: bool = False) -> BenchResult:
    """Tabletops; quick: 12 of the frames that ship."""
    return judge_graphs("model-seen", "test-seen", BARS, quick)
