"""Whatever a data set's file holds, a reader lists it or says that it cannot read the file."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from spacesgg_ros.training.data.grounded import GroundedImage
from spacesgg_ros.training.data.rejected import Rejected
from spacesgg_ros.training.data.sources.asv2 import read_asv2
from spacesgg_ros.training.data.sources.coco_panoptic import (
    read_coco_instances,
    read_coco_panoptic,
)
from spacesgg_ros.training.data.sources.draft import SourceError
from spacesgg_ros.training.data.sources.files import read_grounded, write_grounded
from spacesgg_ros.training.data.sources.pictures import Pictures
from spacesgg_ros.training.data.sources.psg import read_psg

JUNK = [None, "", "x", -1, 0, 1e300, float("nan"), float("inf"), 10**400, True, [], {}, [[[]]],
        [1, 2], {"id": 1}, "\ud800", 2**62]  # fmt: skip
IMAGES = [{"id": 1, "file_name": "a.png", "width": 8, "height": 6}]
CATEGORIES = [{"id": 1, "name": "cup"}]
PANOPTIC = {
    "images": IMAGES,
    "categories": CATEGORIES,
    "annotations": [
        {
            "image_id": 1,
            "file_name": "a.png",
            "segments_info": [{"id": 5, "category_id": 1, "iscrowd": 0}],
        }
    ],
}
INSTANCES = {
    "images": IMAGES,
    "categories": CATEGORIES,
    "annotations": [
        {
            "id": k,
            "image_id": 1,
            "category_id": 1,
            "iscrowd": 0,
            "bbox": [1, 1, 3, 3],
            "segmentation": segmentation,
        }
        for k, segmentation in enumerate(
            ([[1, 1, 4, 1, 4, 4, 1, 4]], {"size": [6, 8], "counts": [7, 3, 38]})
        )
    ],
}
PSG = {
    "data": [
        {
            "image_id": "1",
            "file_name": "a.png",
            "pan_seg_file_name": "pan/a.png",
            "width": 8,
            "height": 6,
            "annotations": [{"bbox": [1, 1, 4, 4], "category_id": 0}] * 2,
            "segments_info": [{"id": 5, "iscrowd": 0}] * 2,
            "relations": [[0, 1, 0]],
        }
    ],
    "thing_classes": ["cup"],
    "stuff_classes": [],
    "predicate_classes": ["on"],
    "test_image_ids": [],
}
ASV2 = [
    {
        "id": "r",
        "image": "a.png",
        "width": 8,
        "height": 6,
        "conversations": [
            {"from": "gpt", "value": "<ref>cup</ref><box>[[100, 300, 500, 700]]</box>"}
        ],
    }
]
SOURCES = {
    "panoptic": (PANOPTIC, lambda path, pictures: read_coco_panoptic(path, pictures)),
    "instances": (INSTANCES, read_coco_instances),
    "psg": (PSG, lambda path, pictures: read_psg(path, pictures, masks=path.parent)),
    "asv2": (ASV2, read_asv2),
}


def list_places(value: Any, place: tuple = ()) -> Iterator[tuple]:
    """The path of every node below ``value``."""
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for key, child in items:
        yield (*place, key)
        if isinstance(child, (dict, list)):
            yield from list_places(child, (*place, key))


def damage(document: Any, rng: random.Random) -> Any:
    """A copy with one node replaced by junk or taken out."""
    document = copy.deepcopy(document)
    *way, last = rng.choice(list(list_places(document)))
    parent = document
    for key in way:
        parent = parent[key]
    if rng.random() < 0.2:
        del parent[last]
    else:
        parent[last] = copy.deepcopy(rng.choice(JUNK))
    return document


@pytest.fixture
def pictures(tmp_path: Path, write_picture, write_segments) -> Pictures:
    write_picture("a.png")
    write_segments("pan/a.png", {5: (1, 1, 4, 4)})
    return Pictures(tmp_path, tmp_path)


@pytest.mark.parametrize("look", [True, False])
@pytest.mark.parametrize("name", SOURCES)
def test_damage_is_listed_and_never_stops_a_reader(
    tmp_path: Path, pictures: Pictures, name: str, look: bool
) -> None:
    document, read = SOURCES[name]
    trusted = Pictures(tmp_path, tmp_path, look)
    path = tmp_path / "pan.json"
    rng = random.Random(f"{name} {look}")
    whole = 0
    for _ in range(120):
        damaged = damage(document, rng)
        path.write_text(json.dumps(damaged))
        whole += check(read, path, trusted)
    assert 0 < whole < 120


def check(read: Callable, path: Path, pictures: Pictures) -> bool:
    """Whether all that came was images; they must survive being written."""
    try:
        records = list(read(path, pictures))
    except SourceError:
        return False
    images = [record for record in records if isinstance(record, GroundedImage)]
    write_grounded(path.with_suffix(".jsonl"), images)
    assert list(read_grounded(path.with_suffix(".jsonl"))) == images
    assert all(isinstance(r, Rejected) for r in records if r not in images)
    return len(images) == len(records)
