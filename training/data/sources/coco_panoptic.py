"""COCO's panoptic and instance annotations.

Panoptic: a JSON file of segments and a PNG an image whose colours are segment ids. Instances: a
JSON file with a box and a mask (polygons or run lengths) an object. A crowd is no object: it is
noted as ignored in the record's provenance.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from spacesgg_ros.training.data.grounded import GroundedImage
from spacesgg_ros.training.data.rejected import Rejected

from .draft import BROKEN, STAGE, Draft, Expect, expect_any, load_json
from .files import FileError, read_bytes
from .masks import (
    MaskError,
    encode_labels,
    mask_box,
    read_segment_ids,
    read_segmentation,
)
from .names import clean_category
from .pictures import Pictures
from .recognise import Kind

_VOID = 0
"""Segment id of pixels that nobody annotated."""
_KEYS = ("images", "annotations", "categories")
_MOST_PIXELS = 1 << 30
"""What OpenCV reads; a larger size is a mistake that would fill the memory."""

Masks = dict[int, dict[str, Any]]
"""Run lengths by segment id."""


def read_coco_panoptic(
    annotations: Path,
    pictures: Pictures,
    masks: Path | None = None,
    expect: Expect = expect_any,
) -> Iterator[GroundedImage | Rejected]:
    """Images with their segments as objects, in the file's order; boxes are of the masks.

    Args:
        annotations: ``panoptic_*.json``.
        masks: folder of the PNGs; by default the one beside the JSON of the same name.

    Raises:
        SourceError: the file is not panoptic annotations.
    """
    data = load_json(annotations, Kind.COCO_PANOPTIC, _KEYS)
    expect(len(data["images"]))
    folder = Path(masks) if masks is not None else Path(annotations).with_suffix("")
    categories = _read_categories(data)
    by_image: dict[Any, Any] = {}
    for k, entry in enumerate(data["annotations"]):
        if not isinstance(entry, dict) or not _is_id(entry.get("image_id")):
            yield Rejected(f"annotations[{k}]", STAGE, "broken annotation", repr(entry)[:80])
        elif entry["image_id"] in by_image:
            yield Rejected(str(entry["image_id"]), STAGE, "second annotation of an image")
        else:
            by_image[entry["image_id"]] = entry
    for k, entry in enumerate(data["images"]):
        draft = _begin(k, entry, pictures, "coco-panoptic")
        if isinstance(draft, Rejected):
            yield draft
            continue
        segments = by_image.get(entry["id"])
        if segments is None:
            yield Rejected(draft.id, STAGE, "image without annotations")
            continue
        try:
            _add_segments(draft, segments, categories, folder)
        except FileError as error:
            yield Rejected(draft.id, STAGE, "no such mask picture", str(error))
        except MaskError as error:
            yield Rejected(draft.id, STAGE, "unfit mask picture", str(error))
        except BROKEN as error:
            yield Rejected(draft.id, STAGE, "broken annotation", repr(error))
        else:
            yield from draft.finish()
    yield from _reject_strangers(by_image, data)


def read_segments(folder: Path, file_name: str, width: int, height: int) -> Masks:
    """The masks of a panoptic picture by segment id; ``folder`` may be a ``.tar``.

    Raises:
        FileError: no such file.
        MaskError: not a picture of segment ids, or of another size.
    """
    folder = folder.resolve()
    ids = read_segment_ids(read_bytes(folder.parent, f"{folder.name}/{file_name}"))
    if ids.shape != (height, width):
        raise MaskError(f"{file_name} is {ids.shape[1]}x{ids.shape[0]}; expected {width}x{height}")
    return encode_labels(ids)


def _add_segments(
    draft: Draft, entry: Mapping[str, Any], categories: Mapping[Any, str], folder: Path
) -> None:
    masks = read_segments(folder, entry["file_name"], draft.width, draft.height)
    masks.pop(_VOID, None)
    for segment in entry["segments_info"]:
        key = segment["id"]
        mask = masks.pop(key, None)
        category = categories.get(segment["category_id"])
        if category is None:
            draft.reject_object(key, "unknown category id", repr(segment["category_id"]))
        elif mask is None:
            draft.reject_object(key, "segment without pixels", category)
        else:
            box = mask_box(mask)
            assert box is not None  # it has pixels
            if segment.get("iscrowd"):
                draft.ignore(clean_category(category), box)
            else:
                draft.add_object(key, clean_category(category), box, mask, category)
    for key in masks:
        draft.reject_object(key, "segment without an entry", "its pixels are in the picture")


def read_coco_instances(
    annotations: Path, pictures: Pictures, expect: Expect = expect_any
) -> Iterator[GroundedImage | Rejected]:
    """Images with their instances as objects, in the file's order; boxes as annotated.

    Args:
        annotations: ``instances_*.json``.

    Raises:
        SourceError: the file is not instance annotations.
    """
    data = load_json(annotations, Kind.COCO_INSTANCES, _KEYS)
    expect(len(data["images"]))
    categories = _read_categories(data)
    by_image: dict[Any, list[Mapping[str, Any]]] = defaultdict(list)
    for k, entry in enumerate(data["annotations"]):
        if not isinstance(entry, dict) or not _is_id(entry.get("image_id")):
            yield Rejected(f"annotations[{k}]", STAGE, "broken annotation", repr(entry)[:80])
        else:
            by_image[entry["image_id"]].append(entry)
    for k, entry in enumerate(data["images"]):
        draft = _begin(k, entry, pictures, "coco-instances")
        if isinstance(draft, Rejected):
            yield draft
            continue
        for n, instance in enumerate(by_image.get(entry["id"], ())):
            _add_instance(draft, str(instance.get("id", f"no. {n}")), instance, categories)
        yield from draft.finish()
    yield from _reject_strangers(by_image, data)


def _add_instance(
    draft: Draft, key: str, instance: Mapping[str, Any], categories: Mapping[Any, str]
) -> None:
    try:
        category = categories.get(instance["category_id"])
        x, y, width, height = (float(v) for v in instance["bbox"])
        segmentation = instance.get("segmentation")
        crowd = bool(instance.get("iscrowd"))
    except BROKEN as error:
        draft.reject_object(key, "broken annotation", repr(error))
        return
    if category is None:
        draft.reject_object(key, "unknown category id", repr(instance["category_id"]))
        return
    box, label = (x, y, x + width, y + height), clean_category(category)
    if crowd:
        draft.ignore(label, box)
        return
    try:
        mask = read_segmentation(segmentation, draft.width, draft.height) if segmentation else None
        if mask is not None and mask_box(mask) is None:
            draft.reject_object(key, "mask without pixels", label)
            return
    except MaskError as error:
        draft.reject_object(key, "broken mask", str(error))
        return
    draft.add_object(key, label, box, mask, category)


def _reject_strangers(annotated: Iterable[Any], data: Mapping[str, Any]) -> Iterator[Rejected]:
    entries = [entry for entry in data["images"] if isinstance(entry, dict)]
    known = {entry["id"] for entry in entries if _is_id(entry.get("id"))}
    for image_id in annotated:
        if image_id not in known:
            yield Rejected(str(image_id), STAGE, "annotation of an unknown image")


def _read_categories(data: Mapping[str, Any]) -> dict[Any, str]:
    named = (c for c in data["categories"] if isinstance(c, dict) and "name" in c)
    return {c["id"]: str(c["name"]) for c in named if _is_id(c.get("id"))}


def _is_id(value: Any) -> bool:
    return isinstance(value, (int, str))


def _begin(place: int, entry: Any, pictures: Pictures, source: str) -> Draft | Rejected:
    """The draft of an entry of ``images``."""
    try:
        key, width, height = entry["id"], int(entry["width"]), int(entry["height"])
        name = pictures.name(entry["file_name"])
        if not (_is_id(key) and width > 0 and height > 0 and width * height <= _MOST_PIXELS):
            raise ValueError(f"id {key!r}, {width}x{height} pixels")
    except BROKEN as error:
        return Rejected(f"images[{place}]", STAGE, "broken image entry", repr(error))
    fault = pictures.find_fault(name, width, height)
    if fault is not None:
        return Rejected(str(key), STAGE, *fault)
    return Draft(str(key), name, width, height, source)
