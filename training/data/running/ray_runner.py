"""Runs chunks on a Ray cluster, or on a Ray of this machine, through Ray Data.

A block of the data set is one chunk on its way (:class:`~.pipeline.Batch`, pickled). Stages
without ``actors`` that follow each other are one task; a stage with ``actors`` is a pool of
actors, each with its own copy of the model. Ray streams blocks through them and holds back what
is ahead of a slow stage. Stages, reading and writing are the very functions of the local runner.
"""

from __future__ import annotations

import logging
import pickle
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import numpy as np
import ray
import ray.data
import ray.exceptions

from spacesgg_ros.extras import MissingExtraError

from .chunks import Chunk, read_chunk
from .parts import Done
from .pipeline import Batch, RunConfig, RunError, RunStopped, Stage
from .run import Job, Worker

Block = dict[str, np.ndarray]
"""One row: ``{"payload": [bytes]}``."""


def run_chunks(job: Job, chunks: Sequence[Chunk], config: RunConfig) -> Iterator[Done]:
    """Every chunk once, as it is done.

    Raises:
        RunStopped: raised by a stage in a worker.
        MissingExtraError: likewise.
        RunError: Ray gave up (a machine is gone, an actor cannot start, memory is short).
    """
    if not chunks:
        return
    started_here = not ray.is_initialized()
    if started_here:
        _connect(config)
    try:
        blocks = [{"payload": pickle.dumps(chunk)} for chunk in chunks]
        data = ray.data.from_items(blocks, override_num_blocks=len(blocks))
        for step in make_steps(job, run=uuid.uuid4().hex):
            data = step.add_to(data)
        for block in data.iter_batches(batch_size=1, prefetch_batches=0):
            result = pickle.loads(block["payload"][0])
            if isinstance(result, Exception):
                raise result
            yield result
    except ray.exceptions.RayTaskError:
        raise  # a bug: its traceback is what matters
    except ray.exceptions.RayError as error:
        raise RunError(
            f"Ray gave up; what is done is kept, the same command goes on from there: {error}"
        ) from error
    finally:
        if started_here:
            ray.shutdown()


def _connect(config: RunConfig) -> None:
    logging.getLogger("ray.data").setLevel(logging.WARNING)  # its notes would break the bar
    ray.data.DataContext.get_current().enable_progress_bars = False
    options: dict[str, Any] = {"logging_level": "WARNING", "log_to_driver": False}
    if config.address:
        ray.init(address=config.address, **options)
    else:
        ray.init(num_cpus=config.jobs, include_dashboard=False, **options)


@dataclass(frozen=True)
class Step:
    """Consecutive stages that one worker runs on a chunk.

    Attributes:
        run: of the driver, so that tasks of one run share what a process has made.
        reads, writes: the first step begins with a chunk's file, the last ends with its mark.
    """

    job: Job
    run: str
    stages: tuple[Stage, ...]
    reads: bool
    writes: bool

    def __call__(self, block: Block) -> Block:
        """One chunk through the stages of this step."""
        value = pickle.loads(block["payload"][0])
        if not isinstance(value, Exception):
            try:
                value = self._run(value)
            except (RunStopped, MissingExtraError) as error:
                # As a value: Ray wraps what is raised, and how differs from version to version.
                value = error
        return {"payload": np.array([pickle.dumps(value)], dtype=object)}

    def _run(self, value: Any) -> Batch | Done:
        batch: Batch = read_chunk(self.job.source, value) if self.reads else value
        batch = _find_worker(self.job, self.run).run_stages(self.stages, batch)
        return self.job.parts.write(batch) if self.writes else batch

    def add_to(self, data: Any) -> Any:
        """The data set with this step behind it."""
        cpus = max((stage.cpus for stage in self.stages), default=1)
        if not any(stage.actors for stage in self.stages):
            return data.map_batches(self, batch_size=1, num_cpus=cpus)
        (stage,) = self.stages
        return data.map_batches(
            _Actor,
            fn_constructor_args=(self,),
            batch_size=1,
            num_cpus=cpus,
            num_gpus=stage.gpus or None,
            compute=ray.data.ActorPoolStrategy(size=stage.actors),
        )


class _Actor:
    """A process of its own for a step: what it makes, it keeps."""

    def __init__(self, step: Step) -> None:
        self._step = step

    def __call__(self, block: Block) -> Block:
        return self._step(block)


_workers: dict[str, Worker] = {}
"""Of this process, by run: Ray gives it many tasks of one."""


def _find_worker(job: Job, run: str) -> Worker:
    if run not in _workers:
        _workers.clear()  # an earlier run's models
        _workers[run] = Worker(job)
    return _workers[run]


def make_steps(job: Job, run: str) -> list[Step]:
    """Actor stages by themselves, runs of the others fused; reading first and writing last."""
    groups: list[tuple[Stage, ...]] = []
    for is_model, stages in groupby(job.pipeline.stages, lambda stage: stage.actors > 0):
        if is_model:
            groups += [(stage,) for stage in stages]
        else:
            groups.append(tuple(stages))
    # Files are read and written on the CPU machines, not while a GPU waits.
    if groups[0][0].actors:
        groups.insert(0, ())
    if groups[-1][-1].actors:
        groups.append(())
    last = len(groups) - 1
    return [Step(job, run, group, k == 0, k == last) for k, group in enumerate(groups)]
