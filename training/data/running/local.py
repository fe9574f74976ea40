"""Runs chunks in processes of this machine."""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.connection import wait as wait_for_handles

from .chunks import Chunk
from .parts import Done
from .pipeline import RunConfig, RunError
from .run import Job, Worker

_WAITING_A_JOB = 2
"""Chunks handed out a worker: one in work, one so that it never waits."""

_worker: Worker | None = None
"""Of this process; set once, so that a chunk travels without its job."""


def run_chunks(job: Job, chunks: Sequence[Chunk], config: RunConfig) -> Iterator[Done]:
    """Every chunk once, as it is done; one job runs in this process.

    Raises:
        RunError: a worker died (killed, out of memory).
    """
    jobs = min(config.jobs or len(os.sched_getaffinity(0)), max(1, len(chunks)))
    if jobs == 1:
        yield from map(Worker(job).run_chunk, chunks)
        return
    # Spawned, not forked: a fork of a process with threads (OpenCV, torch) may hang.
    pool = ProcessPoolExecutor(
        jobs, multiprocessing.get_context("spawn"), _start_worker, initargs=(job,)
    )
    waiting = iter(chunks)
    running: set[Future[Done]] = set()
    try:
        while True:
            while len(running) < jobs * _WAITING_A_JOB and (chunk := next(waiting, None)):
                running.add(pool.submit(_run_chunk, chunk))
            if not running:
                break
            finished, running = wait(running, return_when=FIRST_COMPLETED)
            for future in finished:
                yield future.result()
    except BrokenProcessPool as error:
        raise RunError(
            "a worker process died (out of memory?); what is done is kept: run the same command "
            "again, with fewer --jobs if memory was short"
        ) from error
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _start_worker(job: Job) -> None:
    global _worker
    import cv2

    cv2.setNumThreads(1)  # the pool has a process a core already
    _worker = Worker(job)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """A killed parent cannot stop its workers, and they would wait for work forever."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait_for_handles([parent.sentinel])
        os._exit(1)


def _run_chunk(chunk: Chunk) -> Done:
    if _worker is None:
        raise RuntimeError("this process was not started with a job")
    return _worker.run_chunk(chunk)
