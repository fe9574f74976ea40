"""What a page says of a PSG result between its headline numbers and its settings."""

from __future__ import annotations

from spacesgg_ros.training.evaluate.report import Table
from spacesgg_ros.training.evaluate.scoring.report import Section, escape_cell
from spacesgg_ros.training.evaluate.scoring.result import ScoreResult

_BLIND = (
    "The column without pixels is the frequency baseline: true labels and boxes, and the "
    "predicates that are most frequent between two labels. It was learnt from {source}."
)
_COUNTS = ("questions", "images", "without a relation", "without an answer",
           "without a prediction", "well formed")  # fmt: skip


def make_sections(result: ScoreResult) -> list[Section]:
    """Counts, recall by predicate, and the reasons of rows left out."""
    details = result.details
    counts = [(key, str(details[key])) for key in _COUNTS if key in details]
    stopping = details.get("answers that stop the published script", [])
    if stopping:
        named = ", ".join(escape_cell(image) for image in stopping[:5])
        counts.append(("answers that stop the published script", f"{len(stopping)}: {named}"))
    counts += [(f"rows: {escape_cell(r)}", str(n)) for r, n in details["left out"].items()]
    blind = _BLIND.format(source=result.settings["baseline learnt from"])
    sections = [Section("What was counted", blind, Table("", ("what", "count"), tuple(counts)))]
    by_predicate = details.get("by predicate")
    if by_predicate:
        names = sorted({name for counts in by_predicate.values() for name in counts})
        rows = tuple(
            (escape_cell(name), *(_recall(by_predicate[rule].get(name)) for rule in by_predicate))
            for name in names
        )
        table = Table("", ("predicate", *by_predicate), rows)
        sections.append(Section("Recall by predicate", "Found of true.", table))
    return sections


def _recall(counts: list[int] | None) -> str:
    return "" if counts is None else f"{counts[0]} of {counts[1]}"
