"""What a set of instruction rows consists of, counted while it is written."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from spacesgg_ros.graph.predicates import VSD_LABELS
from spacesgg_ros.vlm.prompts import IMAGE_TOKEN, render_training_text
from spacesgg_ros.vlm.text_tokenizer import build_tokenizer

from .rows import TASKS, Row
from .spatial_text import template_words

_WORD = re.compile("[A-Za-z]+")
_PREDICATE = re.compile("<pred>(.*?)</pred>")


@dataclass
class RowStatistics:
    """Counts over rows; tokens are those of the embedded model's tokenizer for ``labels``."""

    labels: frozenset[str]
    rows: Counter[str] = field(default_factory=Counter)
    tokens: dict[str, list[int]] = field(default_factory=dict)
    learnt: dict[str, list[int]] = field(default_factory=dict)
    predicates: dict[str, Counter[str]] = field(default_factory=dict)
    words: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self._tokenizer = build_tokenizer([*sorted(self.labels), *template_words()])

    def add(self, row: Row) -> None:
        """Counts one row."""
        self.rows[row.task] += 1
        answers = [answer for _, answer in row.exchanges]
        # The turns of a conversation share one image; its own tokens are not counted.
        texts = [render_training_text(p, a).replace(IMAGE_TOKEN, "") for p, a in row.exchanges]
        encoded = [e.ids for e in self._tokenizer.encode_batch(texts, add_special_tokens=False)]
        spoken = [e.ids for e in self._tokenizer.encode_batch(answers, add_special_tokens=False)]
        self.tokens.setdefault(row.task, []).append(sum(map(len, encoded)))
        self.learnt.setdefault(row.task, []).append(sum(map(len, spoken)) + len(answers))
        told = self.predicates.setdefault(row.task, Counter())
        for answer in answers:
            if row.task == "vsd-classify":
                told[answer] += 1
            told.update(_PREDICATE.findall(answer))
            self.words.update(_WORD.findall(answer))

    def summary(self) -> dict[str, Any]:
        """Plain numbers for JSON and for a table."""
        tasks = [task for task in TASKS if self.rows[task]]
        return {
            "rows": {task: self.rows[task] for task in tasks},
            "tokens": {task: _spread(self.tokens[task]) for task in tasks},
            "learnt_tokens": {task: _spread(self.learnt[task]) for task in tasks},
            "relations": {
                task: {p: self.predicates[task][p] for p in VSD_LABELS}
                for task in tasks
                if self.predicates[task]
            },
            "words": {"distinct": len(self.words), "all": self.words.total()},
        }


def _spread(values: list[int]) -> dict[str, int]:
    low, high = np.percentile(values, [50, 95])
    return {"median": round(low), "p95": round(high), "max": max(values), "sum": sum(values)}
