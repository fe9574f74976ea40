from collections.abc import Iterator
from pathlib import Path

import pytest

from spacesgg_ros.training.data.grounded import GroundedImage
from spacesgg_ros.training.data.rejected import Rejected
from spacesgg_ros.training.data.sources.coco_panoptic import (
    read_coco_instances,
    read_coco_panoptic,
)
from spacesgg_ros.training.data.sources.draft import SourceError
from spacesgg_ros.training.data.sources.masks import decode_mask
from spacesgg_ros.training.data.sources.names import clean_category
from spacesgg_ros.training.data.sources.pictures import Pictures

CATEGORIES = [
    {"id": 1, "name": "person", "isthing": 1},
    {"id": 47, "name": "cup", "isthing": 1},
    {"id": 189, "name": "table-merged", "isthing": 0},
]
FIRST = {"id": 7, "file_name": "a.png", "width": 8, "height": 6}
BIG_ID = 70_000
"""Needs all three colours of a panoptic picture."""


def split(records: Iterator) -> tuple[list[GroundedImage], list[tuple[str, str]]]:
    """The images, and ``(id, reason)`` of the rest."""
    records = list(records)
    good = [r for r in records if isinstance(r, GroundedImage)]
    return good, [(r.id, r.reason) for r in records if isinstance(r, Rejected)]


def segment(number: int, category: int, crowd: int = 0) -> dict:
    return {"id": number, "category_id": category, "iscrowd": crowd}


def panoptic(images: list, annotations: list) -> dict:
    return {"images": images, "annotations": annotations, "categories": CATEGORIES}


def annotation(segments: list, image_id: int = 7, name: str = "a.png") -> dict:
    return {"image_id": image_id, "file_name": name, "segments_info": segments}


@pytest.fixture
def pictures(tmp_path: Path, write_picture) -> Pictures:
    write_picture("val/a.png")
    return Pictures(tmp_path / "val", tmp_path)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("person", "person"),
        ("teddy bear", "teddy bear"),
        ("tree-merged", "tree"),
        ("sky-other-merged", "sky"),
        ("wall-other-merged", "wall"),
        ("floor-other-merged", "floor"),
        ("door-stuff", "door"),
        ("floor-wood", "wooden floor"),
        ("wall-tile", "tiled wall"),
        ("wall-brick", "brick wall"),
        ("wall-stone", "stone wall"),
        ("window-blind", "window blind"),
        ("window-other", "window"),
        ("water-other", "water"),
        ("playingfield", "playing field"),
        ("food-other-merged", "food"),
        ("aerosol_can", "aerosol can"),
    ],
)
def test_categories_are_named_as_people_say_them(name: str, said: str) -> None:
    assert clean_category(name) == said


def test_segments_become_objects_with_their_mask_and_its_box(
    tmp_path: Path, write_json, write_segments, pictures: Pictures
) -> None:
    write_segments("pan/a.png", {3: (0, 3, 8, 6), BIG_ID: (1, 2, 4, 5)})
    source = write_json("pan.json", panoptic([FIRST], [annotation(
        [segment(3, 189), segment(BIG_ID, 47)]
    )]))  # fmt: skip
    (image,), bad = split(read_coco_panoptic(source, pictures))
    assert not bad
    assert (image.id, image.image, image.source) == ("7", "val/a.png", "coco-panoptic")
    table, cup = image.objects
    assert (table.label, table.category, table.box_px) == ("table", "table-merged", (0, 3, 8, 6))
    assert (cup.label, cup.box_px) == ("cup", (1, 2, 4, 5))
    assert decode_mask(cup.mask)[2:5, 1:4].all()
    assert decode_mask(table.mask).sum() == 24 - 2 * 3


def test_a_crowd_is_ignored_not_an_object(write_json, write_segments, pictures: Pictures) -> None:
    write_segments("pan/a.png", {3: (0, 0, 4, 4), 4: (5, 0, 8, 6)})
    segments = [segment(3, 47), segment(4, 1, crowd=1)]
    source = write_json("pan.json", panoptic([FIRST], [annotation(segments)]))
    (image,), bad = split(read_coco_panoptic(source, pictures))
    assert not bad
    assert [o.label for o in image.objects] == ["cup"]
    assert image.provenance == {"ignored": [{"label": "person", "box_px": [5, 0, 8, 6]}]}


@pytest.mark.parametrize(
    ("segments", "reason"),
    [
        ([segment(3, 189), segment(4, 999)], "unknown category id"),
        ([segment(3, 189), segment(4, 47), segment(5, 47)], "segment without pixels"),
        ([segment(3, 189)], "segment without an entry"),
    ],
)
def test_a_bad_segment_is_listed_and_the_others_are_kept(
    write_json, write_segments, pictures: Pictures, segments: list, reason: str
) -> None:
    write_segments("pan/a.png", {3: (0, 3, 8, 6), 4: (1, 0, 4, 2)})
    source = write_json("pan.json", panoptic([FIRST], [annotation(segments)]))
    (image,), bad = split(read_coco_panoptic(source, pictures))
    assert image.objects[0].label == "table"
    assert [why for _, why in bad] == [reason]


GOOD = [annotation([segment(3, 189)])]


@pytest.mark.parametrize(
    ("images", "annotations", "reason"),
    [
        ([FIRST | {"file_name": "no.png"}], GOOD, "no such picture"),
        ([FIRST | {"file_name": "broken.png"}], GOOD, "no such picture"),
        ([FIRST | {"width": 9}], GOOD, "picture of another size"),
        ([{"id": 7}], GOOD, "broken image entry"),
        (["a.png"], GOOD, "broken image entry"),
        ([FIRST], [], "image without annotations"),
        ([FIRST], [annotation([], name="none.png")], "no such mask picture"),
        ([FIRST], [annotation([], name="small.png")], "unfit mask picture"),
        ([FIRST], [annotation([], name="broken.png")], "unfit mask picture"),
        ([FIRST], [annotation([{"id": 3}])], "broken annotation"),
        ([FIRST], [{"image_id": 7}], "broken annotation"),
        ([FIRST], [annotation([])], "no usable object"),
        ([FIRST], [annotation([segment(3, 999)])], "no usable object"),
    ],
)
def test_an_image_that_cannot_be_used_is_rejected_with_its_reason(
    tmp_path: Path, write_json, write_segments, pictures, images, annotations, reason: str
) -> None:
    write_segments("pan/a.png", {3: (0, 3, 8, 6)})
    write_segments("pan/small.png", {3: (0, 3, 4, 6)}, width=4)
    (tmp_path / "pan" / "broken.png").write_bytes(b"x")
    (tmp_path / "val" / "broken.png").write_bytes(b"x")
    good, bad = split(
        read_coco_panoptic(write_json("pan.json", panoptic(images, annotations)), pictures)
    )
    assert not good
    assert reason in [why for _, why in bad]


def test_annotations_of_no_image_and_second_ones_are_listed(
    write_json, write_segments, pictures: Pictures
) -> None:
    write_segments("pan/a.png", {3: (0, 3, 8, 6)})
    annotations = [*GOOD, *GOOD, annotation([], image_id=8), "x"]
    source = write_json("pan.json", panoptic([FIRST], annotations))
    good, bad = split(read_coco_panoptic(source, pictures))
    assert len(good) == 1
    assert sorted(bad) == [
        ("7", "second annotation of an image"),
        ("8", "annotation of an unknown image"),
        ("annotations[3]", "broken annotation"),
    ]


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"images": []}'])
def test_a_file_that_is_no_coco_is_an_error(tmp_path: Path, pictures: Pictures, text: str) -> None:
    path = tmp_path / "x.json"
    path.write_text(text)
    for read in (read_coco_panoptic, read_coco_instances):
        with pytest.raises(SourceError, match=r"x\.json"):
            list(read(path, pictures))


def instance(**changes: object) -> dict:
    box = {"bbox": [1, 1, 3, 2], "segmentation": [[1, 1, 4, 1, 4, 3, 1, 3]]}
    return {"id": 5, "image_id": 7, "category_id": 47, "iscrowd": 0, **box, **changes}


def test_instances_keep_their_annotated_box_and_get_a_mask(write_json, pictures: Pictures) -> None:
    runs = {"size": [6, 8], "counts": [0, 48]}
    entries = [
        instance(),
        instance(id=6, category_id=1, bbox=[0, 0, 8, 6], segmentation=runs),
        instance(id=7, bbox=[5.5, 2, 2.9, 1], segmentation=[]),
        instance(id=8, bbox=[0, 0, 8, 6], segmentation=runs, iscrowd=1),
    ]
    source = write_json("ins.json", panoptic([FIRST], entries))
    (image,), bad = split(read_coco_instances(source, pictures))
    assert not bad
    assert [o.label for o in image.objects] == ["cup", "person", "cup"]
    assert [o.box_px for o in image.objects] == [(1, 1, 4, 3), (0, 0, 8, 6), (5.5, 2, 8, 3)]
    assert [o.mask and decode_mask(o.mask).sum() for o in image.objects] == [6, 48, None]
    assert len(image.provenance["ignored"]) == 1


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"category_id": 3}, "unknown category id"),
        ({"bbox": [1, 1, 0, 2]}, "empty box"),
        ({"bbox": [1, 1, -2, 2]}, "empty box"),
        ({"bbox": [5, 1, 5, 2]}, "box outside the picture"),
        ({"bbox": [20, 20, 5, 2]}, "box outside the picture"),
        ({"bbox": [1, 1, float("nan"), 2]}, "broken box"),
        ({"bbox": [1, 1, 2]}, "broken annotation"),
        ({"bbox": None}, "broken annotation"),
        ({"segmentation": [[1, 2, 3]]}, "broken mask"),
        ({"segmentation": {"size": [8, 6], "counts": [48]}}, "broken mask"),
        ({"segmentation": {"size": [6, 8], "counts": [48]}}, "mask without pixels"),
    ],
)
def test_a_bad_instance_is_listed_and_the_others_are_kept(
    write_json, pictures: Pictures, changes: dict, reason: str
) -> None:
    entries = [instance(**changes), instance(id=6)]
    source = write_json("ins.json", panoptic([FIRST], entries))
    (image,), bad = split(read_coco_instances(source, pictures))
    assert len(image.objects) == 1
    assert bad == [("7#object 5", reason)]
