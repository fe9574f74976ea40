"""A layered description: numbered near to far, every tagged object in its layer."""

from __future__ import annotations

import re
from collections.abc import Iterator

from spacesgg_ros.graph.text import parse_graph

from .names import name_fits
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
    for thing in parse_graph(answer).objects:
        there = truth.at_box.get(thing.box, frozenset())
        named = {i for i in there if name_fits(thing.label, truth.labels[i])} or there
        if not named or not thing.layer:
            continue
        measured = sorted({truth.layer_of.get(i, 0) for i in named})
        if thing.layer not in measured:
            told = " or ".join(str(n or "none") for n in measured)
            detail = f"{thing.label} is in layer {told}, not {thing.layer}"
            yield Problem(ProblemKind.WRONG_LAYER, detail)
