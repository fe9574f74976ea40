"""Sentences rewritten for variety, kept only where they still say the same (LLaVA-VSD's refining).

A rewriter is anything with ``rewrite(sentences) -> sentences``: the rules of :mod:`.rules`, or a
language model. Every sentence it gives back is checked (:mod:`.meaning`); one that does not pass
is listed and the original stays.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple, Protocol

from spacesgg_ros.vlm import prompts

from ..grammar import sentence as capitalise
from ..rejected import Rejected, count_reasons
from ..rows import Row, RowError, Turn
from ..writing.generator import GenerationFailed
from .diversity import Diversity, measure_diversity
from .meaning import check_rewrite

STAGE = "refine"
REFINED_TASKS = ("vsd-describe", "vsd-open")
_BATCH_ROWS = 256


class Rewriter(Protocol):
    """Says sentences in other words."""

    @property
    def name(self) -> str:
        """What provenance calls it."""
        ...

    def rewrite(self, sentences: list[str]) -> Sequence[str | GenerationFailed]:
        """One sentence for each, in order, or why there is none.

        Raises:
            GenerationFailed: nothing more can be rewritten now.
        """
        ...


class Facts(NamedTuple):
    """What a row speaks of; no label where the row does not say it."""

    subject: str
    object: str
    label: str | None


@dataclass
class RefinementReport:
    """What became of the sentences.

    Attributes:
        rows: rows with sentences to rewrite.
        before, after: all their sentences, as they were and as they are.
        changed: sentences that were replaced.
        same: sentences that the rewriter gave back unchanged.
        rejected: rewrites that were turned away.
    """

    rows: int = 0
    before: list[str] = field(default_factory=list)
    after: list[str] = field(default_factory=list)
    changed: int = 0
    same: int = 0
    rejected: list[Rejected] = field(default_factory=list)

    def diversity(self) -> dict[str, Diversity]:
        """Measures of the sentences before and after."""
        return {"before": measure_diversity(self.before), "after": measure_diversity(self.after)}

    def summary(self) -> dict[str, Any]:
        """Plain JSON."""
        return {
            "rows": self.rows,
            "sentences": len(self.before),
            "changed": self.changed,
            "same": self.same,
            "rejected": count_reasons(self.rejected),
            "diversity": {k: d._asdict() for k, d in self.diversity().items()},
        }


def refine_rows(rows: Iterable[Row], rewriter: Rewriter, report: RefinementReport) -> Iterator[Row]:
    """The rows in order, their sentences rewritten where the meaning is kept.

    Only ``vsd-describe`` and ``vsd-open`` are rewritten; any other row passes as it is. The
    report is filled while rows are drawn.
    """
    batch: list[Row] = []
    for row in rows:
        batch.append(row)
        if len(batch) == _BATCH_ROWS:
            yield from _refine_batch(batch, rewriter, report)
            batch = []
    yield from _refine_batch(batch, rewriter, report)


def read_facts(row: Row) -> Facts | None:
    """The two names, and the label, of a row: from its provenance, else from its prompt."""
    told = row.provenance
    if all(isinstance(told.get(key), str) for key in ("subject", "object")):
        label = told.get("predicate")
        return Facts(told["subject"], told["object"], label if isinstance(label, str) else None)
    found = _PROMPTS[row.task].fullmatch(row.exchanges[0][0]) if row.task in _PROMPTS else None
    return Facts(found["subject"], found["object"], None) if found else None


def _prompt_pattern(prompt: str) -> re.Pattern[str]:
    parts = re.split(r"\{(\w+)\}", prompt)
    return re.compile(
        "".join(f"(?P<{p}>.+?)" if k % 2 else re.escape(p) for k, p in enumerate(parts))
    )


_PROMPTS = {
    "vsd-describe": _prompt_pattern(prompts.DESCRIBE_PROMPT),
    "vsd-open": _prompt_pattern(prompts.OPEN_PROMPT),
}


def _refine_batch(
    rows: Sequence[Row], rewriter: Rewriter, report: RefinementReport
) -> Iterator[Row]:
    facts = [read_facts(row) if row.task in REFINED_TASKS else None for row in rows]
    lines = [
        row.conversations[-1].text.split("\n") if f else []
        for row, f in zip(rows, facts, strict=True)
    ]
    asked = [line for group in lines for line in group]
    rewritten = rewriter.rewrite(asked) if asked else []
    if len(rewritten) != len(asked):
        raise ValueError(
            f"rewriter {rewriter.name} gave {len(rewritten)} sentences for {len(asked)}; "
            "it must give one for each, in order"
        )
    given = iter(rewritten)
    for row, fact, group in zip(rows, facts, lines, strict=True):
        if fact is None:
            if row.task in REFINED_TASKS:
                report.rejected.append(
                    Rejected(row.id, STAGE, "names of the two things unknown", row.exchanges[0][0])
                )
            yield row
            continue
        taken = [next(given) for _ in group]
        yield _refine_row(row, fact, group, taken, rewriter.name, report)


def _refine_row(
    row: Row,
    facts: Facts,
    lines: Sequence[str],
    rewritten: Sequence[str | GenerationFailed],
    rewriter: str,
    report: RefinementReport,
) -> Row:
    out = list(lines)
    for k, (line, raw) in enumerate(zip(lines, rewritten, strict=True)):
        if isinstance(raw, GenerationFailed):
            report.rejected.append(Rejected(row.id, STAGE, raw.reason.value, str(raw)))
            continue
        candidate = tidy_rewrite(raw)
        if candidate == line:
            report.same += 1
            continue
        verdict = check_rewrite(line, candidate, facts.subject, facts.object, facts.label)
        reason = verdict.reason.value if verdict.reason else ""
        if not reason and candidate in out:
            reason = "repeats another sentence"
        if reason:
            detail = f"{line} -> {candidate}" + (f" ({verdict.detail})" if verdict.detail else "")
            report.rejected.append(Rejected(row.id, STAGE, reason, detail))
        else:
            out[k] = candidate
    changed = sum(a != b for a, b in zip(lines, out, strict=True))
    report.rows += 1
    report.before += lines
    report.after += out
    report.changed += changed
    if not changed:
        return row
    provenance = dict(row.provenance) | {"rewriter": rewriter, "rewritten": changed}
    answer = Turn(row.conversations[-1].speaker, "\n".join(out))
    return replace(row, conversations=(*row.conversations[:-1], answer), provenance=provenance)


def tidy_rewrite(text: str) -> str:
    """Without quotation marks around it; a capital first, a full stop last."""
    tidied = text.strip()
    while len(tidied) > 1 and tidied[0] in "\"'“‘" and tidied[-1] in "\"'”’":
        tidied = tidied[1:-1].strip()
    if tidied and tidied[-1].isalnum():
        tidied += "."
    return capitalise(tidied)


@dataclass(frozen=True)
class RefineStage:
    """Rows as plain JSON in, rows out; in place of rewrites that did not pass, the reasons."""

    rewriter: Rewriter

    def __call__(self, batch: Sequence[dict[str, Any]]) -> list[dict[str, Any] | Rejected]:
        rows: list[Row] = []
        out: list[dict[str, Any] | Rejected] = []
        for record in batch:
            try:
                rows.append(Row.from_dict(record))
            except RowError as error:
                out.append(Rejected(str(record.get("id", "?")), STAGE, "not a row", str(error)))
        report = RefinementReport()
        refined = [row.to_dict() for row in refine_rows(rows, self.rewriter, report)]
        return [*refined, *out, *report.rejected]
