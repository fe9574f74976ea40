"""The result file of every ``spacesgg score`` command.

``result.json``::

    {"schema": 1, "name": "...", "protocol": "...",
     "headline": {metric: {"value", "low", "high", "n"}},
     "baseline": {name: {metric: {"value", "low", "high", "n"}}},
     "per_item": {metric: {"kind": "ratio", "items": {item: [part, whole]}}},
     "groups": {item: group}, "settings": {...}, "details": {...}}

Metrics with the same items (AP at other thresholds) hold them once: ``"items_of": metric``.
``per_item`` holds what every item got (:class:`.outcomes.Outcomes`), from which the headline
numbers and their intervals follow and with which two files can be compared. ``groups`` names what
stands and falls together (the questions of one image, the views of one scene); an item without one
is its own group.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from spacesgg_ros.training.evaluate.intervals import RESAMPLES

from .outcomes import Outcomes, ScoreError

SCHEMA = 1
RESULT_FILE = "result.json"


@dataclass(frozen=True)
class Measure:
    """A number, its 95 % interval (percentile bootstrap over groups) and how many items it is of.

    ``low`` and ``high`` are None where there is no interval, ``value`` where it was not measured
    (``settings`` or ``details`` say why).
    """

    value: float | None
    low: float | None
    high: float | None
    n: int

    def __str__(self) -> str:
        if self.value is None:
            return "not measured"
        if self.low is None or self.high is None:
            return f"{self.value:.3f}"
        return f"{self.value:.3f} ({self.low:.3f}–{self.high:.3f})"


@dataclass(frozen=True)
class ScoreResult:
    """What one run of one protocol measured.

    Attributes:
        name: of what was scored: a model, an answers file.
        protocol: which rules: ``spatial``, ``vsd``, ``detection``, ``psg-asmv2`` ...
        headline: the numbers to quote.
        per_item: outcomes by metric; at least of every headline number that has an interval.
        baseline: what is known without pixels, by name of the baseline, then metric.
        groups: group of an item; missing: the item itself.
        settings: what decides the numbers (files, tokenizer, thresholds), plain JSON.
        details: tables by category, confusions, what was left out and why; plain JSON.
    """

    name: str
    protocol: str
    headline: Mapping[str, Measure]
    per_item: Mapping[str, Outcomes] = field(default_factory=dict)
    baseline: Mapping[str, Mapping[str, Measure]] = field(default_factory=dict)
    groups: Mapping[str, str] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)
    details: Mapping[str, Any] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return {
            "schema": SCHEMA,
            "name": self.name,
            "protocol": self.protocol,
            "headline": {k: asdict(m) for k, m in self.headline.items()},
            "baseline": {
                name: {k: asdict(m) for k, m in measures.items()}
                for name, measures in self.baseline.items()
            },
            "settings": dict(self.settings),
            "details": dict(self.details),
            "groups": dict(self.groups),
            "per_item": _share_items(self.per_item),
        }

    @staticmethod
    def from_dict(data: Mapping[str, Any]) -> ScoreResult:
        """Inverse of :meth:`to_dict`.

        Raises:
            ScoreError: not a result, or one of another schema.
        """
        if data.get("schema") != SCHEMA:
            raise ScoreError(
                f"a result of schema {SCHEMA} is expected, got {data.get('schema')!r}; write it "
                "again with `spacesgg score`"
            )
        try:
            return ScoreResult(
                str(data["name"]),
                str(data["protocol"]),
                {k: Measure(**m) for k, m in data["headline"].items()},
                {k: _read_outcomes(data["per_item"], o) for k, o in data["per_item"].items()},
                {
                    name: {k: Measure(**m) for k, m in measures.items()}
                    for name, measures in data["baseline"].items()
                },
                dict(data["groups"]),
                dict(data["settings"]),
                dict(data["details"]),
            )
        except (KeyError, TypeError, AttributeError) as error:
            raise ScoreError(f"not a score result: {error!r}") from error


def measure(
    outcomes: Outcomes, groups: Mapping[str, str] | None = None, resamples: int = RESAMPLES
) -> Measure:
    """The number of these outcomes with its bootstrap interval over groups."""
    n = len(outcomes.items)
    if not n:
        return Measure(None, None, None, 0)
    weights = draw_weights(list(outcomes.items), groups or {}, resamples)
    low, high = np.percentile(outcomes.evaluate(weights), [2.5, 97.5])
    return Measure(
        round(float(outcomes.evaluate()[0]), 4), round(float(low), 4), round(float(high), 4), n
    )


def draw_weights(
    items: Sequence[str], groups: Mapping[str, str], resamples: int = RESAMPLES
) -> np.ndarray:
    """``(resamples, items)``: how often each draw of whole groups takes every item.

    The same draws for the same groups, as :func:`..intervals.bootstrap` has them, so that two
    results on the same items are resampled together.
    """
    names, member = np.unique([groups.get(item, item) for item in items], return_inverse=True)
    rng = np.random.default_rng(0)
    drawn = rng.multinomial(len(names), np.full(len(names), 1 / len(names)), size=resamples)
    return drawn[:, member]


def make_result(
    name: str,
    protocol: str,
    per_item: Mapping[str, Outcomes],
    *,
    groups: Mapping[str, str] | None = None,
    baseline: Mapping[str, Mapping[str, Outcomes]] | None = None,
    settings: Mapping[str, Any] | None = None,
    details: Mapping[str, Any] | None = None,
) -> ScoreResult:
    """A result whose numbers and intervals are computed from outcomes, the baselines' too.

    A metric with no item is reported as not measured.
    """
    groups = dict(groups or {})
    return ScoreResult(
        name,
        protocol,
        {metric: measure(outcomes, groups) for metric, outcomes in per_item.items()},
        {metric: outcomes for metric, outcomes in per_item.items() if outcomes.items},
        {
            blind: {metric: measure(outcomes, groups) for metric, outcomes in those.items()}
            for blind, those in (baseline or {}).items()
        },
        groups,
        dict(settings or {}),
        dict(details or {}),
    )


def write_result(result: ScoreResult, path: Path) -> None:
    """Write the JSON whole or not at all, one item a line at most; same result, same bytes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    data = result.to_dict()
    per_item = data.pop("per_item")
    head = json.dumps(data, ensure_ascii=False, indent=1)[:-2]
    tables = []
    for metric, outcomes in per_item.items():
        items = outcomes.pop("items", None)
        if items is None:
            tables.append(f"  {_dump(metric)}: {_dump(outcomes)}")
            continue
        lines = ",\n   ".join(f"{_dump(k)}: {_dump(v)}" for k, v in items.items())
        start = _dump(outcomes)[:-1]
        tables.append(f'  {_dump(metric)}: {start}, "items": {{\n   {lines}\n  }}}}')
    text = f'{head},\n "per_item": {{\n' + ",\n".join(tables) + "\n }\n}\n"
    temporary = path.with_name(path.name + ".tmp")
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(path)


def read_result(path: Path) -> ScoreResult:
    """Read what :func:`write_result` wrote; a folder stands for the ``result.json`` in it.

    Raises:
        ScoreError: no such file, or not a result.
    """
    file = path / RESULT_FILE if path.is_dir() else path
    try:
        data = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise ScoreError(
            f"cannot read {file} ({error.strerror}); name a result.json, or the folder that "
            "`spacesgg score` wrote by --out"
        ) from error
    except (ValueError, RecursionError) as error:
        raise ScoreError(f"{file} is no result of `spacesgg score`: {error!s:.100}") from error
    if not isinstance(data, dict):
        raise ScoreError(f"{file} holds a {type(data).__name__}, a result is an object")
    try:
        return ScoreResult.from_dict(data)
    except ScoreError as error:
        raise ScoreError(f"{file}: {error}") from error


def _share_items(per_item: Mapping[str, Outcomes]) -> dict[str, Any]:
    """As JSON, items that several metrics have in common with the first of them only."""
    owners: dict[int, str] = {}
    tables = {}
    for metric, outcomes in per_item.items():
        owner = owners.setdefault(id(outcomes.items), metric)
        table = outcomes.to_dict()
        if owner != metric:
            del table["items"]
            table["items_of"] = owner
        tables[metric] = table
    return tables


def _read_outcomes(per_item: Mapping[str, Any], table: Mapping[str, Any]) -> Outcomes:
    if "items_of" in table:
        table = {**table, "items": per_item[table["items_of"]]["items"]}
    return Outcomes.from_dict(table)


def _dump(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
