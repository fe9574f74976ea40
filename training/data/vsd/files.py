"""Files of the visual spatial description data sets, VSD v1 and v2, as typed records.

A file is a JSON list of ``{"img_id", "triple_list": [{"s", "o", "p", "s_bbox", "o_bbox"}],
"captions": [...]}``. Boxes there are ymin, ymax, xmin, xmax in pixels; here they are x0, y0, x1,
y1 like everywhere else.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from spacesgg_ros.graph.predicates import resolve_predicate

from ..grounded import BoxPx
from ..rejected import Rejected

STAGE = "read"
_EXPECTED = "expected VSD's list of {img_id, triple_list, captions}"


class VsdFileError(ValueError):
    """A file of which nothing can be read: what was seen, what was expected."""


@dataclass(frozen=True)
class Triple:
    """Two named things in a picture and how the first stands to the second.

    Attributes:
        subject, object: names as the annotators wrote them, without a final full stop.
        predicate: one of ``VSD_LABELS``.
        subject_box, object_box: pixels, x0 y0 x1 y1.
    """

    subject: str
    predicate: str
    object: str
    subject_box: BoxPx
    object_box: BoxPx


@dataclass(frozen=True)
class DescribedImage:
    """A picture with annotated triples and people's sentences about them.

    Attributes:
        id: Visual Genome's number, or a file name of SpatialSense.
        triples: at least one.
        captions: as written, repeats included; may speak of any of the triples.
    """

    id: str
    triples: tuple[Triple, ...]
    captions: tuple[str, ...]


def read_vsd(path: Path) -> Iterator[DescribedImage | Rejected]:
    """Every picture of a file in order; in place of what cannot be used, the reason.

    A bad triple is turned away alone; its picture goes with the triples that are left.

    Raises:
        VsdFileError: the file cannot be read as a JSON list.
    """
    try:
        entries = json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise VsdFileError(f"{path} cannot be read as JSON: {error}; {_EXPECTED}") from error
    if not isinstance(entries, list):
        raise VsdFileError(f"{path} holds a {type(entries).__name__}; {_EXPECTED}")
    seen: set[str] = set()
    for number, entry in enumerate(entries):
        yield from _read_entry(f"{Path(path).name}:{number}", entry, seen)


def split_rejected(
    records: Iterable[DescribedImage | Rejected],
) -> tuple[list[DescribedImage], list[Rejected]]:
    """The good ones and the others, each in order."""
    images: list[DescribedImage] = []
    rejected: list[Rejected] = []
    for record in records:
        if isinstance(record, Rejected):
            rejected.append(record)
        else:
            images.append(record)
    return images, rejected


def _read_entry(place: str, entry: Any, seen: set[str]) -> Iterator[DescribedImage | Rejected]:
    if not isinstance(entry, dict):
        yield Rejected(place, STAGE, "not an object", f"{entry!r:.60}")
        return
    name, triples, captions = (entry.get(k) for k in ("img_id", "triple_list", "captions"))
    if not isinstance(name, (str, int)) or not str(name).strip():
        yield Rejected(place, STAGE, "no image id", f"img_id is {name!r:.60}")
        return
    image = str(name).strip()
    if image in seen:
        yield Rejected(image, STAGE, "image twice", f"again at {place}")
        return
    seen.add(image)
    if not isinstance(triples, list) or not isinstance(captions, list):
        yield Rejected(image, STAGE, "no triples or captions", "both must be lists")
        return
    good = []
    for triple in triples:
        read = _read_triple(image, triple)
        if isinstance(read, Rejected):
            yield read
        else:
            good.append(read)
    sentences = [c for c in captions if isinstance(c, str) and c.strip()]
    if len(sentences) < len(captions):
        lost = len(captions) - len(sentences)
        yield Rejected(image, STAGE, "empty caption", f"{lost} of {len(captions)}")
    if good:
        yield DescribedImage(image, tuple(good), tuple(sentences))
    else:
        yield Rejected(image, STAGE, "no usable triple", f"of {len(triples)}")


def _read_triple(image: str, data: Any) -> Triple | Rejected:
    if not isinstance(data, dict):
        return Rejected(image, STAGE, "triple is not an object", f"{data!r:.60}")
    texts: list[Any] = [data.get(k) for k in ("s", "p", "o")]
    subject, predicate, target = texts
    if not all(isinstance(v, str) and v.strip(" .") for v in texts):
        return Rejected(
            image, STAGE, "triple without names", f"{subject!r} {predicate!r} {target!r}"
        )
    resolved = resolve_predicate(predicate)
    if resolved is None:
        return Rejected(image, STAGE, "not one of the nine relations", predicate)
    boxes = [_read_box(data.get(k)) for k in ("s_bbox", "o_bbox")]
    if boxes[0] is None or boxes[1] is None:
        seen = f"{data.get('s_bbox')} {data.get('o_bbox')}"
        return Rejected(image, STAGE, "bad box", f"{seen}; expected ymin, ymax, xmin, xmax")
    label, swapped = resolved
    ends = [(_clean_name(subject), boxes[0]), (_clean_name(target), boxes[1])]
    (first, first_box), (second, second_box) = reversed(ends) if swapped else ends
    return Triple(first, label, second, first_box, second_box)


def _read_box(values: Any) -> BoxPx | None:
    """x0, y0, x1, y1 of ymin, ymax, xmin, xmax; None where they bound nothing."""
    if not isinstance(values, list) or len(values) != 4:
        return None
    if not all(isinstance(v, (int, float)) and math.isfinite(v) for v in values):
        return None
    top, bottom, left, right = (float(v) for v in values)
    return (left, top, right, bottom) if 0 <= left < right and 0 <= top < bottom else None


def _clean_name(name: str) -> str:
    return " ".join(name.split()).rstrip(". ")
