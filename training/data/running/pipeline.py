"""What every runner runs: named stages, batch of plain JSON in, batch out, nothing of an engine.

A chunk of the input goes through all stages, becomes one file of rows and one mark that it is
done (:mod:`.parts`). Rows depend on the chunk alone, so who ran it, when, and beside what does
not matter: every runner writes the same bytes.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

from spacesgg_ros.extras import MissingExtraError
from spacesgg_ros.training.data.rejected import Rejected

Record: TypeAlias = dict[str, Any]
"""Plain JSON with an ``id``."""

Item: TypeAlias = Record | Rejected
"""A record that goes on, or why one does not."""

BatchFunction = Callable[[list[Record]], Iterable[Item]]
"""A stage at work: how many come out for one that goes in is its own affair."""

OUTPUTS = ("jsonl", "parquet")


class RunError(RuntimeError):
    """A run that cannot start or go on: what was seen and what to do."""


class RunStopped(RunError):
    """Raised by a stage where no record can be done now (a server is gone, a budget is spent).

    The chunk stays undone, the run ends, and the same command goes on from there.
    """


@dataclass(frozen=True)
class Stage:
    """A step of a pipeline.

    Attributes:
        name: in progress, rejected records and timings.
        make: builds the function, once a worker process; picklable. A model is loaded here.
        batch: records that are handed over at once.
        cpus, gpus: what one copy takes; only Ray schedules by it.
        actors: copies that are made once and stay (for models); 0: any worker makes its own.
    """

    name: str
    make: Callable[[], BatchFunction]
    batch: int = 64
    cpus: float = 1
    gpus: float = 0
    actors: int = 0

    def __post_init__(self) -> None:
        if not self.name or self.batch < 1 or self.actors < 0:
            raise ValueError(f"a stage needs a name, batch >= 1 and actors >= 0; got {self}")
        if self.gpus and not self.actors:
            raise ValueError(f"stage {self.name} takes a GPU: say how many actors share them")


@dataclass(frozen=True)
class Pipeline:
    """Stages in order, and all that decides what comes out of them.

    Attributes:
        settings: plain JSON. A folder that holds a run with others is refused.
    """

    stages: tuple[Stage, ...]
    settings: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        names = [stage.name for stage in self.stages]
        if not names or len(set(names)) != len(names):
            raise ValueError(f"stages need different names, at least one; got {names}")


@dataclass(frozen=True)
class RunConfig:
    """Where a run writes and how it is cut.

    Attributes:
        out: folder of the run.
        output: one of ``OUTPUTS``.
        chunk: records of one file, the unit that is done or not done.
        limit: at most so many records of the input.
        jobs: worker processes (local), CPUs of a Ray that is started here; None: all cores.
        address: of a running Ray cluster, "auto" for the one on this machine; "": start one.
    """

    out: Path
    output: str = "jsonl"
    chunk: int = 50
    limit: int | None = None
    jobs: int | None = None
    address: str = ""

    def __post_init__(self) -> None:
        if self.output not in OUTPUTS:
            raise ValueError(f"output is {' or '.join(OUTPUTS)}; got {self.output!r}")
        for name in ("chunk", "limit", "jobs"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ValueError(f"{name} must be at least 1; got {value}")


class Times(NamedTuple):
    """What something took.

    Attributes:
        cpu_s: of this process, all its threads.
        wall_s: waiting (for a disk, a server, a GPU, another process) included.
    """

    cpu_s: float
    wall_s: float

    def plus(self, other: Sequence[float]) -> Times:
        """The sum of both."""
        return Times(round(self.cpu_s + other[0], 4), round(self.wall_s + other[1], 4))


class Stopwatch:
    """Runs from when it is made."""

    def __init__(self) -> None:
        self._start = Times(time.process_time(), time.perf_counter())

    def read(self) -> Times:
        """Since then."""
        cpu_s, wall_s = time.process_time(), time.perf_counter()
        return Times(round(cpu_s - self._start.cpu_s, 4), round(wall_s - self._start.wall_s, 4))


@dataclass(frozen=True)
class Batch:
    """A chunk on its way: what is left of it, what is not, and where the time went.

    Attributes:
        number: of the chunk.
        records: that go on, in order.
        rejected: in the order they were met.
        read: records that the chunk began with, good or bad.
        times: of the stages so far.
    """

    number: int
    records: tuple[Record, ...]
    rejected: tuple[Rejected, ...] = ()
    read: int = 0
    times: Mapping[str, Times] = field(default_factory=dict)


def apply_stage(stage: Stage, function: BatchFunction, batch: Batch) -> Batch:
    """One stage over one chunk, ``stage.batch`` records at a time.

    Raises:
        RunStopped: the stage says that the run cannot go on.
    """
    watch = Stopwatch()
    good: list[Record] = []
    bad: list[Rejected] = list(batch.rejected)
    for first in range(0, len(batch.records), stage.batch):
        for item in _call(stage.name, function, batch.records[first : first + stage.batch]):
            if isinstance(item, Rejected):
                bad.append(item)
            else:
                good.append(item)
    times = {**batch.times, stage.name: watch.read()}
    return Batch(batch.number, tuple(good), tuple(bad), batch.read, times)


_FATAL = (RunStopped, MissingExtraError, MemoryError)
"""No record's fault: going on would reject every one of them."""


def _call(name: str, function: BatchFunction, records: Sequence[Record]) -> list[Item]:
    try:
        return list(function(list(records)))
    except _FATAL:
        raise
    except Exception as error:
        if len(records) == 1:
            # A stage should reject what it cannot use; one that fails loses that record only.
            detail = f"{type(error).__name__}: {error}"
            return [Rejected(str(records[0].get("id", "")), name, "the stage failed", detail)]
    return [item for record in records for item in _call(name, function, [record])]
