"""What a pipeline could not use: kept, counted and listed, never silently dropped."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.table import Table


@dataclass(frozen=True)
class Rejected:
    """A record or row that did not get through.

    Attributes:
        id: of the record, or where it stood (``FILE:LINE``).
        stage: which step turned it away: read, measure, write, validate, ...
        reason: a short fixed phrase, countable ("no such image").
        detail: what was seen and what was expected.
    """

    id: str
    stage: str
    reason: str
    detail: str = ""

    def to_dict(self) -> dict[str, str]:
        """The JSON object."""
        return asdict(self)

    @staticmethod
    def from_dict(data: Mapping[str, Any]) -> Rejected:
        """Inverse of :meth:`to_dict`."""
        return Rejected(**{k: str(data.get(k, "")) for k in ("id", "stage", "reason", "detail")})


def count_reasons(rejected: Iterable[Rejected]) -> dict[str, int]:
    """``"stage: reason"`` to how often, most frequent first."""
    counts = Counter(f"{r.stage}: {r.reason}" for r in rejected)
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def write_rejected(path: Path, rejected: Iterable[Rejected]) -> None:
    """One JSON object a line."""
    lines = [json.dumps(r.to_dict(), ensure_ascii=False) + "\n" for r in rejected]
    path.write_text("".join(lines), encoding="utf-8", errors="backslashreplace")


def rejected_table(counts: Mapping[str, int], title: str = "not used") -> Table:
    """``counts`` of :func:`count_reasons` for people."""
    table = Table("stage: reason", "count", title=title)
    for reason, count in counts.items():
        table.add_row(reason, str(count))
    return table
