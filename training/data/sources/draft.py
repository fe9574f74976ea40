"""A grounded image in the making: what is good is kept, what is not is listed with its reason."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from spacesgg_ros.graph.boxes import clip_box
from spacesgg_ros.training.data.grounded import (
    BoxPx,
    GroundedError,
    GroundedImage,
    GroundedObject,
)
from spacesgg_ros.training.data.rejected import Rejected

from .recognise import Kind, describe, recognise, recognise_text, tell_other

STAGE = "read"
BROKEN = (AttributeError, IndexError, KeyError, OverflowError, TypeError, ValueError)
"""What reading a record of the wrong shape raises."""

_SLACK_PX = 1.0
"""How far a box may reach over the border: annotations are rounded. It is clipped."""


class SourceError(GroundedError):
    """A data set that cannot be read at all: what was seen, expected, and what to do."""


@dataclass
class Draft:
    """One image; objects are added by the source's own key and related by it.

    Attributes:
        slack_px: how far a box may reach over the image's border before it is refused.
        extra: what goes to the record's provenance.
    """

    id: str
    image: str
    width: int
    height: int
    source: str
    slack_px: float = _SLACK_PX
    extra: dict[str, Any] = field(default_factory=dict)
    _objects: list[GroundedObject] = field(default_factory=list)
    _places: dict[Hashable, int | None] = field(default_factory=dict)
    _relations: dict[tuple[int, str, int], int] = field(default_factory=dict)
    _ambiguous: dict[tuple[int, int], None] = field(default_factory=dict)
    _ignored: list[dict[str, Any]] = field(default_factory=list)
    _rejected: list[Rejected] = field(default_factory=list)

    def reject(self, part: str, reason: str, detail: str = "") -> None:
        """List ``part`` of this image as unusable."""
        self._rejected.append(Rejected(f"{self.id}#{part}", STAGE, reason, detail))

    def add_object(
        self,
        key: Hashable,
        label: str,
        box_px: Sequence[float],
        mask: Mapping[str, Any] | None = None,
        category: str = "",
    ) -> None:
        """Keep an object, or reject it: no name, or a box that is broken, empty or outside."""
        part = f"object {key}"
        self._places[key] = None
        if not isinstance(label, str) or not label.strip():
            return self.reject(part, "object without a name")
        box = self._check_box(part, box_px)
        if box is not None:
            self._places[key] = len(self._objects)
            self._objects.append(GroundedObject(label.strip(), box, mask, category))
        return None

    def reject_object(self, key: Hashable, reason: str, detail: str = "") -> None:
        """List an object as unusable; relations to it are then rejected for that."""
        self._places[key] = None
        self.reject(f"object {key}", reason, detail)

    def ignore(self, label: str, box_px: Sequence[float]) -> None:
        """Note in the provenance what is seen and not an object of the record: a crowd, a rest."""
        self._ignored.append({"label": label, "box_px": [float(v) for v in box_px]})

    def _check_box(self, part: str, box_px: Sequence[float]) -> BoxPx | None:
        try:
            x0, y0, x1, y1 = (float(v) for v in box_px)
        except (TypeError, ValueError, OverflowError):
            self.reject(part, "broken box", repr(box_px)[:80])
            return None
        if not all(map(math.isfinite, (x0, y0, x1, y1))):
            self.reject(part, "broken box", repr(box_px))
            return None
        slack = self.slack_px
        inside = -slack <= x0 and -slack <= y0
        if not (inside and x1 <= self.width + slack and y1 <= self.height + slack):
            said = f"{(x0, y0, x1, y1)} in {self.width}x{self.height}"
            self.reject(part, "box outside the picture", said)
            return None
        box = clip_box((x0, y0, x1, y1), self.width, self.height)
        if box[0] >= box[2] or box[1] >= box[3]:
            self.reject(part, "empty box", repr((x0, y0, x1, y1)))
            return None
        return box

    def relate(self, subject: Hashable, predicate: str, target: Hashable) -> None:
        """Keep a relation between two keys once, or reject it."""
        part = f"relation ({subject}, {predicate}, {target})"
        pair = self._find_pair(part, subject, target)
        if pair is None:
            return
        if not isinstance(predicate, str) or not predicate.strip():
            self.reject(part, "relation without a predicate")
            return
        relation = (pair[0], predicate.strip(), pair[1])
        self._relations[relation] = self._relations.get(relation, 0) + 1

    def doubt(self, subject: Hashable, target: Hashable) -> None:
        """Note a pair of which nothing must be said."""
        pair = self._find_pair(f"pair ({subject}, {target})", subject, target)
        if pair is not None:
            self._ambiguous[pair] = None

    def _find_pair(self, part: str, subject: Hashable, target: Hashable) -> tuple[int, int] | None:
        if subject not in self._places or target not in self._places:
            self.reject(part, "relation to an object that is not there")
            return None
        s, o = self._places[subject], self._places[target]
        if s is None or o is None:
            self.reject(part, "relation to a rejected object")
            return None
        if s == o:
            self.reject(part, "object related to itself")
            return None
        return s, o

    def finish(self, **fields: Any) -> Iterator[GroundedImage | Rejected]:
        """What was rejected, then the image with ``fields``, or why there is none."""
        yield from self._rejected
        if not self._objects:
            yield Rejected(self.id, STAGE, "no usable object")
            return
        extra = dict(self.extra)
        if self._ignored:
            extra["ignored"] = self._ignored
        repeats = sum(self._relations.values()) - len(self._relations)
        if repeats:
            extra["repeated_relations"] = repeats
        try:
            yield GroundedImage(
                self.id,
                self.image,
                self.width,
                self.height,
                tuple(self._objects),
                relations=tuple(self._relations),
                ambiguous=tuple(self._ambiguous),
                source=self.source,
                provenance=extra or None,
                **fields,
            )
        except GroundedError as error:
            yield Rejected(self.id, STAGE, "broken record", str(error))


def load_json(path: Path, kind: Kind, keys: Sequence[str]) -> dict[str, Any]:
    """The JSON object of a data set's file, which must have a list at each of ``keys``.

    Args:
        kind: of :mod:`.recognise`, what the file is read as.

    Raises:
        SourceError: no such file, not JSON, no such lists, or it looks like another kind.
    """
    try:
        text = Path(path).read_bytes()
    except OSError as error:
        raise SourceError(f"cannot read {path}: {error}") from error
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        found = recognise_text(text.decode(errors="replace"))
        if found is not None and found is not kind:
            raise SourceError(tell_other(path, kind, found)) from error
        raise SourceError(f"{path} is not JSON: {error}") from error
    found = recognise(data)
    if found is not None and found is not kind:
        raise SourceError(tell_other(path, kind, found))
    if not isinstance(data, dict):
        raise SourceError(f"{path} is {describe(data)}; a {kind.value} file is an object")
    missing = [key for key in keys if not isinstance(data.get(key), list)]
    if missing:
        raise SourceError(
            f"{path} is {describe(data)}; a {kind.value} file has a list {', '.join(missing)}, too"
        )
    return data


Expect = Callable[[int], None]
"""Told how many images a file lists, before the first of them."""


def expect_any(count: int) -> None:
    """For who does not ask."""
