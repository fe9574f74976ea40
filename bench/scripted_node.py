"""The real node with a model that costs nothing: ``python -m spacesgg_ros.bench.scripted_node``.

The model reads the number in a picture of :mod:`spacesgg_ros.bench.synthetic_camera` and writes
that picture's graph, so that everything around the model runs as usual and can be measured.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from spacesgg_ros.bench.synthetic_camera import describe_frame, read_number
from spacesgg_ros.graph.text import write_graph
from spacesgg_ros.graph.types import TextGraph


@dataclass(frozen=True)
class _Written:
    text: str
    graph: TextGraph
    token_count: int = 0
    finish_reason: str = "eos"
    stage_ms: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class _Runtime:
    runtime: str = "scripted"
    provider_requested: str = "cpu"
    provider_used: str = "cpu"
    precision: str = "exact"
    notes: tuple[str, ...] = ()


class ScriptedModel:
    """Knows every picture of the synthetic camera by its number."""

    model_id = "scripted"
    runtime_info = _Runtime()

    def write_graph(
        self,
        rgb: np.ndarray,
        *,
        limits: Any = None,
        should_stop: Callable[[], bool] | None = None,
    ) -> _Written:
        """The exact graph of picture ``rgb``."""
        graph = describe_frame(read_number(rgb))
        return _Written(write_graph(graph), graph)

    def answer(
        self,
        rgb: np.ndarray,
        prompt: str,
        *,
        choices: Sequence[str] | None = None,
        should_stop: Callable[[], bool] | None = None,
    ) -> _Written:
        """The first choice, or nothing."""
        return _Written(choices[0] if choices else "", TextGraph())


def main() -> int:
    """Run the node until it is interrupted."""
    from spacesgg_ros.node.main import run_node
    from spacesgg_ros.node.node import SceneGraphNode

    return run_node(lambda: SceneGraphNode(load=lambda parameters: ScriptedModel()))


if __name__ == "__main__":
    sys.exit(main())
