"""graph-latency: a whole graph on two CPU cores, int8, against transformers in fp32."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict
from statistics import median

from spacesgg_ros.bench.held_out import read_held_out
from spacesgg_ros.bench.reference_llava import ReferenceLlava, load_embedded
from spacesgg_ros.bench.result import BenchResult

_LEAST_RATIO = 4.0
_MOST_MS = 500.0
_MOST_TOKENS = 512
_THREADS = 2


def run(quick: bool = False) -> BenchResult:
    """Both from the image in memory to the last token, image by image in turn."""
    reference = ReferenceLlava(_THREADS)
    ours = load_embedded("int8", _THREADS)
    prompt = ours.graph_prompt
    frames = list(read_held_out(3 if quick else None))
    ours.write_graph(frames[0].rgb)
    reference.generate(ours, frames[0].rgb, prompt, 16)

    times: dict[str, list[float]] = {"ours": [], "reference": []}
    stages: dict[str, list[float]] = {}
    counts: dict[str, list[int]] = {"ours": [], "reference": [], "steps": []}
    for frame in frames:
        graph, elapsed_ms = _timed(lambda frame=frame: ours.write_graph(frame.rgb))
        times["ours"].append(elapsed_ms)
        counts["ours"].append(graph.token_count)
        counts["steps"].append(graph.steps)
        for stage, ms in graph.stage_ms.items():
            stages.setdefault(stage, []).append(ms)
        tokens, elapsed_ms = _timed(
            lambda frame=frame: reference.generate(ours, frame.rgb, prompt, _MOST_TOKENS)
        )
        times["reference"].append(elapsed_ms)
        counts["reference"].append(len(tokens))
    ratio = median(times["reference"]) / median(times["ours"])
    per_token = median(
        (theirs / max(1, n)) / (mine / max(1, m))
        for theirs, n, mine, m in zip(
            times["reference"], counts["reference"], times["ours"], counts["ours"], strict=True
        )
    )
    return BenchResult(
        name="graph-latency",
        measured={
            "images": len(frames),
            "median_ms": round(median(times["ours"]), 1),
            "worst_ms": round(max(times["ours"]), 1),
            "median_tokens": median(counts["ours"]),
            "median_decoder_steps": median(counts["steps"]),
            "stage_median_ms": {name: round(median(ms), 1) for name, ms in stages.items()},
            "runtime": asdict(ours.runtime_info),
            "threads": _THREADS,
            "ratio_per_token": round(per_token, 2),
        },
        baseline={
            "runtime": "transformers generate, greedy, fp32",
            "median_ms": round(median(times["reference"]), 1),
            "median_tokens": median(counts["reference"]),
            "threads": _THREADS,
        },
        ratio=round(ratio, 2),
        bar=(
            f">= {_LEAST_RATIO:g} times faster and <= {_MOST_MS / 1e3:g} s a graph, medians over "
            "the images"
        ),
        passed=ratio >= _LEAST_RATIO and median(times["ours"]) <= _MOST_MS,
        quick=quick,
    )


def _timed(work: Callable[[], object]):  # type: ignore[no-untyped-def]
    """``(result, milliseconds)``."""
    started = time.perf_counter()
    result = work()
    return result, 1e3 * (time.perf_counter() - started)
