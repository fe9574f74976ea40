"""Evaluation reports as tables, for the terminal and for the model card."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.table import Table as RichTable

from .evaluation import GRAPHS, VALID_OUTPUT, VSD_CLASSIFY


@dataclass(frozen=True)
class Table:
    """A title, column heads and rows of text."""

    title: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    def markdown(self) -> str:
        """The table without its title."""
        lines = [self.head, ("---",) * len(self.head), *self.rows]
        return "\n".join("| " + " | ".join(line) + " |" for line in lines)

    def rich(self) -> RichTable:
        """For the terminal."""
        table = RichTable(title=self.title, title_justify="left")
        for k, name in enumerate(self.head):
            table.add_column(name, justify="right" if k else "left", no_wrap=not k)
        for row in self.rows:
            table.add_row(*row)
        return table


def write_report(report: dict, path: Path) -> None:
    """JSON with lists of numbers on one line each."""
    text = json.dumps(report, indent=1)
    flat = re.sub(r"\[\n[-\d.,\s]*\]", _on_one_line, text)  # no string has a real line break
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(flat + "\n")


def _on_one_line(match: re.Match[str]) -> str:
    return "[" + ", ".join(match.group()[1:-1].split()).replace(",,", ",") + "]"


def main_table(report: dict) -> Table:
    """Every headline number of a split with both intervals and the pixel-free baseline."""
    rows: list[tuple[str, ...]] = []
    if GRAPHS in report:
        rows += _graph_rows(report[GRAPHS], report.get("pixel_free", {}))
    if VSD_CLASSIFY in report:
        rows += _vsd_rows(report[VSD_CLASSIFY])
    if VALID_OUTPUT in report:
        rows += _valid_rows(report[VALID_OUTPUT])
    head = ("what", "model", "Wilson 95 %", "scenes 95 %", "without pixels", "of")
    return Table(f"{report['split']}, {report['model']} {report['precision']}", head, tuple(rows))


def _graph_rows(graphs: dict, blind: dict) -> list[tuple[str, ...]]:
    triplets = graphs["triplets"]
    b_objects, b_boxes = blind.get("objects", {}), blind.get("boxes", {})
    listed = blind.get("triplets", {})
    rows = [
        ("objects: recall", graphs["objects"]["recall"], b_objects.get("recall")),
        ("objects: precision", graphs["objects"]["precision"], b_objects.get("precision")),
        (
            "objects: mean recall of classes",
            graphs["objects"]["mean_recall"],
            b_objects.get("mean_recall"),
        ),
        ("boxes, any label: recall", graphs["boxes"]["recall"], b_boxes.get("recall")),
        (
            "boxes, any label: precision",
            graphs["boxes"]["precision"],
            b_boxes.get("precision"),
        ),
        ("text triplets: recall", triplets["text"]["recall"], listed.get("recall")),
        (
            "text triplets: mean recall",
            triplets["text"]["mean_recall"],
            listed.get("mean_recall"),
        ),
        ("text + depth triplets: recall", triplets["text_and_depth"]["recall"], None),
        (
            "text + depth triplets: mean recall",
            triplets["text_and_depth"]["mean_recall"],
            None,
        ),
        ("every relation, text + depth: recall", triplets["every_relation"]["recall"], None),
        ("text triplets: share that holds", graphs["said_and_true"], None),
    ]
    return [_row(name, measured, baseline) for name, measured, baseline in rows]


def _vsd_rows(vsd: dict) -> list[tuple[str, ...]]:
    blind = vsd.get("baselines", {}).get("text_only", {})
    score = blind.get("macro_f1")
    return [
        _row("VSD classify: accuracy", vsd["accuracy"], blind.get("accuracy")),
        (
            "VSD classify: macro F1",
            f"{vsd['macro_f1']:.3f}",
            "",
            "",
            "" if score is None else f"{score:.3f}",
            f"{len(vsd['by_relation'])} relations",
        ),
    ]


def _valid_rows(valid: dict) -> list[tuple[str, ...]]:
    rows = [
        _row("valid texts, no grammar", valid["without_grammar"], None),
        _row("well-formed texts, no grammar", valid["well_formed"], None),
    ]
    if "with_grammar" in valid:
        rows.append(_row("valid texts, grammar", valid["with_grammar"], None))
    return rows


def given_table(report: dict) -> Table:
    """What label statistics say of relations when the true objects and boxes are given."""
    blind = report["pixel_free"]
    rows = [
        _row("text triplets: recall", blind["triplets_given_true_objects"]["recall"]),
        _row(
            "text triplets: mean recall",
            blind["triplets_given_true_objects"]["mean_recall"],
        ),
        _row("every relation: recall", blind["every_relation_given_true_objects"]["recall"]),
        _row("share of triplets said that holds", blind["said_and_true_given_true_objects"]),
    ]
    head = ("what", "labels alone", "Wilson 95 %", "scenes 95 %", "of")
    return Table(
        "relations from true objects, no picture", head, tuple(row[:4] + row[5:] for row in rows)
    )


def size_table(report: dict) -> Table:
    """Recall by the size of objects."""
    rows = tuple(
        (
            row["size"],
            str(row["objects"]),
            f"{row['recall']:.3f}",
            _interval(row["wilson_95"]),
            f"{row['boxes']:.3f}",
        )
        for row in report[GRAPHS]["by_size"]
    )
    head = ("size", "objects", "recall", "Wilson 95 %", "boxes, any label")
    return Table(f"{report['split']}: objects by size", head, rows)


def class_table(report: dict, names: Sequence[str] | None = None) -> Table:
    """Recall and precision of each class, best first."""
    counts = report[GRAPHS]["by_class"]
    chosen = names if names is not None else sorted(counts, key=lambda n: -_recall(counts[n]))
    rows = tuple(
        (
            name,
            str(counts[name]["true"]),
            f"{_recall(counts[name]):.2f}",
            f"{counts[name]['found'] / max(1, counts[name]['predicted']):.2f}",
            f"{counts[name]['located'] / max(1, counts[name]['true']):.2f}",
        )
        for name in chosen
    )
    head = ("class", "objects", "recall", "precision", "boxes, any label")
    return Table(f"{report['split']}: objects by class", head, rows)


def predicate_table(report: dict) -> Table:
    """Recall of triplets by predicate, in the three readings."""
    triplets = report[GRAPHS]["triplets"]
    names = sorted({name for reading in triplets.values() for name in reading["by_predicate"]})
    rows = []
    for name in names:
        cells = []
        for reading in triplets.values():
            hits, total = reading["by_predicate"].get(name, (0, 0))
            cells.append(f"{hits / total:.2f} of {total}" if total else "")
        rows.append((name, *cells))
    head = ("predicate", "text", "text and depth", "every relation")
    return Table(f"{report['split']}: triplets by predicate", head, tuple(rows))


def confusion_table(report: dict, most: int = 12) -> Table:
    """What is most often called what."""
    rows = tuple((a, b, str(n)) for a, b, n in report[GRAPHS]["confusions"][:most])
    return Table(f"{report['split']}: names confused", ("is", "called", "times"), rows)


def answer_table(report: dict) -> Table:
    """Rows: the truth; columns: what was answered."""
    vsd = report[VSD_CLASSIFY]
    labels = list(vsd["by_relation"])
    rows = tuple(
        (
            label,
            *(str(vsd["confusion"].get(label, {}).get(said, "")) for said in labels),
            f"{vsd['by_relation'][label]['f1']:.2f}",
        )
        for label in labels
    )
    return Table(f"{report['split']}: VSD answers", ("true \\ answered", *labels, "F1"), rows)


def _row(name: str, measured: dict, baseline: dict | None = None) -> tuple[str, ...]:
    return (
        name,
        f"{measured['value']:.3f}",
        _interval(measured.get("wilson_95")),
        _interval(measured["scenes_95"]),
        "" if baseline is None else f"{baseline['value']:.3f}",
        str(measured["of"]),
    )


def _interval(bounds: Sequence[float] | None) -> str:
    return "" if bounds is None else f"{bounds[0]:.3f}–{bounds[1]:.3f}"


def _recall(counts: dict) -> float:
    return counts["found"] / counts["true"] if counts["true"] else -1.0
