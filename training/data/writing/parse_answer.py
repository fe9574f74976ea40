"""What a language model wrote, turned into questions and answers, or refused with a reason.

Models number, embolden, fence and introduce what they write as they please: all that is passed
over. What is left must be whole, and its tags must parse. Whether it is true is not decided here.
"""

from __future__ import annotations

import json
import re

from spacesgg_ros.graph.text import parse_graph
from spacesgg_ros.training.data.spatial_text import Exchange
from spacesgg_ros.vlm.prompts import IMAGE_TOKEN

from .generator import Failure, GenerationFailed

_FENCE = re.compile(r"^\s*```[\w-]*\s*$", re.MULTILINE)
_BOLD = re.compile(r"\*\*|__")
_THOUGHT = re.compile(r"<think>.*?</think>", re.DOTALL)
_LAYER = re.compile(r"^[\s#>*-]*Layer\s+\d+\s*:", re.MULTILINE | re.IGNORECASE)
_QUESTION = re.compile(
    r"(?:^|(?<=[\s.?!]))(?:[#>*-]+\s*)?(?:\d+\s*[.):]\s*)?"
    r"(?:(?:comparative\s+)?question|q)\s*\d*\s*[:.]\s*",
    re.IGNORECASE,
)
_ANSWER = re.compile(r"(?:^|(?<=[\s.?!]))(?:[#>*-]+\s*)?(?:answer|a)\s*\d*\s*:\s*", re.IGNORECASE)
_NUMBER = re.compile(r"\s*\n\s*\d+\s*[.):]?\s*$")
_SPACE = re.compile(r"\s+")


def parse_answer(text: str, format: str, prompt: str) -> tuple[Exchange, ...]:
    """The exchanges of a row.

    Args:
        text: the model's.
        format: "desc", "qa" or "conv".
        prompt: asked in a "desc" row, of which the model writes only the answer.

    Raises:
        GenerationFailed: ``Failure.UNUSABLE``, and what is wrong.
    """
    text = _BOLD.sub("", _FENCE.sub("", _THOUGHT.sub("", text))).strip()
    if not text:
        raise _unusable("it is empty")
    if IMAGE_TOKEN in text:
        raise _unusable(f"it holds {IMAGE_TOKEN}")
    exchanges = ((prompt, _cut_layers(text)),) if format == "desc" else _split_questions(text)
    _check_tags("\n".join(part for exchange in exchanges for part in exchange[format == "desc" :]))
    return exchanges


def _unusable(told: str) -> GenerationFailed:
    return GenerationFailed(Failure.UNUSABLE, told)


def _cut_layers(text: str) -> str:
    """From "Layer 1:" on; a greeting before it is no part of the description."""
    found = list(_LAYER.finditer(text))
    if not found:
        raise _unusable("no layers")
    ends = [mark.start() for mark in found[1:]] + [len(text)]
    lines = [
        _SPACE.sub(" ", text[mark.start() : end]).lstrip(" #>*-").strip()
        for mark, end in zip(found, ends, strict=True)
    ]
    if "<ref>" not in text:
        raise _unusable("no tagged object")
    return "\n".join(lines)


def _split_questions(text: str) -> tuple[Exchange, ...]:
    pairs = _read_json(text)
    if pairs is None:
        marks = list(_QUESTION.finditer(text))
        if not marks:
            raise _unusable("no question")
        ends = [mark.start() for mark in marks[1:]] + [len(text)]
        pairs = []
        for mark, end in zip(marks, ends, strict=True):
            parts = _ANSWER.split(text[mark.end() : end], maxsplit=1)
            pairs.append((parts[0], parts[1] if parts[1:] else ""))
    told = [(_tidy(question), _tidy(answer)) for question, answer in pairs]
    if not all(question for question, _ in told):
        raise _unusable("an answer without a question")
    if not told or not all(answer for _, answer in told):
        raise _unusable("a question without an answer")
    return tuple(told)


def _read_json(text: str) -> list[Exchange] | None:
    """Pairs of a JSON list of objects with "question" and "answer"; None for any other text."""
    try:
        data = json.loads(text)
        return [(str(entry["question"]), str(entry["answer"])) for entry in data]
    except (ValueError, KeyError, TypeError, RecursionError):
        return None


def _tidy(text: str) -> str:
    """One line, without the number of the next question."""
    return _SPACE.sub(" ", _NUMBER.sub("", text)).strip()


def _check_tags(text: str) -> None:
    graph = parse_graph(text)
    if graph.issues:
        issue = graph.issues[0]
        raise _unusable(f"broken tags: {issue.kind.value} at {issue.detail!r}")
    if not graph.objects:
        raise _unusable("no tagged object")
