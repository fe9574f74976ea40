"""Captions of the visual spatial reasoning data set (VSR) as triples of the nine labels.

A file is JSON lines ``{"image", "image_link", "caption", "label", "relation", "reference_frame",
...}``; the caption reads "The SUBJECT is RELATION the OBJECT." and holds where ``label`` is 1. Of
its 66 relations those are used that say one of the nine labels; the others are turned away and
counted by name.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from spacesgg_ros.graph.predicates import resolve_predicate

from ..rejected import Rejected
from .files import STAGE, VsdFileError

_NOT_A_PLACE = frozenset({"down", "down from", "into"})
"""Ways, not places: what comes "down from" a tree need not be under it."""

_OWN_FRONT = 0
"""``reference_frame`` of captions whose left and right are the object's own, not the viewer's.

The files do not say so; but among true captions the objects of value 0 are people, animals and
vehicles, those of value 1 anything, bowls and bananas included, which have no left of their own.
"""


@dataclass(frozen=True)
class VerifiedCaption:
    """A true caption that says one of the nine labels.

    Attributes:
        id: unique in its file.
        image: file name of a COCO picture.
        caption: as written.
        relation: as VSR names it; ``predicate`` is the label that it says.
    """

    id: str
    image: str
    caption: str
    relation: str
    subject: str
    predicate: str
    object: str


def map_relation(relation: str) -> tuple[str, bool] | None:
    """The label that a relation of VSR says, and whether subject and object swap; or None."""
    return None if relation in _NOT_A_PLACE else resolve_predicate(relation)


def read_vsr(path: Path) -> Iterator[VerifiedCaption | Rejected]:
    """Every caption of a file that can be used, in order; in place of others the reason.

    Raises:
        VsdFileError: the file cannot be read.
    """
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise VsdFileError(f"{path} cannot be read: {error}") from error
    for number, line in enumerate(lines, 1):
        if line.strip():
            yield _read_item(f"{Path(path).name}:{number}", f"{Path(path).stem}/{number}", line)


def _read_item(place: str, name: str, line: str) -> VerifiedCaption | Rejected:
    try:
        data: Any = json.loads(line)
        values = [data[key] for key in ("image", "caption", "relation")]
        true = data["label"]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        return Rejected(place, STAGE, "not a VSR item", f"{type(error).__name__}: {error}")
    if not all(isinstance(value, str) and value.strip() for value in values):
        return Rejected(place, STAGE, "not a VSR item", "image, caption and relation must be texts")
    image, caption, relation = values
    if true not in (0, 1):
        return Rejected(place, STAGE, "not a VSR item", f"label must be 0 or 1, got {true!r:.20}")
    if not true:
        return Rejected(place, STAGE, "false caption", caption)
    mapped = map_relation(relation)
    if mapped is None:
        return Rejected(place, STAGE, f"not one of the nine: {relation}", caption)
    label, swapped = mapped
    if label in ("to the left of", "to the right of") and data.get("reference_frame") == _OWN_FRONT:
        return Rejected(place, STAGE, "left or right by the object's own front", caption)
    names = _find_names(caption, relation)
    if names is None:
        return Rejected(place, STAGE, "caption of another form", caption)
    subject, target = reversed(names) if swapped else names
    return VerifiedCaption(name, image, caption, relation, subject, label, target)


def _find_names(caption: str, relation: str) -> tuple[str, str] | None:
    form = rf"the (.+?) (?:is |are )?{re.escape(relation)} (?:the )?(.+?)[ .]*"
    found = re.fullmatch(form, caption.strip(), re.IGNORECASE)
    return (found[1], found[2]) if found else None
