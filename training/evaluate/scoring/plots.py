"""Pictures of results, drawn off screen by matplotlib; every function writes one PNG."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from spacesgg_ros.extras import require

from .result import Measure

EXTRA = "text-metrics"
_MAIN, _QUIET, _INK, _GRID = "#2a6f97", "#e09f3e", "#333333", "#dddddd"
_BASELINES = ("#e09f3e", "#9e2a2b", "#7a7a7a", "#588157")
_MARKS = ("D", "s", "v", "^")
_STYLE = {
    "font.size": 9,
    "axes.edgecolor": "#999999",
    "axes.labelcolor": _INK,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlelocation": "left",
    "axes.titlesize": 10,
    "text.color": _INK,
    "xtick.color": _INK,
    "ytick.color": _INK,
}
_ROW_INCHES = 0.34


def draw_measures(
    measures: Mapping[str, Measure],
    baseline: Mapping[str, Mapping[str, Measure]],
    path: Path,
) -> None:
    """Numbers between 0 and 1 with their intervals, baselines as marks on the same line."""
    shown = {name: m for name, m in measures.items() if _fits(m)}
    marks = {
        blind: {k: m.value for k, m in those.items() if k in shown and m.value is not None}
        for blind, those in baseline.items()
    }
    with _figure(path, 7.0, 1.0 + _ROW_INCHES * max(2, len(shown))) as axis:
        places = np.arange(len(shown))
        values = np.array([m.value for m in shown.values()], float)
        axis.barh(places, values, height=0.55, color=_MAIN, alpha=0.85, zorder=2)
        _draw_intervals(axis, places, list(shown.values()))
        for k, (blind, those) in enumerate(marks.items()):
            if those:
                axis.scatter(
                    list(those.values()),
                    [list(shown).index(name) for name in those],
                    marker=_MARKS[k % len(_MARKS)],
                    color=_BASELINES[k % len(_BASELINES)],
                    edgecolor="white",
                    s=38,
                    zorder=4,
                    clip_on=False,
                    label=f"without pixels: {blind}",
                )
        _label_rows(axis, places, list(shown))
        axis.set(xlim=(0, 1), xlabel="value and 95 % interval")
        if any(marks.values()):
            _put_legend(axis)


def draw_categories(rows: Mapping[str, Mapping[str, Any]], path: Path) -> None:
    """Accuracy by category with Wilson intervals; ``rows`` as :mod:`.spatial` writes them."""
    names = sorted(rows, key=lambda name: (-rows[name]["accuracy"], name))
    measures = [
        Measure(r["accuracy"], r["wilson_95"][0], r["wilson_95"][1], r["questions"])
        for r in (rows[n] for n in names)
    ]
    with _figure(path, 7.0, 1.0 + _ROW_INCHES * max(2, len(names))) as axis:
        places = np.arange(len(names))
        values = np.array([m.value for m in measures], float)
        axis.barh(places, values, height=0.55, color=_MAIN, alpha=0.85, zorder=2)
        _draw_intervals(axis, places, measures)
        labels = [f"{n}  ({m.n})" for n, m in zip(names, measures, strict=True)]
        _label_rows(axis, places, labels)
        axis.set(xlim=(0, 1), xlabel="accuracy and 95 % Wilson interval (questions)")


def draw_confusion(
    table: Mapping[str, Mapping[str, int]], order: Sequence[str], path: Path
) -> None:
    """Rows: the truth; columns: what was said; colour: share of the row; numbers: counts."""
    said = {name for row in table.values() for name in row}
    known = [*order, *sorted((set(table) | said) - set(order))]
    rows = [name for name in known if name in table]
    columns = [name for name in known if name in said or name in table]
    counts = np.array([[table[r].get(c, 0) for c in columns] for r in rows], float)
    shares = counts / np.maximum(1, counts.sum(axis=1, keepdims=True))
    size = (1.9 + 0.52 * len(columns), 1.5 + 0.4 * len(rows))
    with _figure(path, *size, grid=False) as axis:
        axis.imshow(shares, cmap="Blues", vmin=0, vmax=1, aspect="auto")
        for (r, c), count in np.ndenumerate(counts):
            if count:
                colour = "white" if shares[r, c] > 0.55 else _INK
                axis.text(c, r, f"{int(count)}", ha="center", va="center", color=colour)
        axis.set_xticks(range(len(columns)), columns, rotation=40, ha="right")
        axis.set_yticks(range(len(rows)), rows)
        axis.set(xlabel="said", ylabel="true")
        axis.tick_params(length=0)
        for spine in axis.spines.values():
            spine.set_visible(False)


def draw_bars(
    values: Mapping[str, Mapping[str, float]], metrics: Sequence[str], path: Path
) -> None:
    """Two or three metrics by class, one group of bars a class."""
    with _figure(path, 7.0, 1.0 + 0.3 * max(2, len(values))) as axis:
        places = np.arange(len(values))
        height = 0.75 / len(metrics)
        for k, metric in enumerate(metrics):
            axis.barh(
                places + (k - (len(metrics) - 1) / 2) * height,
                [max(0.0, row[metric]) for row in values.values()],
                height=height * 0.9,
                color=(_MAIN, "#89c2d9", "#bcbcbc")[k % 3],
                label=metric,
                zorder=2,
            )
        _label_rows(axis, places, list(values))
        axis.set(xlim=(0, 1))
        _put_legend(axis)


def draw_precision_recall(curves: Mapping[str, Sequence[float]], path: Path) -> None:
    """Mean precision over classes at 101 recalls, one line an IoU threshold."""
    with _figure(path, 5.2, 3.8) as axis:
        for k, (threshold, values) in enumerate(curves.items()):
            axis.plot(
                np.linspace(0, 1, len(values)),
                np.maximum(values, 0),
                color=(_MAIN, _QUIET)[k % 2],
                linewidth=1.8,
                label=f"IoU {threshold}",
            )
        axis.set(xlim=(0, 1), ylim=(0, 1.02), xlabel="recall", ylabel="precision, mean of classes")
        axis.grid(color=_GRID, linewidth=0.6)
        axis.legend(frameon=False)


def draw_differences(
    differences: Mapping[str, tuple[float, float, float]], names: tuple[str, str], path: Path
) -> None:
    """Second minus first with the interval, one line a metric, zero marked."""
    with _figure(path, 7.0, 1.1 + _ROW_INCHES * max(2, len(differences))) as axis:
        places = np.arange(len(differences))
        for place, (value, low, high) in zip(places, differences.values(), strict=True):
            settled = low > 0 or high < 0
            colour = _MAIN if settled else "#9a9a9a"
            axis.plot([low, high], [place, place], color=colour, linewidth=2.2, zorder=2)
            axis.scatter([value], [place], color=colour, edgecolor="white", s=52, zorder=3)
        axis.axvline(0, color=_INK, linewidth=0.9)
        reach = 1.15 * max([abs(v) for row in differences.values() for v in row] or [1]) or 1.0
        _label_rows(axis, places, list(differences))
        axis.set(xlim=(-reach, reach), xlabel="difference, 95 % interval (grey: includes 0)")
        better = [textwrap.shorten(name, 30, placeholder="…") for name in names]
        axis.set_title(f"◂ {better[0]} higher", fontsize=9)
        axis.set_title(f"{better[1]} higher ▸", loc="right", fontsize=9)


@contextmanager
def _figure(path: Path, width: float, height: float, grid: bool = True) -> Any:
    """One axis to draw on; the PNG is written whole or not at all."""
    require("matplotlib", EXTRA).use("Agg")
    pyplot = require("matplotlib.pyplot", EXTRA)
    with pyplot.rc_context(_STYLE):
        figure, axis = pyplot.subplots(figsize=(width, height), layout="constrained")
        try:
            if grid:
                axis.grid(axis="x", color=_GRID, linewidth=0.6, zorder=0)
                axis.set_axisbelow(True)
            yield axis
            path.parent.mkdir(parents=True, exist_ok=True)
            temporary = path.with_suffix(".tmp.png")
            figure.savefig(temporary, dpi=140, metadata={"Software": None})
            temporary.replace(path)
        finally:
            pyplot.close(figure)


def _draw_intervals(axis: Any, places: np.ndarray, measures: Sequence[Measure]) -> None:
    for place, m in zip(places, measures, strict=True):
        if m.low is None or m.high is None or m.value is None:
            continue
        axis.plot([m.low, m.high], [place, place], color=_INK, linewidth=1.3, zorder=3)
        axis.plot([m.low, m.high], [place, place], "|", color=_INK, ms=6, zorder=3, clip_on=False)


def _label_rows(axis: Any, places: np.ndarray, names: Sequence[str]) -> None:
    axis.set_yticks(places, [textwrap.shorten(name, 42, placeholder="…") for name in names])
    axis.tick_params(axis="y", length=0)
    axis.set_ylim(len(names) - 0.4, -0.6)


def _put_legend(axis: Any) -> None:
    axis.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=3, frameon=False, fontsize=8)


def _fits(measure: Measure) -> bool:
    return measure.value is not None and 0 <= measure.value <= 1 and (measure.high or 0) <= 1
