"""A layered description: numbered near to far, every tagged object in its layer."""

from __future__ import annotations

import re
from collections.abc import Iterator

from spacesgg_ros.graph.text import parse_graph

from .problems import Problem, ProblemKind
from .truth import Truth

_LAYER_LINE = re.compile(r"^\s*layer ?(\d+) ?:(.*)$", re.IGNORECASE | re.MULTILINE)
_FIRST = re.compile(r"^\s*(nearest|closest|in front)\b", re.IGNORECASE)
_LAST = re.compile(r"^\s*(farthest|furthest|at the back)\b", re.IGNORECASE)


def check_layers(answer: str, truth: Truth) -> Iterator[Problem]:
    """Numbers 1, 2, 3, ... in order, and each object in the layer it was measured in."""
    lines = _LAYER_LINE.findall(answer)
    numbers = [int(number) for number, _ in lines]
    if numbers != list(range(1, len(numbers) + 1)) or not numbers:
        yield Problem(ProblemKind.LAYER_ORDER, f"layers {numbers}")
        return
    for number, text in lines:
        hit = _FIRST.match(text) if int(number) > 1 else None
        hit = hit or (_LAST.match(text) if int(number) < len(lines) else None)
        if hit:
            yield Problem(ProblemKind.LAYER_ORDER, f"layer {number} is called {hit.group(1)}")
    index = {box: i for i, box in enumerate(truth.boxes)}
    for thing in parse_graph(answer).objects:
        at = index.get(thing.box)
        if at is None or not thing.layer:
            continue
        measured = truth.layer_of.get(at, 0)
        if measured != thing.layer:
            detail = f"{thing.label} is in layer {measured or 'none'}, not {thing.layer}"
            yield Problem(ProblemKind.WRONG_LAYER, detail)
