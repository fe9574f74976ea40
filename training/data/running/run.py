"""A run from its start or from where it was killed, on either runner, to its results."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from spacesgg_ros.extras import require
from spacesgg_ros.training.data.rejected import Rejected, count_reasons

from .chunks import Chunk, Source, read_chunk
from .manifest import lock_folder, make_manifest, open_folder
from .parts import Done, Parts, write_whole
from .pipeline import Batch, BatchFunction, Pipeline, RunConfig, Stage, Times, apply_stage

RUNNERS = ("local", "ray")
_COPY_BYTES = 1 << 20


@dataclass(frozen=True)
class Job:
    """All that a worker needs; picklable."""

    pipeline: Pipeline
    source: Source
    parts: Parts


class Worker:
    """A process at work on a job. It makes a stage on its first use: a model is loaded once."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._functions: dict[str, BatchFunction] = {}

    def run_chunk(self, chunk: Chunk) -> Done:
        """A chunk from reading to its mark."""
        batch = read_chunk(self._job.source, chunk)
        return self._job.parts.write(self.run_stages(self._job.pipeline.stages, batch))

    def run_stages(self, stages: Iterable[Stage], batch: Batch) -> Batch:
        """Some stages over a chunk, in order."""
        for stage in stages:
            if stage.name not in self._functions:
                self._functions[stage.name] = stage.make()
            batch = apply_stage(stage, self._functions[stage.name], batch)
        return batch


Runner = Callable[[Job, Sequence[Chunk], RunConfig], Iterator[Done]]
"""Runs chunks in any order; yields each once its mark is written."""


@dataclass(frozen=True)
class Outcome:
    """What a run came to.

    Attributes:
        out: its folder.
        records, rows: read, written.
        tasks: rows, exchanges and words by task.
        rejected: counts by ``"stage: reason"``.
        times: by stage, of all processes together.
        done_before: chunks that an earlier run had done.
    """

    out: Path
    records: int
    rows: int
    tasks: Mapping[str, Mapping[str, int]]
    rejected: Mapping[str, int]
    times: Mapping[str, Times]
    done_before: int

    def to_dict(self) -> dict[str, Any]:
        """What ``counts.json`` holds: nothing that differs from run to run."""
        return {
            "records": self.records,
            "rows": self.rows,
            "tasks": {task: dict(counts) for task, counts in self.tasks.items()},
            "rejected": dict(self.rejected),
        }


def find_runner(name: str) -> Runner:
    """A runner by name.

    Raises:
        ValueError: there is none.
        MissingExtraError: Ray is not installed.
    """
    if name == "local":
        from .local import run_chunks

        return run_chunks
    if name == "ray":
        require("ray.data", "ray")
        from .ray_runner import run_chunks

        return run_chunks
    raise ValueError(f"the runner is {' or '.join(RUNNERS)}; got {name!r}")


def run_pipeline(
    pipeline: Pipeline,
    source: Source,
    config: RunConfig,
    runner: str = "local",
    console: Console | None = None,
) -> Outcome:
    """Do what is not done yet of a run, then write its results.

    ``out`` gets ``parts/`` (rows and a mark, a chunk), ``rows.jsonl`` (all of them, JSONL output
    only), ``rejected.jsonl`` and ``counts.json``. Killed at any time and started again, it goes
    on with the first chunk without a mark; the bytes are those of a run that was not killed.

    Args:
        console: shows progress; None: silent.

    Raises:
        RunError: the folder holds another run, or is in use.
        RunStopped: a stage says that no record can be done now.
    """
    run_chunks = find_runner(runner)
    plan = source.plan(config.chunk, config.limit)
    with lock_folder(config.out):
        open_folder(config.out, make_manifest(pipeline, config, plan))
        # Absolute: on a cluster a worker has another working folder.
        parts = Parts(config.out.resolve() / "parts", config.output)
        parts.folder.mkdir(exist_ok=True)
        parts.remove_leftovers()
        missing = [c for c in plan.chunks if parts.read_done(c.number) is None]
        job = Job(pipeline, source, parts)
        _show_progress(run_chunks(job, missing, config), plan.chunks, missing, console)
        return _write_results(config, parts, len(plan.chunks), len(missing))


def _show_progress(
    finished: Iterator[Done], chunks: Sequence[Chunk], missing: Sequence[Chunk], console: Any
) -> None:
    counts = {chunk.number: chunk.count for chunk in chunks}
    before = sum(counts.values()) - sum(c.count for c in missing)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[rows]} rows, {task.fields[rejected]} rejected"),
    )
    shown = console or Console(quiet=True)
    with Progress(*columns, console=shown, disable=console is None) as progress:
        bar = progress.add_task(
            "records", total=sum(counts.values()), completed=before, rows=0, rejected=0
        )
        rows = rejected = 0
        for done in finished:
            rows, rejected = rows + done.rows, rejected + len(done.rejected)
            progress.update(bar, advance=counts[done.number], rows=rows, rejected=rejected)


def _write_results(config: RunConfig, parts: Parts, chunks: int, missing: int) -> Outcome:
    """Join the parts in the order of the input; ``counts.json`` last, as the run's own mark."""
    records = rows = 0
    tasks: dict[str, Counter[str]] = {}
    times: dict[str, Times] = {}
    reasons: Counter[str] = Counter()
    joined = config.out / ".rows.jsonl.tmp"
    listed = config.out / ".rejected.jsonl.tmp"
    with joined.open("wb") as rows_file, listed.open("wb") as rejected_file:
        for number in range(chunks):
            done = parts.read_done(number)
            if done is None:
                raise RuntimeError(f"chunk {number} has no mark after the run")
            if config.output == "jsonl":
                rows_file.write(parts.read_rows(done))
            rejected_file.writelines(_line(entry) for entry in done.rejected)
            records, rows = records + done.read, rows + done.rows
            for stage, value in done.times.items():
                times[stage] = times.get(stage, Times(0, 0)).plus(value)
            reasons.update(count_reasons(done.rejected))
            for task, counts in done.tasks.items():
                tasks.setdefault(task, Counter()).update(counts)
    if config.output == "jsonl":
        joined.replace(config.out / "rows.jsonl")
    else:
        joined.unlink()
    listed.replace(config.out / "rejected.jsonl")
    outcome = Outcome(
        out=config.out,
        records=records,
        rows=rows,
        tasks={task: dict(tasks[task]) for task in sorted(tasks)},
        rejected=dict(sorted(reasons.items(), key=lambda item: (-item[1], item[0]))),
        times=times,
        done_before=chunks - missing,
    )
    text = json.dumps(outcome.to_dict(), indent=1, ensure_ascii=False) + "\n"
    write_whole(config.out / "counts.json", text.encode())
    return outcome


def _line(entry: Rejected) -> bytes:
    return (json.dumps(entry.to_dict(), ensure_ascii=False) + "\n").encode()


def times_table(outcome: Outcome) -> Table:
    """Where the time went, for people."""
    total = sum(times.cpu_s for times in outcome.times.values()) or 1.0
    table = Table("stage", title="time of all processes")
    for name in ("CPU s", "share", "CPU ms a record", "wall s"):
        table.add_column(name, justify="right")
    for stage, (cpu_s, wall_s) in outcome.times.items():
        a_record = 1e3 * cpu_s / max(1, outcome.records)
        share = f"{cpu_s / total:.0%}"
        table.add_row(stage, f"{cpu_s:.1f}", share, f"{a_record:.1f}", f"{wall_s:.1f}")
    return table


def tasks_table(outcome: Outcome) -> Table:
    """Rows by task, for people."""
    table = Table("task", title="rows")
    for name in ("rows", "exchanges", "words an answer"):
        table.add_column(name, justify="right")
    for task, counts in outcome.tasks.items():
        words = counts["words"] / max(1, counts["exchanges"])
        table.add_row(task, f"{counts['rows']:,}", f"{counts['exchanges']:,}", f"{words:.1f}")
    return table
