"""A result as a page: ``report.md``, ``result.json`` and the pictures that the page shows."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from spacesgg_ros.extras import MissingExtraError
from spacesgg_ros.training.evaluate.report import Table

from . import plots
from .result import RESULT_FILE, Measure, ScoreResult, write_result

REPORT_FILE = "report.md"
_LOWER_IS_BETTER = ("unparseable",)


@dataclass(frozen=True)
class Plot:
    """A picture of a section: its file, what it shows, and what draws it into a path."""

    file: str
    alt: str
    draw: Callable[[Path], None]


@dataclass(frozen=True)
class Section:
    """A part of a page: heading, words, table, picture; what is empty is left out."""

    title: str
    text: str = ""
    table: Table | None = None
    plot: Plot | None = None


def write_report(
    out: Path, title: str, result: ScoreResult, sections: Sequence[Section] = ()
) -> Path:
    """Write ``result.json``, ``report.md`` and pictures into ``out``; returns the page.

    The page starts with the headline numbers and ends with the settings; ``sections`` stand
    between. Without matplotlib the page says so in place of a picture.
    """
    out.mkdir(parents=True, exist_ok=True)
    write_result(result, out / RESULT_FILE)
    return write_page(out, title, [_headline_section(result), *sections, _settings_section(result)])


def write_page(out: Path, title: str, sections: Sequence[Section]) -> Path:
    """Write ``report.md`` and the pictures of its sections into ``out``; returns the page."""
    out.mkdir(parents=True, exist_ok=True)
    parts = [f"# {title}"]
    for section in sections:
        parts.append(f"## {section.title}")
        if section.text:
            parts.append(section.text)
        if section.table is not None and section.table.rows:
            parts.append(section.table.markdown())
        if section.plot is not None:
            parts.append(_draw(section.plot, out))
    page = out / REPORT_FILE
    page.write_text("\n\n".join(parts) + "\n", encoding="utf-8")
    return page


def headline_table(result: ScoreResult) -> Table:
    """Every headline number with its interval, the baselines beside it."""
    rows = []
    for metric, measure in result.headline.items():
        blind = [those.get(metric) for those in result.baseline.values()]
        rows.append(
            (
                metric + (" (lower is better)" if metric.endswith(_LOWER_IS_BETTER) else ""),
                _value(measure),
                _interval(measure),
                *("" if m is None else _value(m) for m in blind),
                str(measure.n),
            )
        )
    head = ("metric", "value", "95 %", *(f"no pixels: {b}" for b in result.baseline), "items")
    return Table(f"{result.protocol}: {result.name}", head, tuple(rows))


def describe_groups(result: ScoreResult) -> str:
    """How many items lie in how many groups, and what the intervals are."""
    items = {item for outcomes in result.per_item.values() for item in outcomes.items}
    groups = {result.groups.get(item, item) for item in items}
    return (
        f"{len(items)} items in {len(groups)} groups (scenes or pictures). Intervals: 95 %, "
        "percentile bootstrap over groups, 1,000 draws."
    )


def escape_cell(text: Any) -> str:
    """Text that cannot end a cell of a Markdown table."""
    return " ".join(str(text).split()).replace("|", "\\|")


def _headline_section(result: ScoreResult) -> Section:
    draw = functools.partial(plots.draw_measures, result.headline, result.baseline)
    plot = Plot("headline.png", "headline numbers with 95 % intervals", draw)
    text = f"**{result.name}**, protocol `{result.protocol}`. {describe_groups(result)}"
    return Section("Numbers", text, headline_table(result), plot)


def _settings_section(result: ScoreResult) -> Section:
    rows = []
    for key, value in result.settings.items():
        if isinstance(value, Mapping):
            value = "; ".join(f"{k}: {v}" for k, v in value.items()) or "–"
        rows.append((escape_cell(key), escape_cell(value)))
    return Section("Settings", table=Table("", ("setting", "value"), tuple(rows)))


def _draw(plot: Plot, out: Path) -> str:
    try:
        plot.draw(out / plot.file)
    except MissingExtraError as error:
        return f"(No picture: {error})"
    return f"![{plot.alt}]({plot.file})"


def _value(measure: Measure) -> str:
    return "not measured" if measure.value is None else f"{measure.value:.3f}"


def _interval(measure: Measure) -> str:
    if measure.low is None or measure.high is None:
        return ""
    return f"{measure.low:.3f}–{measure.high:.3f}"
