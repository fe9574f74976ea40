"""train-resume: a run killed with SIGKILL and started again ends with the same weights."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from spacesgg_ros.bench.result import BenchError, BenchResult
from spacesgg_ros.bench.training_set import write_training_set
from spacesgg_ros.extras import require

_NEVER = 0


def run(quick: bool = False) -> BenchResult:
    """Straight through, and killed between two checkpoints; then compare bit for bit."""
    every, killed_at, steps = (2, 5, 6) if quick else (10, 25, 40)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        settings = write_training_set(folder, frames=6 if quick else None)
        settings |= {"max_steps": steps, "save_every": every, "log_every": 1}
        settings |= {"save_precision": "fp32"} | ({"batch": {"size": 4}} if quick else {})
        different, losses_equal = compare_runs(settings, folder, killed_at)
    return BenchResult(
        name="train-resume",
        measured={
            "recipe": "embedded/stage2",
            "steps": steps,
            "checkpoint_every": every,
            "killed_at_step": killed_at,
            "tensors_that_differ": len(different),
            "losses_equal": losses_equal,
        },
        bar="final weights equal to the uninterrupted run, bit for bit (CPU, fp32)",
        passed=not different and losses_equal,
        quick=quick,
    )


def compare_runs(settings: dict[str, Any], folder: Path, killed_at: int) -> tuple[list[str], bool]:
    """Train twice, once with a SIGKILL at the end of step ``killed_at`` and a second start.

    Returns:
        Names of weights that differ, and whether every step logged the same loss.

    Raises:
        BenchError: a run failed, or was not killed.
    """
    recipe = folder / "recipe.json"  # JSON is YAML
    recipe.write_text(json.dumps(settings))
    straight, killed = folder / "straight", folder / "killed"
    for run_dir, kill, expected in (
        (straight, _NEVER, 0),
        (killed, killed_at, -signal.SIGKILL),
        (killed, _NEVER, 0),
    ):
        if kill == _NEVER and run_dir is killed:
            # What a kill in the middle of writing a checkpoint leaves must not count.
            (killed / "checkpoints" / ".writing" / f"checkpoint-{killed_at}").mkdir(parents=True)
        command = [sys.executable, "-m", "spacesgg_ros.bench.train_resume"]
        done = subprocess.run(
            [*command, str(recipe), str(run_dir), str(kill)],
            capture_output=True,
            text=True,
            env={**os.environ, "CUDA_VISIBLE_DEVICES": ""},
        )
        if done.returncode != expected:
            raise BenchError(
                f"training ended with status {done.returncode}, expected {expected}: "
                f"{done.stderr[-1000:]}"
            )
    one, other = _load_weights(straight), _load_weights(killed)
    different = [n for n in one if n not in other or not bool((one[n] == other[n]).all())]
    return different, _losses(straight) == _losses(killed)


def _train(recipe: Path, run_dir: Path, killed_at: int) -> None:
    """Train on one thread; die at the end of step ``killed_at``."""
    torch = require("torch", "train")
    transformers = require("transformers", "train")
    engine = require("spacesgg_ros.training.engine.run", "train")
    recipes = require("spacesgg_ros.training.engine.recipe", "train")
    torch.set_num_threads(1)

    class Killer(transformers.TrainerCallback):  # type: ignore[misc, name-defined]
        def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            if state.global_step == killed_at:
                os.kill(os.getpid(), signal.SIGKILL)

    engine.train_recipe(recipes.read_recipe(recipe), run_dir, callbacks=[Killer()])


def _load_weights(run_dir: Path) -> dict[str, Any]:
    safetensors = require("safetensors.torch", "train")
    files = sorted([*run_dir.glob("model/*.safetensors"), *run_dir.glob("adapter/*.safetensors")])
    if not files:
        raise BenchError(f"{run_dir} has no result: the run did not finish")
    return {name: t for file in files for name, t in safetensors.load_file(file).items()}


def _losses(run_dir: Path) -> list[tuple[int, float]]:
    lines = (run_dir / "log.jsonl").read_text(encoding="utf-8").splitlines()
    return [(entry["step"], entry["loss"]) for entry in map(json.loads, lines)]


if __name__ == "__main__":
    _train(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]))
