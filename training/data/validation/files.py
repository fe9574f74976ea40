"""A file of rows against a file of measured images, into a folder."""

from __future__ import annotations

import itertools
import json
import os
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ..grounded import GroundedImage
from ..rejected import Rejected, count_reasons, write_rejected
from ..rows import Row, write_rows
from ..sources.files import read_grounded
from .check import validate_rows
from .config import ValidationConfig
from .duplicates import STAGE, conversation_key
from .problems import ProblemKind

GOOD, REJECTED, COUNTS = "good.jsonl", "rejected.jsonl", "counts.json"
_NAMED_BY = ("grounded", "frame")
"""Keys of a row's provenance that may hold the id of its grounded image."""


@dataclass(frozen=True)
class ValidationReport:
    """What became of a file of rows.

    Attributes:
        rows, good: how many there were and are, by task ("" for what is no row).
        reasons: ``"stage: reason"`` to how often, most frequent first.
        images: how many the measured set has.
    """

    rows: Mapping[str, int]
    good: Mapping[str, int]
    reasons: Mapping[str, int]
    images: int

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return {
            "rows": sum(self.rows.values()),
            "good": sum(self.good.values()),
            "by_task": {
                task: {"rows": count, "good": self.good.get(task, 0)}
                for task, count in sorted(self.rows.items())
            },
            "reasons": dict(self.reasons),
        }


def _rebase(image: str, old: Path, new: Path) -> str:
    """The same picture, named from another folder."""
    return Path(os.path.relpath(old.resolve() / image, new.resolve())).as_posix()


def validate_file(
    rows: Path, measured: Path, out: Path, config: ValidationConfig
) -> ValidationReport:
    """Write the good rows, the rejected ones with their reasons, and the counts to ``out``.

    Rows keep their order. A row finds its image by its provenance (``grounded`` or ``frame``).

    Raises:
        FileError: the measured set cannot be opened.
        OSError: the rows cannot be read or ``out`` not be written.
    """
    images: dict[str, GroundedImage] = {}
    rejected: list[Rejected] = []
    for image in read_grounded(measured):
        if isinstance(image, Rejected):
            rejected.append(image)
        else:
            images[image.id] = image
    seen: Counter[str] = Counter()
    good: Counter[str] = Counter()

    def keep() -> Iterator[Row]:
        first: dict[str, str] = {}
        for image_id, group in itertools.groupby(_read_objects(rows, rejected), _image_of):
            found = list(group)
            seen.update(str(data.get("task", "")) for data in found)
            if image_id not in images:
                detail = f"none of {measured.name} has the id {image_id!r}"
                reason = ProblemKind.NO_IMAGE.value
                rejected.extend(
                    Rejected(str(data.get("id", "")), STAGE, reason, detail) for data in found
                )
                continue
            kept, wrong = validate_rows(found, images[image_id], config)
            rejected.extend(wrong)
            for row in kept:
                key = conversation_key(row)
                if key in first:
                    detail = f"says what {first[key]} says"
                    again = ProblemKind.DUPLICATE_ROW.value
                    rejected.append(Rejected(row.id, STAGE, again, detail))
                    continue
                first[key] = row.id
                good[row.task] += 1
                yield replace(row, image=_rebase(row.image, rows.parent, out))

    out.mkdir(parents=True, exist_ok=True)
    write_rows(out / GOOD, keep())
    write_rejected(out / REJECTED, rejected)
    report = ValidationReport(dict(seen), dict(good), count_reasons(rejected), len(images))
    (out / COUNTS).write_text(json.dumps(report.to_dict(), indent=1) + "\n", encoding="utf-8")
    return report


def _read_objects(path: Path, rejected: list[Rejected]) -> Iterator[dict[str, Any]]:
    """The JSON objects of a file; a line that is none is rejected under its number."""
    with path.open(encoding="utf-8", errors="replace") as file:
        for number, line in enumerate(file, 1):
            if not line.strip():
                continue
            try:
                data = json.loads(line)
            except (ValueError, RecursionError) as error:
                data = error
            if isinstance(data, dict):
                yield data
            else:
                reason = ProblemKind.MALFORMED.value
                detail = f"not a JSON object: {data}"[:200]
                rejected.append(Rejected(f"{path.name}:{number}", STAGE, reason, detail))


def _image_of(data: Mapping[str, Any]) -> str:
    provenance = data.get("provenance")
    if not isinstance(provenance, dict):
        return ""
    return next((str(provenance[key]) for key in _NAMED_BY if key in provenance), "")
