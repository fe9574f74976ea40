"""Tags, boxes and names: every box is one of the input's, under a name that fits it."""

from __future__ import annotations

import re
from collections.abc import Iterator

from spacesgg_ros.graph.text import parse_graph
from spacesgg_ros.graph.types import TextIssueKind

from ..rows import Row
from .names import name_fits
from .problems import Problem, ProblemKind
from .tokens import Sentence, Token
from .truth import Truth

_BOX = re.compile(r"\[([^\[\]]*)\]")
_PART = re.compile(r"<(ref|pred)>([^<>]*)</\1>((?:\s*<box>[^<>]*</box>)*)")
_LONE_TAG = re.compile(r"</?(?:ref|pred|box)>|<box>[^<>]*</box>")
_WELL_FORMED = re.compile(
    r"<ref>[^<>]+</ref><box>[^<>]*</box>|<pred>[^<>]+</pred><box>[^<>]*</box><box>[^<>]*</box>"
)
_EXAMPLE = "[[x1, y1, x2, y2]]"


def check_tags(row: Row, truth: Truth) -> Iterator[Problem]:
    """Reads every turn as a graph: no issue, boxes of the input, names that fit."""
    known: set[str] = set()
    for turn in row.conversations:
        text = turn.text.removeprefix("<image>\n")
        if turn.speaker == "human" and _EXAMPLE in text:
            continue
        yield from _check_format(text)
        for part in _PART.finditer(text):
            tag, name, boxes = part.groups()
            for content in _BOX.findall(boxes.replace("[[", "[").replace("]]", "]")):
                written = f"[{content}]"
                box = _read(content)
                if box is None or box not in truth.at_box or written != str(list(box)):
                    yield Problem(ProblemKind.UNKNOWN_BOX, f"{name}: {written}")
                elif tag == "ref":
                    known.add(written)
                    labels = [truth.labels[i] for i in sorted(truth.at_box[box])]
                    if not any(name_fits(name, label) for label in labels):
                        yield Problem(
                            ProblemKind.WRONG_NAME, f"{name}: {labels[0]} is at {written}"
                        )
                elif written not in known:
                    yield Problem(ProblemKind.BOX_BEFORE_NAME, f"{name}: {written}")


def _read(content: str) -> tuple[int, int, int, int] | None:
    try:
        x0, y0, x1, y1 = (int(v) for v in content.split(","))
    except ValueError:
        return None
    return x0, y0, x1, y1


def _check_format(text: str) -> Iterator[Problem]:
    """Issues of the graph's reader, and tags that are not whole.

    A turn may relate boxes that an earlier turn named, so unknown boxes are not its affair.
    """
    for issue in parse_graph(text).issues:
        if issue.kind is not TextIssueKind.UNKNOWN_BOX:
            yield Problem(ProblemKind.BROKEN_TAG, f"{issue.kind.value}: {issue.detail}".strip(": "))
    rest = _WELL_FORMED.sub("", text)
    for lone in _LONE_TAG.findall(rest):
        yield Problem(ProblemKind.BROKEN_TAG, f"stray {lone[:40]}")


def check_names_at_relations(sentence: Sentence) -> Iterator[Problem]:
    """Names right before and right after a tagged relation mean the objects of its boxes."""
    tokens = sentence.tokens
    for at, token in enumerate(tokens):
        if token.kind != "relation":
            continue
        before, after = _name_before(tokens, at), _name_after(tokens, at)
        for name, meant, role in (
            (before, token.objects, "subject"),
            (after, token.targets, "object"),
        ):
            if name is not None and meant and not name.objects & meant:
                detail = f"{role} of {token.text} is not the {name.text}"
                yield Problem(ProblemKind.SWAPPED_NAMES, detail)


_BETWEEN = frozenset(
    {"is", "are", "can", "be", "seen", "stands", "sits", "lies", "located", "placed", "rests",
     "stand", "sit", "lie", "rest", "found", "still", "also", "now"}
)  # fmt: skip
_ARTICLES = frozenset({"the", "a", "an", "some", "another"})


def _name_before(tokens: tuple[Token, ...], at: int) -> Token | None:
    i = at - 1
    while i >= 0 and (tokens[i].text in _BETWEEN or tokens[i].text == ","):
        i -= 1
    return tokens[i] if i >= 0 and tokens[i].kind == "thing" else None


def _name_after(tokens: tuple[Token, ...], at: int) -> Token | None:
    i = at + 1
    while i < len(tokens) and tokens[i].text in _ARTICLES:
        i += 1
    return tokens[i] if i < len(tokens) and tokens[i].kind == "thing" else None
