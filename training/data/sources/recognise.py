"""Which data set an annotation file is of, so that a wrong KIND is answered with the right one."""

from __future__ import annotations

import enum
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any


class Kind(str, enum.Enum):
    """What can be imported."""

    COCO_PANOPTIC = "coco-panoptic"
    COCO_INSTANCES = "coco-instances"
    PSG = "psg"
    ASV2 = "asv2"
    RENDERED = "rendered"
    BAG = "bag"


def recognise(data: Any) -> Kind | None:
    """The kind that parsed JSON looks like; None where it looks like no kind.

    Args:
        data: a whole file, or one line of JSONL.
    """
    if isinstance(data, list):
        return recognise(data[0]) if data and _is_row(data[0]) else None
    if not isinstance(data, Mapping):
        return None
    if _is_row(data):
        return Kind.ASV2
    if "predicate_classes" in data and "data" in data:
        return Kind.PSG
    annotations = data.get("annotations")
    if "images" not in data or not isinstance(annotations, list):
        return None
    first = next((a for a in annotations if isinstance(a, Mapping)), {})
    if "segments_info" in first:
        return Kind.COCO_PANOPTIC
    return Kind.COCO_INSTANCES if "bbox" in first else None


def recognise_text(text: str) -> Kind | None:
    """:func:`recognise` of JSONL, by its first line, or of JSON, as a whole."""
    for part in (text.lstrip().partition("\n")[0], text):
        try:
            return recognise(json.loads(part))
        except (ValueError, RecursionError):
            continue
    return None


def describe(data: Any) -> str:
    """What JSON holds at its top, in a few words."""
    if isinstance(data, Mapping):
        return f"an object with {', '.join(list(data)[:8]) or 'nothing'}"
    if isinstance(data, list) and data:
        return f"a list of {len(data)}, the first {describe(data[0])}"
    return f"a JSON {type(data).__name__}"


def tell_other(path: Path, asked: Kind, found: Kind) -> str:
    """What to say of a file of another kind than the one asked for."""
    name = found.value
    return f"{path} is no {asked.value} file but looks like {name}: `data import {name} {path}`"


def _is_row(data: Any) -> bool:
    return isinstance(data, Mapping) and "conversations" in data
