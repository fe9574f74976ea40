"""data-kill: set building killed with SIGKILL again and again ends with the same bytes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from spacesgg_ros.bench.data_build import find_frames
from spacesgg_ros.bench.result import BenchError, BenchResult
from spacesgg_ros.extras import require

_FRAMES = 150
_QUICK_FRAMES = 24
_JOBS = 2
_KILLS = 3
_ENVIRONMENT = {
    "OMP_NUM_THREADS": "1",
    "RAY_worker_niceness": "0",  # else Ray's workers starve on a busy machine
}


def run(quick: bool = False) -> BenchResult:
    """Once straight through; then, a runner, killed inside three chunks and started once more."""
    require("ray.data", "ray")
    frames, kills = (_QUICK_FRAMES, 1) if quick else (_FRAMES, _KILLS)
    source = find_frames(frames, quick)
    with tempfile.TemporaryDirectory() as scratch:
        straight = Path(scratch) / "straight"
        _start(source, straight, "local", frames, "", 0)
        victims = _choose_victims(straight, kills)
        measured = {}
        for runner in ("local", "ray"):
            out = Path(scratch) / runner
            done = [
                _start(source, out, runner, frames, victim, -signal.SIGKILL) for victim in victims
            ]
            _start(source, out, runner, frames, "", 0)
            measured[runner] = {"chunks_done_at_kill": done, **_compare(straight, out)}
    return BenchResult(
        name="data-kill",
        measured={"images": frames, "kills_a_runner": kills, **measured},
        bar="both runners: no row lost, none twice, every file equal to the uninterrupted run",
        passed=all(
            m["rows_lost"] == m["rows_twice"] == m["files_that_differ"] == 0
            for m in measured.values()
        ),
        quick=quick,
    )


def _choose_victims(straight: Path, kills: int) -> list[str]:
    """Images evenly through the set."""
    images = list(dict.fromkeys(row["provenance"]["grounded"] for row in _read_rows(straight)))
    return [images[(k + 1) * len(images) // (kills + 1)] for k in range(kills)]


def _start(source: Path, out: Path, runner: str, frames: int, victim: str, expected: int) -> int:
    """Run in a process of its own; returns how many chunks are done."""
    words = [str(source), str(out), runner, str(frames), victim]
    done = subprocess.run(
        [sys.executable, "-m", "spacesgg_ros.bench.data_kill", *words],
        capture_output=True,
        text=True,
        env={**os.environ, **_ENVIRONMENT},
    )
    if done.returncode != expected:
        raise BenchError(
            f"the {runner} run ended with {done.returncode}, expected {expected}: "
            f"{done.stderr[-1000:]}"
        )
    return len(list((out / "parts").glob("*.done.json")))


def _compare(straight: Path, out: Path) -> dict[str, int]:
    wanted = Counter(row["id"] for row in _read_rows(straight))
    found = Counter(row["id"] for row in _read_rows(out))
    one, other = _read_files(straight), _read_files(out)
    return {
        "rows": found.total(),
        "rows_lost": (wanted - found).total(),
        "rows_twice": (found - wanted).total(),
        "files": len(one),
        "files_that_differ": sum(
            one.get(name) != other.get(name) for name in one.keys() | other.keys()
        ),
    }


def _read_rows(out: Path) -> list[dict[str, Any]]:
    lines = (out / "rows.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def _read_files(out: Path) -> dict[str, bytes]:
    """The results; not the marks, which say how long a chunk took, nor the manifest."""
    files = [*out.glob("*.jsonl"), out / "counts.json", *(out / "parts").glob("*.jsonl")]
    return {str(path.relative_to(out)): path.read_bytes() for path in files}


@dataclass(frozen=True)
class Killer:
    """A stage that lets everything through, until a row of its victim comes.

    Attributes:
        driver: process of the command; it dies first, then the worker that runs this.
    """

    victim: str
    driver: int

    def __call__(self, rows: Sequence[dict[str, Any]]) -> Iterable[dict[str, Any]]:
        """The rows, if there is no victim among them."""
        if any(row["provenance"]["grounded"] == self.victim for row in rows):
            os.kill(self.driver, signal.SIGKILL)
            os.kill(os.getpid(), signal.SIGKILL)
        return rows


def _build(source: Path, out: Path, runner: str, frames: int, victim: str) -> None:
    """What ``spacesgg data build`` does, with a killer behind the last stage."""
    from spacesgg_ros.training.data.running.build import (
        BuildConfig,
        find_source,
        image_root,
        make_pipeline,
    )
    from spacesgg_ros.training.data.running.pipeline import Pipeline, RunConfig, Stage
    from spacesgg_ros.training.data.running.run import run_pipeline

    made = make_pipeline(image_root(source), BuildConfig())
    killer = Stage("killer", partial(Killer, victim, os.getpid()))
    pipeline = Pipeline((*made.stages, killer), made.settings)
    config = RunConfig(out, chunk=max(1, frames // 12), limit=frames, jobs=_JOBS)
    run_pipeline(pipeline, find_source(source), config, runner)


if __name__ == "__main__":
    _build(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3], int(sys.argv[4]), sys.argv[5])
