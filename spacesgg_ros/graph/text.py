"""Codec of the tagged graph text (ASMv2's relation conversation).

``<ref>mug</ref><box>[[412, 640, 498, 771]]</box>`` names an object,
``<pred>on</pred><box>[[subject]]</box><box>[[object]]</box>`` relates two.

The reader follows ASMv2's evaluator, whose pattern is "tag, text, tag, within one line". Here it
is one left-to-right scan, because the evaluator's regular expression is quadratic on text such
as ``<<<<<<``. It differs from the evaluator in four documented ways: names are stripped and
unique, coordinates are rounded and clipped to 0..999, a predicate without a name relates
nothing, and relations keep the order of the text instead of being grouped by predicate.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from spacesgg_ros.graph.boxes import BOX_SCALE
from spacesgg_ros.graph.types import (
    BoxNorm,
    GraphError,
    TextGraph,
    TextIssue,
    TextIssueKind,
    TextObject,
    TextRelation,
)

UNKNOWN_NAME = "Unknown"
"""Name of a box that no ``<ref>`` named (ASMv2's word)."""

_LAYER = re.compile(r"\blayer ?(\d{1,3}) ?:", re.IGNORECASE)
_BRACKET = re.compile(r"[\[\]{}]")
_UNSAFE = re.compile(r"[<>\s]+")
_MAX_DEPTH = 8
_DETAIL_LENGTH = 40


class _Hit(NamedTuple):
    """``opener`` + ``content`` + ``closer``, all within one line; ``offset`` of the opener."""

    opener: str
    content: str
    closer: str
    offset: int
    end: int


def _scan(text: str) -> Iterator[_Hit | TextIssue]:
    """Every tag-text-tag hit in order, and an issue for each line that ends inside one.

    Every search starts where the previous one ended, so each character is looked at a constant
    number of times. Taking the first ``>``, then the first ``<``, then the first ``>`` is
    exactly what the lazy pattern finds: where the nearest fails, every later one fails too.
    """
    start = 0
    for line in text.split("\n"):
        at = 0
        while (opened := line.find("<", at)) >= 0:
            opener_end = line.find(">", opened) + 1
            closer = line.find("<", opener_end) if opener_end else -1
            end = line.find(">", closer) + 1 if closer >= 0 else 0
            if not end:
                detail = line[opened : opened + _DETAIL_LENGTH]
                yield TextIssue(TextIssueKind.UNCLOSED_TAG, start + opened, detail)
                break
            yield _Hit(
                line[opened:opener_end],
                line[opener_end:closer],
                line[closer:end],
                start + opened,
                start + end,
            )
            at = end
        start += len(line) + 1


def _nesting_exceeds(content: str, limit: int) -> bool:
    """Whether brackets nest deeper than ``limit`` (the JSON reader recurses for each)."""
    depth = 0
    for bracket in _BRACKET.finditer(content):
        depth += 1 if bracket.group() in "[{" else -1
        if depth > limit:
            return True
    return False


def _read_boxes(content: str) -> list[tuple[float, ...] | None] | None:
    """The boxes of a ``<box>`` list, None for an entry that is not four finite numbers.

    Returns None where the content is not a JSON list at all.
    """
    if _nesting_exceeds(content, _MAX_DEPTH):
        return None
    try:
        # Integers are read as floats: no limit on their digits, and linear in their length.
        value = json.loads(content, parse_int=float)
    except ValueError:
        return None
    if not isinstance(value, list):
        return None
    boxes: list[tuple[float, ...] | None] = []
    for entry in value:
        good = (
            isinstance(entry, list)
            and len(entry) == 4
            and all(isinstance(number, float) and abs(number) < float("inf") for number in entry)
        )
        boxes.append(tuple(entry) if good else None)
    return boxes


@dataclass
class _Reader:
    """State of one reading: what the tags so far say."""

    issues: list[TextIssue] = field(default_factory=list)
    names: dict[BoxNorm, list[str]] = field(default_factory=dict)
    layers: dict[BoxNorm, int] = field(default_factory=dict)
    pairs: list[tuple[str, BoxNorm, BoxNorm, int]] = field(default_factory=list)
    # A predicate whose subject list was read and whose object list was not, by predicate:
    # ASMv2 pairs the box lists of a predicate over the whole text.
    waiting: dict[str, tuple[list[BoxNorm | None], int]] = field(default_factory=dict)
    tag: str = "ref"
    name: str = UNKNOWN_NAME
    named_at: int | None = None
    boxes_since: int = 0
    layer: int = 0

    def note(self, kind: TextIssueKind, offset: int, detail: str = "") -> None:
        self.issues.append(TextIssue(kind, offset, detail[:_DETAIL_LENGTH]))

    def leave_name(self) -> None:
        """Flags a name that no box followed."""
        if self.named_at is not None and not self.boxes_since:
            kind = (
                TextIssueKind.REF_WITHOUT_BOX
                if self.tag == "ref"
                else TextIssueKind.PRED_WITHOUT_BOX
            )
            self.note(kind, self.named_at, self.name)

    def read_name(self, hit: _Hit) -> None:
        self.leave_name()
        self.tag = "ref" if hit.opener == "<ref>" else "pred"
        if hit.opener not in ("<ref>", "<pred>"):
            self.note(TextIssueKind.UNKNOWN_TAG, hit.offset, hit.opener)
        elif hit.closer != f"</{self.tag}>":
            self.note(TextIssueKind.UNCLOSED_TAG, hit.offset, hit.opener + hit.content)
        self.name = hit.content.strip()
        if not self.name:
            self.note(TextIssueKind.EMPTY_NAME, hit.offset, hit.opener)
            self.name = UNKNOWN_NAME if self.tag == "ref" else ""
        self.named_at, self.boxes_since = hit.offset, 0

    def normalise(
        self, entries: list[tuple[float, ...] | None], offset: int
    ) -> list[BoxNorm | None]:
        """Rounds and clips to 0..999, flagging what had to be changed or is empty."""
        boxes: list[BoxNorm | None] = []
        if any(entry is None for entry in entries):
            self.note(TextIssueKind.BROKEN_BOX, offset, "a box needs four numbers")
        for entry in entries:
            if entry is None:
                boxes.append(None)
                continue
            clipped = [min(max(number, 0.0), float(BOX_SCALE)) for number in entry]
            if any(a != b for a, b in zip(clipped, entry, strict=True)):
                self.note(TextIssueKind.BOX_OUT_OF_RANGE, offset, str(list(entry)))
            x0, y0, x1, y1 = (round(number) for number in clipped)
            if x1 <= x0 or y1 <= y0:
                self.note(TextIssueKind.EMPTY_BOX, offset, str([x0, y0, x1, y1]))
            boxes.append((x0, y0, x1, y1))
        return boxes

    def read_boxes(self, hit: _Hit) -> None:
        if hit.closer != "</box>":
            self.note(TextIssueKind.UNCLOSED_TAG, hit.offset, hit.opener + hit.content)
        self.boxes_since += 1
        entries = _read_boxes(hit.content)
        if entries is None:
            self.note(TextIssueKind.BROKEN_BOX, hit.offset, hit.content)
            return
        boxes = self.normalise(entries, hit.offset)
        if self.tag == "pred":
            self.pair(boxes, hit.offset)
            return
        if self.named_at is None:
            self.note(TextIssueKind.BOX_WITHOUT_NAME, hit.offset, hit.content)
        for box in boxes:
            if box is not None:
                names = self.names.setdefault(box, [])
                if self.name not in names:
                    names.append(self.name)
                self.layers.setdefault(box, self.layer)

    def pair(self, boxes: list[BoxNorm | None], offset: int) -> None:
        """Keeps a subject list, or relates it to the object list that follows it."""
        if self.name not in self.waiting:
            self.waiting[self.name] = (boxes, offset)
            return
        subjects, _ = self.waiting.pop(self.name)
        objects = boxes
        if len(subjects) == 1:
            subjects = subjects * len(objects)
        elif len(objects) == 1:
            objects = objects * len(subjects)
        elif len(subjects) != len(objects):
            detail = f"{len(subjects)} subjects, {len(objects)} objects"
            self.note(TextIssueKind.UNEQUAL_BOX_LISTS, offset, detail)
        if not self.name:
            return
        for subject, target in zip(subjects, objects, strict=False):
            if subject is not None and target is not None:
                self.pairs.append((self.name, subject, target, offset))

    def finish(self) -> TextGraph:
        self.leave_name()
        for name, (_, offset) in self.waiting.items():
            self.note(TextIssueKind.ODD_BOX_COUNT, offset, name)
        index = {box: i for i, box in enumerate(self.names)}
        relations = []
        # Names are looked up last: a relation may stand before the <ref> of its boxes.
        for predicate, subject, target, offset in self.pairs:
            for box in (subject, target):
                if box not in index:
                    self.note(TextIssueKind.UNKNOWN_BOX, offset, str(list(box)))
                    index[box] = len(index)
                    self.names[box] = [UNKNOWN_NAME]
            relations.append(TextRelation(index[subject], predicate, index[target]))
        objects = tuple(
            TextObject(tuple(names), box, self.layers.get(box, 0))
            for box, names in self.names.items()
        )
        issues = tuple(sorted(self.issues, key=lambda issue: issue.offset))
        return TextGraph(objects, tuple(relations), issues)


def parse_graph(text: str) -> TextGraph:
    """Reads a model's text; total and linear in the length of ``text``.

    Reading rules (ASMv2's evaluator):
        - ``<ref>`` names every box of the ``<box>`` lists that follow, until the next name.
        - ``<pred>`` (and any tag that is not ``<ref>`` or ``<box>``) takes box lists in pairs,
          subject then object, over all its occurrences; one box against n is broadcast; n
          against m is read to the shorter; a leftover list is ignored.
        - A list that is not JSON is skipped. A relation's box that no ``<ref>`` named becomes
          an object called "Unknown". A box may have several names.
        - "Layer N:" outside tags sets the layer of the boxes named after it.

    Returns:
        The graph, with every departure from the format in :attr:`TextGraph.issues`.
    """
    reader = _Reader()
    layers = _LAYER.finditer(text)
    mark = next(layers, None)
    inside_until = 0
    for hit in _scan(text):
        while mark is not None and mark.start() < hit.offset:
            if mark.start() >= inside_until:
                reader.layer = int(mark.group(1))
            mark = next(layers, None)
        if isinstance(hit, TextIssue):
            reader.issues.append(hit)
            continue
        inside_until = hit.end
        if hit.opener == "<box>":
            reader.read_boxes(hit)
        else:
            reader.read_name(hit)
    return reader.finish()


def format_box(box: BoxNorm) -> str:
    """``[[x1, y1, x2, y2]]`` with the spacing by which boxes are compared."""
    return f"[[{box[0]}, {box[1]}, {box[2]}, {box[3]}]]"


def format_object(name: str, box: BoxNorm) -> str:
    """``<ref>name</ref><box>[[...]]</box>``; tag characters and line breaks become spaces."""
    return f"<ref>{_clean(name)}</ref><box>{format_box(box)}</box>"


def format_relation(predicate: str, subject: BoxNorm, target: BoxNorm) -> str:
    """``<pred>predicate</pred><box>[[subject]]</box><box>[[object]]</box>``."""
    return (
        f"<pred>{_clean(predicate)}</pred>"
        f"<box>{format_box(subject)}</box><box>{format_box(target)}</box>"
    )


def _clean(name: str) -> str:
    return _UNSAFE.sub(" ", name).strip() or UNKNOWN_NAME


def write_graph(graph: TextGraph) -> str:
    """The canonical text of a graph: objects line by line, then relations line by line.

    Objects with a layer stand in one line a layer, after those without. ``parse_graph`` gives
    the same objects and relations back where the graph is in normal form: boxes unique and
    within 0..999, names unique in their object, stripped, of one line and free of ``<>``,
    objects in ascending order of layer. Issues are not written.

    Raises:
        GraphError: a relation points at an object that is not there.
    """
    for relation in graph.relations:
        for index in (relation.subject, relation.object):
            if not 0 <= index < len(graph.objects):
                raise GraphError(
                    f"relation '{relation.predicate}' points at object {index}, "
                    f"but the graph has {len(graph.objects)} objects"
                )
    lines: list[str] = []
    by_layer: dict[int, list[str]] = {}
    for obj in graph.objects:
        by_layer.setdefault(max(obj.layer, 0), []).extend(
            format_object(name, obj.box) for name in obj.names or (UNKNOWN_NAME,)
        )
    for layer in sorted(by_layer):
        if layer:
            lines.append(f"Layer {layer}: " + ", ".join(by_layer[layer]))
        else:
            lines.extend(by_layer[layer])
    lines.extend(
        format_relation(r.predicate, graph.objects[r.subject].box, graph.objects[r.object].box)
        for r in graph.relations
    )
    return "\n".join(lines)
