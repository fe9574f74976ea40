"""The embedded model on a held-out split: what the ``model-*`` benchmarks share.

A full run reads ``data/held-out``, where it renders 600 frames of the split if they are not
there yet; ``spacesgg scenes render SPLIT 600 --supersample 2 --out data/held-out`` does the
same. A quick run renders four scenes, or reads the few frames that ship.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from spacesgg_ros.bench.held_out import SHARD
from spacesgg_ros.bench.reference_llava import load_embedded
from spacesgg_ros.bench.result import BenchError, BenchResult
from spacesgg_ros.extras import require
from spacesgg_ros.vlm.errors import ModelError

HELD_OUT_DIR = Path("data/held-out")
CACHE_DIR = Path("data/cache")
LEAST_FRAMES = 500
_FRAMES = 600
_QUICK_SCENES = range(4)
_QUICK_SHIPPED = 12

Bars = Mapping[str, tuple[Callable[[dict], float], float]]
"""Name of a number to how to read it from a report, and the least it must be."""


def held_out_frames(split: str, quick: bool) -> Iterator[Any]:
    """Frames of a split (``training.evaluate.frames.TestFrame``).

    Raises:
        BenchError: they are neither there nor can they be rendered.
    """
    frames = require("spacesgg_ros.training.evaluate.frames", "scenes")
    assets = require("spacesgg_ros.training.scenes.assets", "scenes")
    if quick and split == "test-seen" and SHARD.is_file():
        yield from frames.read_frames([SHARD], _QUICK_SHIPPED)
        return
    dataset = require("spacesgg_ros.training.scenes.dataset", "scenes")
    try:
        if quick:
            config = dataset.SceneSetConfig(split, 3 * len(_QUICK_SCENES))
            yield from frames.render_test_frames(config, _QUICK_SCENES, CACHE_DIR)
            return
        config = dataset.SceneSetConfig(split, _FRAMES, supersample=2)
        shards = config.shard_paths(HELD_OUT_DIR)
        if not all(path.is_file() for path in shards):
            shards = list(dataset.write_scenes(config, HELD_OUT_DIR, CACHE_DIR))
    except (assets.AssetError, ValueError) as error:
        raise BenchError(f"no frames of {split} and none can be rendered: {error}") from error
    yield from frames.read_frames(shards)


def measure(split: str, tasks: Iterable[str], quick: bool) -> dict[str, Any]:
    """The report of ``spacesgg evaluate`` for the embedded model in int8.

    Raises:
        BenchError: the model, its baseline or the frames are missing, or the model fails.
    """
    evaluation = require("spacesgg_ros.training.evaluate.evaluation", "train")
    priors = require("spacesgg_ros.training.evaluate.priors", "train")
    model = load_embedded("int8")
    kept = model.folder.path / priors.FILE_NAME
    try:
        known = priors.load_priors(kept)
    except (OSError, ValueError, KeyError) as error:
        raise BenchError(
            f"the baseline {kept} cannot be read ({error!r}); make it with: spacesgg evaluate "
            "--train-data DIR"
        ) from error
    running = evaluation.Evaluation(model, split, tasks=tasks, priors=known)
    try:
        for frame in held_out_frames(split, quick):
            running.add(frame)
    except ModelError as error:
        raise BenchError(f"the model failed on a held-out frame: {error}") from error
    report: dict[str, Any] = running.report()
    return report


def judge_graphs(name: str, split: str, bars: Bars, quick: bool) -> BenchResult:
    """Objects, boxes and triplets of a split against their bars, with the pixel-free baseline."""
    report = measure(split, ["graphs"], quick)
    graphs, blind = report["graphs"], report["pixel_free"]
    return BenchResult(
        name=name,
        measured={
            "frames": graphs["frames"],
            "scenes": graphs["scenes"],
            "objects": graphs["objects"],
            "boxes": graphs["boxes"],
            "triplets": graphs["triplets"],
            "said_and_true": graphs["said_and_true"],
            "valid_output": graphs["valid_output"],
            "by_size": graphs["by_size"],
            "tokens_a_frame": graphs["tokens_a_frame"],
            "milliseconds_a_frame": graphs["milliseconds_a_frame"],
            "met": met(bars, report),
        },
        baseline={"method": "label and box frequencies, no picture", **blind},
        bar=describe(bars),
        passed=all(met(bars, report).values()) and graphs["frames"] >= LEAST_FRAMES,
        quick=quick,
    )


def met(bars: Bars, report: dict[str, Any]) -> dict[str, bool]:
    """Which bars hold."""
    return {name: read(report) >= least for name, (read, least) in bars.items()}


def describe(bars: Bars) -> str:
    """The bars in words."""
    parts = [f"{name} >= {least:g}" for name, (_, least) in bars.items()]
    return f"{', '.join(parts)}, on >= {LEAST_FRAMES} frames"
