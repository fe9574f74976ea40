"""Boxes with labels, true and predicted, from the files that they come in.

True: COCO's instances JSON; a grounded set (JSONL of
:class:`~spacesgg_ros.training.data.grounded.GroundedImage`); frame records of rendered shards
(``.tar``), where what a record ignores is a crowd region of its label.

Predicted: COCO's results JSON, or JSONL with ``{"id": image, "objects": [{"label", "box_px",
"score"}]}``. A text's objects have no score: all get 1, in the order of the text.
"""

from __future__ import annotations

import json
import tarfile
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from spacesgg_ros.training.data.grounded import GroundedImage
from spacesgg_ros.training.data.rejected import Rejected
from spacesgg_ros.training.data.sources.files import read_grounded
from spacesgg_ros.training.evaluate.facts import ignored_objects, scene_of, true_objects
from spacesgg_ros.training.scenes.dataset import read_shards

from .outcomes import ScoreError
from .reading import Read, get_id, read_entries, require_items

_KINDS = "expected COCO's instances .json, a grounded set .jsonl or a rendered shard .tar"
_BROKEN = (tarfile.TarError, RecursionError)


@dataclass(frozen=True)
class LabelledBox:
    """A box with a label; pixels, x0 y0 x1 y1; ``area`` of its mask if that is known."""

    label: str
    box_px: tuple[float, float, float, float]
    score: float = 1.0
    crowd: bool = False
    area: float = 0.0


@dataclass(frozen=True)
class ImageBoxes:
    """The boxes of one image, true or predicted.

    ``group``: what is resampled with it; ``file``: its picture, relative to the file it was read
    from, or ``shard.tar/member``.
    """

    id: str
    boxes: tuple[LabelledBox, ...]
    width: int = 0
    height: int = 0
    group: str = ""
    file: str = ""


def read_truth(paths: Sequence[Path]) -> Read[ImageBoxes]:
    """True boxes of ``.tar`` shards, ``.jsonl`` grounded sets and COCO ``.json`` files.

    Raises:
        ScoreError: a file cannot be read, is of another kind, or there is no image at all.
    """
    images: list[ImageBoxes] = []
    bad: list[dict[str, Any]] = []
    for path in paths:
        try:
            found = list(_read_truth_file(path))
        except (OSError, ValueError, LookupError, TypeError, *_BROKEN) as error:
            why = str(error) if isinstance(error, ScoreError) else f"{error!r:.100}"
            raise ScoreError(f"{path} cannot be read as true boxes: {why}; {_KINDS}") from error
        images += [entry for entry in found if isinstance(entry, ImageBoxes)]
        bad += [{"entry": e.id, "reason": e.reason} for e in found if isinstance(e, Rejected)]
    if not images:
        first = f"; the first entry: {bad[0]['reason']}" if bad else ""
        raise ScoreError(f"no image in {', '.join(map(str, paths))}{first}; {_KINDS}")
    if repeated := [name for name, n in Counter(i.id for i in images).items() if n > 1]:
        raise ScoreError(f"image {repeated[0]!r} occurs twice in the truth")
    return Read(tuple(images), tuple(bad))


def read_predictions(path: Path, categories: Mapping[int, str] | None = None) -> Read[ImageBoxes]:
    """Predicted boxes by image: COCO's results list, or JSONL with labels.

    Args:
        categories: names of COCO's category ids, for a results list.

    Raises:
        ScoreError: the file cannot be read, or no prediction is left.
    """
    names = categories or {}

    def parse(data: Mapping[str, Any]) -> ImageBoxes:
        try:
            if "objects" in data:
                return ImageBoxes(get_id(data), tuple(_read_box(o) for o in data["objects"]))
            x, y, w, h = (float(v) for v in data["bbox"])
            label = names.get(data["category_id"])
            if label is None:
                raise ScoreError(f"category {data['category_id']} is none of the truth's")
            box = LabelledBox(label, (x, y, x + w, y + h), float(data["score"]))
            return ImageBoxes(str(data["image_id"]), (box,))
        except (KeyError, TypeError) as error:
            raise ScoreError(f"not a prediction: {error!r}") from error
        except ValueError as error:
            raise ScoreError(str(error)) from error

    read = require_items(path, read_entries(path, parse), "prediction")
    together: dict[str, list[LabelledBox]] = defaultdict(list)
    for image in read.items:
        together[image.id] += image.boxes
    return Read(tuple(ImageBoxes(k, tuple(v)) for k, v in together.items()), read.bad)


def read_categories(path: Path) -> dict[int, str]:
    """Category names of a COCO file; {} for another kind of file."""
    if path.suffix != ".json":
        return {}
    return {int(c["id"]): str(c["name"]) for c in json.loads(path.read_text())["categories"]}


def _read_truth_file(path: Path) -> Iterator[ImageBoxes | Rejected]:
    if path.suffix == ".tar":
        for record, _ in read_shards([path], images=False):
            boxes = [LabelledBox(label, _four(box)) for label, box in true_objects(record)]
            boxes += [
                LabelledBox(label, _four(box), crowd=True) for label, box in ignored_objects(record)
            ]
            key = str(record["key"])
            size = record["width"], record["height"]
            file = f"{path.name}/{key}.jpg"
            yield ImageBoxes(key, tuple(boxes), *size, scene_of(key), file)
    elif path.suffix == ".jsonl":
        for image in read_grounded(path):
            yield _from_grounded(image) if isinstance(image, GroundedImage) else image
    elif path.suffix == ".json":
        yield from _from_coco(json.loads(path.read_text(encoding="utf-8")))
    else:
        raise ScoreError(f"it ends in {path.suffix or 'nothing'}")


def _from_grounded(image: GroundedImage) -> ImageBoxes:
    boxes = tuple(LabelledBox(o.label, o.box_px) for o in image.objects)
    return ImageBoxes(image.id, boxes, image.width, image.height, "", image.image)


def _from_coco(data: Mapping[str, Any]) -> Iterator[ImageBoxes]:
    names = {c["id"]: str(c["name"]) for c in data["categories"]}
    boxes: dict[Any, list[LabelledBox]] = defaultdict(list)
    for note in data["annotations"]:
        x, y, w, h = (float(v) for v in note["bbox"])
        crowd, area = bool(note.get("iscrowd", 0)), float(note.get("area", 0.0))
        label = names[note["category_id"]]
        boxes[note["image_id"]].append(LabelledBox(label, (x, y, x + w, y + h), 1.0, crowd, area))
    for image in data["images"]:
        width, height = int(image.get("width", 0)), int(image.get("height", 0))
        those, file = tuple(boxes[image["id"]]), str(image.get("file_name", ""))
        yield ImageBoxes(str(image["id"]), those, width, height, "", file)


def _read_box(data: Mapping[str, Any]) -> LabelledBox:
    return LabelledBox(str(data["label"]), _four(data["box_px"]), float(data.get("score", 1.0)))


def _four(box: Sequence[float]) -> tuple[float, float, float, float]:
    x0, y0, x1, y1 = (float(v) for v in box)
    if not (x0 <= x1 and y0 <= y1):  # also refuses NaN
        raise ScoreError(f"a box is x0 y0 x1 y1 in pixels; got {list(box)}")
    return x0, y0, x1, y1


def write_predictions(path: Path, images: Iterable[ImageBoxes]) -> None:
    """Write predictions as the JSONL that :func:`read_predictions` takes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="\n") as file:
        for image in images:
            objects = [
                {"label": b.label, "box_px": [round(v, 2) for v in b.box_px], "score": b.score}
                for b in image.boxes
            ]
            file.write(json.dumps({"id": image.id, "objects": objects}, ensure_ascii=False) + "\n")
