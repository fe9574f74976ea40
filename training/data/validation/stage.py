"""Validation as a stage of a pipeline: a batch in, a batch out, nothing kept between them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from ..grounded import GroundedImage
from .check import validate_rows
from .config import ValidationConfig
from .duplicates import drop_duplicates


@dataclass(frozen=True)
class ValidateStage:
    """Keeps the good rows of each image and turns the others into rejections.

    In and out: ``{"image": a grounded image, "rows": [a row, ...], "rejected": [...]}``, all plain
    JSON. Rows that repeat another of the same image are dropped here, so that a set whose images
    are all different has no duplicates and needs no pass of its own.
    """

    config: ValidationConfig = field(default_factory=ValidationConfig)

    def __call__(self, batch: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
        return [self._validate(record) for record in batch]

    def _validate(self, record: dict[str, Any]) -> dict[str, Any]:
        image = GroundedImage.from_dict(record["image"])
        good, wrong = validate_rows(record["rows"], image, self.config)
        kept, again = drop_duplicates(good)
        turned_away = [*record.get("rejected", ()), *(r.to_dict() for r in (*wrong, *again))]
        return record | {"rows": [row.to_dict() for row in kept], "rejected": turned_away}
