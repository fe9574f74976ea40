"""What the page of each protocol shows between its headline numbers and its settings."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

from spacesgg_ros.graph.predicates import VSD_LABELS
from spacesgg_ros.training.evaluate.report import Table

from . import detection, plots, vsd
from .report import Plot, Section, escape_cell
from .result import ScoreResult

_MOST_BARS = 24


def spatial_sections(result: ScoreResult) -> list[Section]:
    """Accuracy by category, and answers that could not be read."""
    details = result.details
    rows = tuple(
        (
            escape_cell(category),
            str(row["questions"]),
            f"{row['accuracy']:.3f}",
            f"{row['wilson_95'][0]:.3f}–{row['wilson_95'][1]:.3f}",
            str(row["unparseable"]),
            str(row["missing"]),
            escape_cell(row["majority"]),
        )
        for category, row in details["by_category"].items()
    )
    head = ("category", "questions", "accuracy", "Wilson 95 %", "unparseable", "missing",
            "most frequent answer")  # fmt: skip
    low, high = details["wilson_95"]
    text = (
        f"Wilson interval of the accuracy over all questions, as if they were independent: "
        f"{low:.3f}–{high:.3f}. Missing answers: {details['missing']}; answers to questions that "
        f"are not asked: {details['unasked']}."
    )
    frequent = _take_most(details["by_category"], "questions")
    if len(frequent) < len(rows):
        text += f" The picture has the {len(frequent)} categories with the most questions."
    draw = functools.partial(plots.draw_categories, frequent)
    plot = Plot("categories.png", "accuracy by category", draw)
    sections = [Section("Categories", text, Table("categories", head, rows), plot)]
    examples = tuple(
        (escape_cell(e["id"]), escape_cell(e["truth"]), escape_cell(e["answer"]))
        for e in details["unparseable_examples"]
    )
    if examples:
        unread = Table("unread", ("question", "truth", "answer"), examples)
        sections.append(Section("Answers that could not be read", table=unread))
    return sections


def vsd_sections(result: ScoreResult) -> list[Section]:
    """Labels with their confusions, and what the sentences are like."""
    details = result.details
    sections = []
    if "classify" in details:
        table = details["classify"]["confusion"]
        rows = tuple(
            (label, str(r["true"]), f"{r['precision']:.3f}", f"{r['recall']:.3f}", f"{r['f1']:.3f}")
            for label, r in details["classify"]["by_relation"].items()
        )
        head = ("relation", "true", "precision", "recall", "F1")
        draw = functools.partial(plots.draw_confusion, table, VSD_LABELS)
        plot = Plot("confusion.png", "confusions of relations", draw)
        sections.append(Section("Relations", table=Table("relations", head, rows), plot=plot))
    tasks = [task for task in ("describe", "open") if task in details]
    if tasks:
        keys = list(dict.fromkeys(key for task in tasks for key in details[task]["text"]))
        rows = tuple(
            (key, *(str(details[task]["text"].get(key, "")) for task in tasks)) for key in keys
        )
        text = "; ".join(
            f"{task}: {metric} over all sentences at once {value:.4f}"
            for task in tasks
            for metric, value in details[task]["pooled"].items()
        )
        sections.append(Section("Sentences", text, Table("sentences", ("", *tasks), rows)))
    return sections


def detection_sections(result: ScoreResult) -> list[Section]:
    """By class, by size, and precision over recall."""
    details = result.details
    metrics = (detection.AP, detection.AP50, detection.AR, detection.AR50)
    by_class: Mapping[str, Mapping[str, Any]] = details["by_class"]
    best = sorted(by_class, key=lambda label: (-by_class[label][detection.AP], label))
    rows = tuple(
        (escape_cell(n), str(by_class[n]["true"]), *(f"{by_class[n][m]:.3f}" for m in metrics))
        for n in best
    )
    frequent = _take_most(by_class, "true")
    shown = {label: by_class[label] for label in best if label in frequent}
    draw = functools.partial(plots.draw_bars, shown, (detection.AP, detection.AR50))
    counts = "; ".join(f"{key}: {value}" for key, value in details.items() if _is_count(value))
    curve = functools.partial(plots.draw_precision_recall, details["precision_at_recall"])
    sizes = tuple(
        (size, *("none" if v < 0 else f"{v:.3f}" for v in row.values()))
        for size, row in details["by_size"].items()
    )
    head = ("size (COCO: 32², 96² px)", detection.AP, detection.AR)
    return [
        Section(
            "Precision and recall",
            f"{counts}.",
            Table("sizes", head, sizes),
            Plot("precision_recall.png", "precision over recall", curve),
        ),
        Section(
            "Classes",
            f"The picture has the {len(shown)} with the most true boxes.",
            table=Table("classes", ("class", "true", *metrics), rows),
            plot=Plot("classes.png", "AP and recall by class", draw),
        ),
    ]


def _take_most(rows: Mapping[str, Any], count: str) -> dict[str, Any]:
    """The rows that a picture has room for: those with the highest counts."""
    most = sorted(rows, key=lambda name: (-rows[name][count], name))[:_MOST_BARS]
    return {name: rows[name] for name in most}


def _is_count(value: Any) -> bool:
    return isinstance(value, int)


SECTIONS = {
    "spatial": spatial_sections,
    vsd.PROTOCOL: vsd_sections,
    detection.PROTOCOL: detection_sections,
}
"""By protocol."""
