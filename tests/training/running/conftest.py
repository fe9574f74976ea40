"""A small input and the bytes that a run left."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

KIND = {"RAY_worker_niceness": "0"}
"""Ray's workers give way to all else by default, and starve on a busy machine."""

KILLED_RUN = Path(__file__).with_name("killed_run.py")


@pytest.fixture
def numbers(tmp_path: Path) -> Path:
    """40 numbered records, a line that is none, and one id a second time."""
    lines = [json.dumps({"id": f"n{k:02d}", "number": k}) for k in range(1, 41)]
    lines[20:20] = ["not JSON"]
    lines += ["", lines[0]]
    path = tmp_path / "numbers.jsonl"
    path.write_text("".join(f"{line}\n" for line in lines))
    return path


def _read_results(out: Path) -> dict[str, bytes]:
    kept = [out / "rows.jsonl", out / "rejected.jsonl", out / "counts.json"]
    kept += [p for p in sorted((out / "parts").iterdir()) if not p.name.endswith(".done.json")]
    return {str(p.relative_to(out)): p.read_bytes() for p in kept if p.exists()}


@pytest.fixture
def read_results() -> Callable[[Path], dict[str, bytes]]:
    """Name to bytes of what a run is for; marks and manifest left out."""
    return _read_results


@pytest.fixture
def run_apart(numbers: Path) -> Callable[..., int]:
    """Runs the toy pipeline in another process; returns its exit status.

    Raises:
        RuntimeError: it failed; what it said.
    """

    def run(out: Path, runner: str, jobs: int, victim: str = "", output: str = "jsonl") -> int:
        words = [str(out), runner, str(jobs), output, str(numbers), *([victim] if victim else [])]
        done = subprocess.run(
            [sys.executable, str(KILLED_RUN), *words],
            capture_output=True,
            text=True,
            timeout=280,
            env={**os.environ, **KIND},
        )
        if done.returncode > 0:
            raise RuntimeError(done.stderr[-2000:])
        return done.returncode

    return run
