"""Files of R@K: the true objects and relations of images, and a model's ranked ones."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from spacesgg_ros.cli.console import InputError
from spacesgg_ros.training.data.grounded import GroundedError, GroundedImage
from spacesgg_ros.training.data.rejected import Rejected

from .openpsg import LabelledObjects
from .records import STAGE, Question, RowError, TrueTuple, read_box, read_id, read_rows

_KINDS = "psg.json, or a grounded set (.jsonl)"


def read_truth(
    path: Path, split: str | None = "test", masks: Path | None = None
) -> tuple[list[GroundedImage], list[Rejected]]:
    """The images of PSG's ``psg.json`` or of a grounded set (``.jsonl``), and the rows left out.

    Args:
        split: of ``psg.json``: test, train, or None for all.
        masks: folder of ``psg.json``'s panoptic pictures; None: boxes only.

    Raises:
        InputError: the file cannot be used, or has no image or no relation.
    """
    from spacesgg_ros.training.data.sources.files import read_grounded
    from spacesgg_ros.training.data.sources.pictures import Pictures
    from spacesgg_ros.training.data.sources.psg import read_psg

    try:
        if path.suffix == ".json":
            pictures = Pictures(path.parent, path.parent, look=False)
            entries = list(read_psg(path, pictures, masks, split))
        else:
            entries = list(read_grounded(path))
    except GroundedError as error:
        raise InputError(str(error)) from error
    images = [entry for entry in entries if isinstance(entry, GroundedImage)]
    rejected = [entry for entry in entries if isinstance(entry, Rejected)]
    if not images:
        of = f" of split {split}" if path.suffix == ".json" and split else ""
        first = f"; the first entry: {rejected[0].reason}" if rejected else ""
        raise InputError(f"{path} has no image{of}{first}; expected {_KINDS}")
    if not any(image.relations for image in images):
        raise InputError(
            f"none of the {len(images)} images of {path} has a relation, so nothing can be found; "
            "give annotations with relations"
        )
    return images, rejected


def to_labelled(image: GroundedImage) -> LabelledObjects:
    """Objects by the source's own class names, where it has them."""
    masks = tuple(thing.mask for thing in image.objects if thing.mask is not None)
    return LabelledObjects(
        image.id,
        tuple(thing.category or thing.label for thing in image.objects),
        tuple(thing.box_px for thing in image.objects),
        tuple(image.relations),
        masks if len(masks) == len(image.objects) else (),
    )


def to_question(image: GroundedImage) -> Question:
    """The relations of an image as a question of the open-ended protocol."""
    names = [thing.category or thing.label for thing in image.objects]
    boxes = [thing.box_px for thing in image.objects]
    tuples = tuple(
        TrueTuple(names[s], boxes[s], names[o], boxes[o], p) for s, p, o in image.relations
    )
    return Question(image.id, image.image, image.width, image.height, tuples)


def read_predictions(
    path: Path, images: Iterable[str]
) -> tuple[dict[str, LabelledObjects], list[Rejected]]:
    """A line an image: ``image_id``, ``objects`` and ``relations``; and the rows left out.

    ``objects``: ``{"label", "box": [x0, y0, x1, y1], "mask": run lengths}``; the mask may be
    missing. ``relations``: ``[subject, predicate, object]``, the best first, or with a score as
    fourth element, by which they are sorted.

    Raises:
        InputError: the file cannot be opened, or none of its rows is of these images.
    """
    known = set(images)
    predictions: dict[str, LabelledObjects] = {}
    rejected: list[Rejected] = []
    for where, said in read_rows(path, _read_prediction, rejected, "image_id"):
        if said.image not in known:
            rejected.append(Rejected(where, STAGE, "no such image", said.image))
        elif said.image in predictions:
            rejected.append(Rejected(where, STAGE, "second prediction", said.image))
        else:
            predictions[said.image] = said
    if not predictions:
        raise InputError(
            f"{path} has no prediction for the images: each line needs image_id, objects "
            '[{"label", "box"}] and relations [[subject, predicate, object, score]]'
        )
    return predictions, rejected


def _read_prediction(row: Mapping[str, Any]) -> LabelledObjects:
    objects, relations = row.get("objects"), row.get("relations")
    if not isinstance(objects, list) or not isinstance(relations, list):
        raise RowError("no objects or no relations")
    if not all(isinstance(o, dict) and isinstance(o.get("label"), str) for o in objects):
        raise RowError("an object has no label")
    boxes = tuple(read_box(thing.get("box")) for thing in objects)
    masks = tuple(thing["mask"] for thing in objects if thing.get("mask") is not None)
    if masks and len(masks) != len(objects):
        raise RowError("some objects have a mask and some have none")
    scored = [_read_relation(relation, len(objects)) for relation in relations]
    if all(score is not None for _, score in scored):
        scored.sort(key=lambda item: -(item[1] or 0.0))
    return LabelledObjects(
        str(read_id(row, "image_id")),
        tuple(thing["label"] for thing in objects),
        boxes,
        tuple(relation for relation, _ in scored),
        masks,
    )


def _read_relation(value: Any, count: int) -> tuple[tuple[int, str, int], float | None]:
    fault = RowError("a relation is not [subject, predicate, object] of the objects' indices")
    if not isinstance(value, list) or len(value) not in (3, 4):
        raise fault
    subject, predicate, target = value[:3]
    if not (type(subject) is int and type(target) is int and isinstance(predicate, str)):
        raise fault
    if not (0 <= subject < count and 0 <= target < count):
        raise fault
    if len(value) == 3:
        return (subject, predicate, target), None
    if not isinstance(value[3], (int, float)) or value[3] != value[3]:
        raise RowError("a score is not a number")
    return (subject, predicate, target), float(value[3])
