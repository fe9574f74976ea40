"""The label map as a table: classes, models, what is held out, licences."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml

from .assets import LABELS_FILE, LICENCES
from .dataset import read_shards


@dataclass(frozen=True)
class LabelEntry:
    """A class: its role (object, support or furniture), models and licences."""

    label: str
    role: str
    trained: tuple[str, ...]
    unseen: tuple[str, ...]

    @property
    def licences(self) -> tuple[str, ...]:
        libraries = {key.split("/")[0] for key in (*self.trained, *self.unseen)}
        return tuple(sorted({LICENCES[library] for library in libraries}))


def read_label_map(path: Path = LABELS_FILE) -> list[LabelEntry]:
    """Every class in the file's order."""
    entries = []
    for label, entry in yaml.safe_load(path.read_text()).items():
        unseen = tuple(entry.get("unseen", ()))
        trained = tuple(key for key in entry["models"] if key not in unseen)
        entries.append(LabelEntry(label, entry.get("role", "object"), trained, unseen))
    return entries


def count_labels(shards: list[Path]) -> Counter[str]:
    """How many labelled objects of each class the shards hold."""
    counts: Counter[str] = Counter()
    for record, _ in read_shards(shards, images=False):
        counts.update(item["label"] for item in record["objects"])
    return counts


def write_table(entries: list[LabelEntry], counts: Mapping[str, int] | None = None) -> str:
    """Markdown: one row a class, ``counts`` as a further column where given."""
    heads = ["class", "role", "models", "held out", "licences"]
    rows = [
        [e.label, e.role, str(len(e.trained)), str(len(e.unseen)), ", ".join(e.licences)]
        for e in sorted(entries, key=lambda e: (e.role, e.label))
    ]
    if counts is not None:
        heads.append("objects")
        for row in rows:
            row.append(str(counts.get(row[0], 0)))
    lines = [heads, ["---"] * len(heads), *rows]
    return "".join("| " + " | ".join(line) + " |\n" for line in lines)
