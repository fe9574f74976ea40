"""Two results on the same items side by side, with significance.

The difference of a metric is resampled with both results on the same draw of groups (paired
bootstrap). Where every item is right or wrong, McNemar's exact test on the items that the two
disagree about stands beside it; it takes items as independent, the bootstrap does not.
"""

from __future__ import annotations

import functools
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from spacesgg_ros.training.evaluate.intervals import RESAMPLES
from spacesgg_ros.training.evaluate.report import Table

from . import plots
from .outcomes import Outcomes, ScoreError, mcnemar
from .report import Plot, Section, escape_cell, write_page
from .result import ScoreResult, draw_weights

COMPARISON_FILE = "comparison.json"
_OF_ONE_SIDE = {"answers", "model", "predictions", "train"}
"""Settings that may differ: what is compared, and what only baselines depend on."""


@dataclass(frozen=True)
class Difference:
    """One metric of two results on the items that both have.

    Attributes:
        a, b: the numbers on these items; ``difference`` is b - a, ``low`` to ``high`` its 95 %
            interval.
        p_bootstrap: two-sided, of no difference, from the share of draws beyond zero; never
            below 2 / (draws + 1).
        a_only, b_only: items that only one got right, where items are right or wrong.
        p_mcnemar: exact; None elsewhere.
        items: in both; ``groups``: resampled units among them.
        left_out: items in only one of the two.
    """

    metric: str
    a: float
    b: float
    difference: float
    low: float
    high: float
    p_bootstrap: float
    items: int
    groups: int
    left_out: int
    a_only: int | None = None
    b_only: int | None = None
    p_mcnemar: float | None = None


@dataclass(frozen=True)
class Comparison:
    """Two results; ``cautions`` say what makes them less comparable than they look."""

    names: tuple[str, str]
    differences: tuple[Difference, ...]
    cautions: tuple[str, ...] = ()


def compare_results(a: ScoreResult, b: ScoreResult, resamples: int = RESAMPLES) -> Comparison:
    """Compare every metric that both results have outcomes of.

    Raises:
        ScoreError: there is no such metric, or no item in common.
    """
    metrics = [metric for metric in a.per_item if metric in b.per_item]
    if not metrics:
        raise ScoreError(
            f"no metric in common: {', '.join(a.per_item)} against {', '.join(b.per_item)}"
        )
    differences = []
    for metric in metrics:
        first, second = a.per_item[metric], b.per_item[metric]
        common = [item for item in first.items if item in second.items]
        if common and _add_up_alike(first, second):
            differences.append(_compare(metric, first, second, common, a, resamples))
    if not differences:
        raise ScoreError("no metric has items in common; score both on the same questions")
    return Comparison((a.name, b.name), tuple(differences), tuple(_find_cautions(a, b)))


def difference_table(comparison: Comparison) -> Table:
    """One row a metric."""
    rows = tuple(
        (
            d.metric,
            f"{d.a:.3f}",
            f"{d.b:.3f}",
            f"{d.difference:+.3f}",
            f"{d.low:+.3f}…{d.high:+.3f}",
            _p(d.p_bootstrap),
            "" if d.p_mcnemar is None else _p(d.p_mcnemar),
            "" if d.a_only is None else f"{d.a_only} : {d.b_only}",
            str(d.items),
        )
        for d in comparison.differences
    )
    head = (
        "metric", "A", "B", "B − A", "95 %", "p boot", "p McNemar", "only A : B",
        "items",
    )  # fmt: skip
    return Table(f"A: {comparison.names[0]}, B: {comparison.names[1]}", head, rows)


def write_comparison(out: Path, comparison: Comparison) -> Path:
    """Write ``report.md``, ``comparison.json`` and a picture into ``out``; returns the page."""
    out.mkdir(parents=True, exist_ok=True)
    text = json.dumps(asdict(comparison), ensure_ascii=False, indent=1)
    (out / COMPARISON_FILE).write_text(text + "\n", encoding="utf-8")
    a, b = (escape_cell(name) for name in comparison.names)
    shown = {d.metric: (d.difference, d.low, d.high) for d in comparison.differences}
    draw = functools.partial(plots.draw_differences, shown, ("A", "B"))
    groups = max(d.groups for d in comparison.differences)
    note = (
        f"**A** is {a}, **B** is {b}. Both are taken on the items that both have, at most "
        f"{groups} groups. Intervals and `p boot`: paired bootstrap over groups. `p McNemar`: "
        "exact, on the items that only A and only B got right, as if independent. Several "
        "metrics are "
        "tested and p is not corrected for that."
    )
    sections = [
        Section(
            "Differences",
            note,
            difference_table(comparison),
            Plot("differences.png", "differences with 95 % intervals", draw),
        )
    ]
    if comparison.cautions:
        sections.append(Section("Cautions", "\n".join(f"- {c}" for c in comparison.cautions)))
    return write_page(out, "Two results compared", sections)


def _compare(
    metric: str, a: Outcomes, b: Outcomes, common: list[str], result: ScoreResult, resamples: int
) -> Difference:
    left_out = len(a.items.keys() ^ b.items.keys())
    a, b = a.select(common), b.select(common)
    weights = draw_weights(common, result.groups, resamples)
    drawn = b.evaluate(weights) - a.evaluate(weights)
    low, high = np.percentile(drawn, [2.5, 97.5])
    one, two = float(a.evaluate()[0]), float(b.evaluate()[0])
    beyond = 1 + min(int((drawn <= 0).sum()), int((drawn >= 0).sum()))
    only: tuple[int | None, int | None] = (None, None)
    p_mcnemar = None
    if a.is_binary and b.is_binary:
        pairs = [(a.items[item][0], b.items[item][0]) for item in common]
        a_only, b_only = pairs.count((1, 0)), pairs.count((0, 1))
        only, p_mcnemar = (a_only, b_only), round(mcnemar(a_only, b_only), 6)
    return Difference(
        metric,
        round(one, 4),
        round(two, 4),
        round(two - one, 4),
        round(float(low), 4),
        round(float(high), 4),
        round(min(1.0, 2 * beyond / (resamples + 1)), 6),
        len(common),
        len({result.groups.get(item, item) for item in common}),
        left_out,
        *only,
        p_mcnemar,
    )


def _add_up_alike(a: Outcomes, b: Outcomes) -> bool:
    return (a.kind, a.classes, a.thresholds, a.top) == (b.kind, b.classes, b.thresholds, b.top)


def _find_cautions(a: ScoreResult, b: ScoreResult) -> list[str]:
    cautions = []
    if a.protocol != b.protocol:
        cautions.append(f"the protocols differ: {a.protocol} against {b.protocol}")
    if a.groups != b.groups:
        cautions.append("the groups differ; those of A are used")
    for key in sorted(a.settings.keys() & b.settings.keys() - _OF_ONE_SIDE):
        if a.settings[key] != b.settings[key]:
            cautions.append(f"{key} differs: {a.settings[key]} against {b.settings[key]}")
    for metric in a.per_item:
        if metric in b.per_item:
            one, two = a.per_item[metric], b.per_item[metric]
            if not _add_up_alike(one, two):
                cautions.append(f"{metric} is computed in another way; not compared")
            elif one.items.keys() != two.items.keys():
                only = len(one.items.keys() - two.items), len(two.items.keys() - one.items)
                cautions.append(f"{metric}: {only[0]} items only in A, {only[1]} only in B")
    apart: list[Any] = sorted(a.per_item.keys() ^ b.per_item.keys())
    if apart:
        cautions.append(f"in one of the two only: {', '.join(apart)}")
    return cautions


def _p(value: float) -> str:
    return "< 0.001" if value < 0.001 else f"{value:.3f}"
