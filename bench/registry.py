"""The benchmarks by name."""

from __future__ import annotations

import importlib
from collections.abc import Callable

from spacesgg_ros.bench.result import BenchError, BenchResult

BENCHMARKS = {
    "decode-exact": "The ONNX runtime writes token for token what transformers writes.",
    "graph-latency": "A whole graph against transformers' generate on the same weights.",
    "node-overhead": "CPU a frame of everything around the model, in a real node.",
    "camera-rate": "Rate and age of /scene_graph while the model runs beside.",
    "lifting": "Error of 3D positions on rendered ground truth with sensor noise.",
    "model-seen": "Objects and triplets of the embedded model: new scenes of known 3D models.",
    "model-unseen": "The same of 3D models that training never saw, of classes it knows.",
    "model-rooms": "The same in rooms.",
    "vsd-classify": "How two named objects stand to each other, asked about the picture.",
    "valid-output": "Graph texts that parse without an issue, without and with the grammar.",
    "train-speed": "Rows a second of the embedded model's stage 2 against a plain Trainer.",
    "train-resume": "A training run killed with SIGKILL ends with the same weights, bit for bit.",
    "from-bag": "A class the model does not know, from a recording to the model in minutes.",
    "data-validator": "Good training rows that are kept, spoilt ones that are caught, by kind.",
    "data-build": "A whole instruction set (Desc, QA, Conv, VSD) of 1,000 frames by one command.",
    "data-kill": "Set building killed with SIGKILL, local and on Ray: nothing lost, none twice.",
    "data-stage1": "Depth to clouds, layers and orders, against the published stage 1.",
    "eval-psg": "The PSG protocols against a table of answers counted by hand, and speed.",
}
"""Name to what it measures; the module is the name with underscores."""


def load_benchmark(name: str) -> Callable[[bool], BenchResult]:
    """``run(quick)`` of a benchmark.

    Raises:
        BenchError: no such name.
    """
    if name not in BENCHMARKS:
        raise BenchError(f"no benchmark {name!r}; there are {', '.join(BENCHMARKS)}")
    module = importlib.import_module(f"spacesgg_ros.bench.{name.replace('-', '_')}")
    run: Callable[[bool], BenchResult] = module.run
    return run
