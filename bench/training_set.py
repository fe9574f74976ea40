"""A small instruction set that ships: rows about the held-out frames, for training benchmarks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from spacesgg_ros.bench.held_out import SHARD, read_held_out
from spacesgg_ros.bench.result import BenchError
from spacesgg_ros.extras import require


def write_training_set(folder: Path, frames: int | None = None) -> dict[str, Any]:
    """Write ``rows.jsonl`` of every task to ``folder``.

    Returns:
        Settings of ``embedded/stage2`` that train the embedded model on it.

    Raises:
        BenchError: no frame can be taught from.
    """
    recipes = require("spacesgg_ros.training.engine.recipe", "train")
    instructions = require("spacesgg_ros.training.data.instructions", "train")
    rows_of = require("spacesgg_ros.training.data.rows", "train")
    config = instructions.InstructionConfig()
    rows = []
    for frame in read_held_out(frames):
        try:
            image = f"{SHARD.name}/{frame.key}.jpg"
            rows += instructions.frame_rows(frame.record, image, "held-out", config)
        except instructions.FrameError:
            continue
    if not rows:
        raise BenchError(f"{SHARD} has no frame that rows can be made of")
    rows_of.write_rows(folder / "rows.jsonl", rows)
    settings: dict[str, Any] = recipes.read_settings(recipes.find_recipe("embedded/stage2"))
    tasks = {row.task for row in rows}
    weights = {task: w for task, w in merge_weights(settings).items() if task in tasks}
    settings["model"] = "embedded"
    settings["data"] = [
        {"rows": str(folder / "rows.jsonl"), "images": str(SHARD.parent), "weights": weights}
    ]
    settings["cache"] = str(folder / "cache")
    return settings


def merge_weights(settings: dict[str, Any]) -> dict[str, float]:
    """Shares of the tasks in a recipe's mix, whichever of its files they come from."""
    return {task: w for source in settings["data"] for task, w in source["weights"].items()}
