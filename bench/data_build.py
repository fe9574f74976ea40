"""data-build: one command from rendered frames to a validated instruction set of four formats."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tarfile
import tempfile
import time
from pathlib import Path
from typing import Any

from spacesgg_ros.bench.held_out import SHARD
from spacesgg_ros.bench.result import BenchError, BenchResult

_FRAMES = 1000
_QUICK_FRAMES = 60
_JOBS = 2
_BAR_S = 120.0
_SCENES = Path("data/scenes")


def run(quick: bool = False) -> BenchResult:
    """The command as a user types it, start of Python included, on two processes."""
    wanted = _QUICK_FRAMES if quick else _FRAMES
    source = find_frames(wanted, quick)
    with tempfile.TemporaryDirectory() as scratch:
        out = Path(scratch) / "set"
        start = time.perf_counter()
        run_build(source, out, wanted)
        seconds = time.perf_counter() - start
        measured = _describe(out, seconds)
    return BenchResult(
        name="data-build",
        measured={"frames_of": source.name, **measured},
        bar=f"{_FRAMES:,} frames in under {_BAR_S / 60:g} min on two cores, template generator",
        passed=measured["seconds"] < _BAR_S and measured["images"] == wanted,
        quick=quick,
    )


def find_frames(count: int, quick: bool) -> Path:
    """A folder of rendered shards with so many frames; a quick run takes what ships.

    Raises:
        BenchError: there are too few, says how to render them.
    """
    found = 0
    for shard in sorted(_SCENES.glob("train-*.tar")):
        with tarfile.open(shard) as tar:
            found += sum(name.endswith(".json") for name in tar.getnames())
        if found >= count:
            return _SCENES
    if quick and SHARD.is_file():
        return SHARD
    raise BenchError(
        f"{_SCENES} has {found} frames, {count} are needed: "
        f"run `spacesgg scenes render train {count} --out {_SCENES}` first"
    )


def run_build(source: Path, out: Path, limit: int) -> None:
    """``spacesgg data build`` with its defaults.

    Raises:
        BenchError: it failed.
    """
    command = [sys.executable, "-m", "spacesgg_ros.cli.main", "data", "build", str(source)]
    command += ["--out", str(out), "--limit", str(limit), "--jobs", str(_JOBS)]
    done = subprocess.run(
        command, capture_output=True, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"}
    )
    if done.returncode:
        raise BenchError(f"the command ended with {done.returncode}: {done.stderr[-1000:]}")


def _describe(out: Path, seconds: float) -> dict[str, Any]:
    counts = json.loads((out / "counts.json").read_text())
    marks = [json.loads(p.read_text()) for p in sorted((out / "parts").glob("*.done.json"))]
    cpu: dict[str, float] = {}
    for mark in marks:
        for stage, (cpu_s, _) in mark["times"].items():
            cpu[stage] = cpu.get(stage, 0.0) + cpu_s
    total = sum(cpu.values())
    return {
        "images": counts["records"],
        "rows": counts["rows"],
        "rows_by_task": {task: count["rows"] for task, count in counts["tasks"].items()},
        "rejected": counts["rejected"],
        "seconds": round(seconds, 1),
        "jobs": _JOBS,
        "rows_a_second": round(counts["rows"] / seconds, 1),
        "images_a_cpu_second": round(counts["records"] / total, 1),
        "rows_a_cpu_second": round(counts["rows"] / total, 1),
        "cpu_ms_an_image": {
            stage: round(1e3 * value / counts["records"], 2) for stage, value in cpu.items()
        },
        "bytes_a_row": round((out / "rows.jsonl").stat().st_size / counts["rows"]),
    }
