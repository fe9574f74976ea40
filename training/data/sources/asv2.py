"""AS-V2's relation conversations: LLaVA rows whose answers name, box and relate what is seen.

A row is ``{"id", "image", "conversations": [{"from", "value"}, ...]}``, in a JSON list or a line
each; boxes are 0..999 over the square-padded image. What the human turns box is a question's
region without a name, so only the answers are read.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from spacesgg_ros.graph.boxes import BOX_SCALE, decode_box
from spacesgg_ros.graph.text import UNKNOWN_NAME, parse_graph
from spacesgg_ros.graph.types import BoxPx
from spacesgg_ros.training.data.grounded import GroundedImage
from spacesgg_ros.training.data.rejected import Rejected

from .draft import BROKEN, STAGE, Draft, Expect, SourceError, expect_any
from .files import FileError
from .pictures import NO_PICTURE, Pictures
from .recognise import Kind, recognise_text, tell_other

_ANSWERERS = ("gpt", "assistant")


def read_asv2(
    path: Path, pictures: Pictures, expect: Expect = expect_any
) -> Iterator[GroundedImage | Rejected]:
    """Rows with the objects and relations of their answers, in the file's order.

    The answers are kept as the caption, joined by line breaks. Ids are the rows'; several rows
    with one id are ``ID``, ``ID-2``, ... Every defect of a text is listed; the rest is used.
    Width and height are taken from the picture where the row has none.

    Args:
        path: a JSON list, or JSONL.

    Raises:
        SourceError: the file cannot be read, is neither, or looks like another data set.
    """
    seen: Counter[str] = Counter()
    for where, row in _read_rows(Path(path), expect):
        if isinstance(row, Rejected):
            yield row
            continue
        try:
            key = str(row.get("id") or Path(row["image"]).stem)
            seen[key] += 1
            key = key if seen[key] == 1 else f"{key}-{seen[key]}"
            draft = _begin(key, row, pictures)
            if isinstance(draft, Rejected):
                yield draft
                continue
            caption = _join_answers(row)
            add_caption(draft, caption)
        except BROKEN as error:
            yield Rejected(where, STAGE, "broken row", repr(error))
        else:
            yield from draft.finish(caption=caption)


def _read_rows(path: Path, expect: Expect) -> Iterator[tuple[str, Mapping[str, Any] | Rejected]]:
    """``(FILE:NUMBER, row)``: of a list its place, of JSONL the line, both from 1."""
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise SourceError(f"cannot read {path}: {error}") from error
    found = recognise_text(text)
    if found is not None and found is not Kind.ASV2:
        raise SourceError(tell_other(path, Kind.ASV2, found))
    if text.lstrip().startswith("["):
        try:
            entries = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise SourceError(f"{path} is not JSON: {error}") from error
        expect(len(entries))
        for number, entry in enumerate(entries, 1):
            yield _check_row(f"{path.name}:{number}", entry)
        return
    lines = text.split("\n")
    expect(sum(map(bool, map(str.strip, lines))))
    for number, line in enumerate(lines, 1):
        where = f"{path.name}:{number}"
        if not line.strip():
            continue
        try:
            yield _check_row(where, json.loads(line))
        except (ValueError, RecursionError) as error:
            yield where, Rejected(where, STAGE, "not JSON", str(error))


def _check_row(where: str, entry: Any) -> tuple[str, Mapping[str, Any] | Rejected]:
    if isinstance(entry, dict):
        return where, entry
    return where, Rejected(where, STAGE, "not a JSON object", type(entry).__name__)


def _begin(key: str, row: Mapping[str, Any], pictures: Pictures) -> Draft | Rejected:
    name = pictures.name(row["image"])
    if row.get("width") and row.get("height"):
        size = int(row["width"]), int(row["height"])
        fault = pictures.find_fault(name, *size)
        if fault is not None:
            return Rejected(key, STAGE, *fault)
    else:
        try:
            size = pictures.size(name)
        except FileError as error:
            return Rejected(key, STAGE, NO_PICTURE, str(error))
    # A coordinate is rounded to a step of the padded side.
    step = max(size) / BOX_SCALE
    return Draft(key, name, *size, "as-v2", slack_px=1.0 + step)


def _join_answers(row: Mapping[str, Any]) -> str:
    turns = row["conversations"]
    return "\n".join(turn["value"].strip() for turn in turns if turn["from"] in _ANSWERERS)


def add_caption(draft: Draft, caption: str) -> None:
    """Add the objects and relations of a tagged text; its defects are listed."""
    graph = parse_graph(caption)
    for issue in graph.issues:
        draft.reject(f"caption at {issue.offset}", f"caption: {issue.kind.value}", issue.detail)
    for index, found in enumerate(graph.objects):
        if found.label == UNKNOWN_NAME:
            draft.reject_object(index, "object without a name", str(found.box))
            continue
        box = decode_box(found.box, draft.width, draft.height)
        draft.add_object(index, found.label, _round(box))
    for relation in graph.relations:
        draft.relate(relation.subject, relation.predicate, relation.object)


def _round(box: BoxPx) -> BoxPx:
    """To a hundredth of a pixel: more digits than a step of the codec is worth."""
    x0, y0, x1, y1 = (round(v, 2) for v in box)
    return (x0, y0, x1, y1)
