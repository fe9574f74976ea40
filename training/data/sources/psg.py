"""OpenPSG's ``psg.json``: COCO images with panoptic segments and annotated relations.

Object ``i`` of an image is ``annotations[i]`` (box x0 y0 x1 y1) and ``segments_info[i]`` (id in
the panoptic picture); categories count through things, then stuff; a relation is ``[subject,
object, predicate]``. Crowds stay objects, because relations speak of them by index.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from spacesgg_ros.training.data.grounded import GroundedImage
from spacesgg_ros.training.data.rejected import Rejected

from .coco_panoptic import Masks, read_segments
from .draft import BROKEN, STAGE, Draft, Expect, SourceError, expect_any, load_json
from .files import FileError
from .masks import MaskError
from .names import clean_category
from .pictures import Pictures
from .recognise import Kind

SPLITS = ("train", "test")
_KEYS = ("data", "thing_classes", "stuff_classes", "predicate_classes", "test_image_ids")


def read_psg(
    annotations: Path,
    pictures: Pictures,
    masks: Path | None = None,
    split: str | None = None,
    expect: Expect = expect_any,
) -> Iterator[GroundedImage | Rejected]:
    """Images with objects and relations, in the file's order; ids are PSG's image ids.

    A relation that is annotated twice is kept once (as OpenPSG's test does); how many came again
    is in the provenance. Images without relations are kept.

    Args:
        annotations: ``psg.json``.
        masks: folder that ``pan_seg_file_name`` is relative to; None: boxes only.
        split: ``test``: the ids listed in ``test_image_ids``; ``train``: the others; None: all.

    Raises:
        SourceError: the file is no PSG annotations, or no such split.
    """
    if split is not None and split not in SPLITS:
        raise SourceError(f"PSG's splits are {', '.join(SPLITS)}; got {split!r}")
    data = load_json(annotations, Kind.PSG, _KEYS)
    categories = [*data["thing_classes"], *data["stuff_classes"]]
    predicates = list(data["predicate_classes"])
    test = {str(i) for i in data["test_image_ids"]}
    entries = len(data["data"])
    expect({None: entries, "test": len(test), "train": entries - len(test)}[split])
    for place, entry in enumerate(data["data"]):
        try:
            key = str(entry["image_id"])
            if split is not None and (key in test) != (split == "test"):
                continue
            draft = _begin(key, entry, pictures)
            if isinstance(draft, Rejected):
                yield draft
                continue
            segments = _read_masks(entry, masks)
            _add_objects(draft, entry, categories, segments)
            for relation in entry["relations"]:
                _add_relation(draft, relation, predicates)
        except FileError as error:
            yield Rejected(key, STAGE, "no such mask picture", str(error))
        except MaskError as error:
            yield Rejected(key, STAGE, "unfit mask picture", str(error))
        except BROKEN as error:
            yield Rejected(f"data[{place}]", STAGE, "broken entry", repr(error))
        else:
            yield from draft.finish()


def _begin(key: str, entry: Mapping[str, Any], pictures: Pictures) -> Draft | Rejected:
    width, height = int(entry["width"]), int(entry["height"])
    name = pictures.name(entry["file_name"])
    fault = pictures.find_fault(name, width, height)
    if fault is not None:
        return Rejected(key, STAGE, *fault)
    return Draft(key, name, width, height, "psg")


def _read_masks(entry: Mapping[str, Any], folder: Path | None) -> Masks | None:
    if folder is None:
        return None
    size = int(entry["width"]), int(entry["height"])
    return read_segments(Path(folder), entry["pan_seg_file_name"], *size)


def _add_objects(
    draft: Draft, entry: Mapping[str, Any], categories: Sequence[str], masks: Masks | None
) -> None:
    boxes, segments = entry["annotations"], entry["segments_info"]
    if len(boxes) != len(segments):
        raise ValueError(f"{len(boxes)} boxes, {len(segments)} segments")
    crowds = []
    for index, (found, segment) in enumerate(zip(boxes, segments, strict=True)):
        number = found["category_id"]
        if not (isinstance(number, int) and 0 <= number < len(categories)):
            draft.reject_object(index, "unknown category id", repr(number))
            continue
        mask = masks.get(segment["id"]) if masks is not None else None
        if masks is not None and mask is None:
            draft.reject_object(index, "segment without pixels", categories[number])
            continue
        category = categories[number]
        draft.add_object(index, clean_category(category), found["bbox"], mask, category)
        if segment.get("iscrowd"):
            crowds.append(index)
    if crowds:
        draft.extra["crowds"] = crowds


def _add_relation(draft: Draft, relation: Any, predicates: Sequence[str]) -> None:
    try:
        subject, target, number = (int(v) for v in relation)
    except (TypeError, ValueError):
        draft.reject(f"relation {relation!r}", "broken relation")
        return
    if not 0 <= number < len(predicates):
        draft.reject(f"relation {relation}", "unknown predicate id", str(number))
        return
    draft.relate(subject, predicates[number], target)
