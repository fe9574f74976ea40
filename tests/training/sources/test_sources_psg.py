from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from spacesgg_ros.training.data.grounded import GroundedImage
from spacesgg_ros.training.data.sources.draft import SourceError
from spacesgg_ros.training.data.sources.masks import mask_box
from spacesgg_ros.training.data.sources.pictures import Pictures
from spacesgg_ros.training.data.sources.psg import read_psg

ENTRY = {
    "image_id": "107",
    "file_name": "val/a.png",
    "pan_seg_file_name": "pan/a.png",
    "width": 8,
    "height": 6,
    "annotations": [
        {"bbox": [1, 1, 4, 3], "category_id": 0},
        {"bbox": [0, 3, 8, 6], "category_id": 3},
        {"bbox": [5, 0, 8, 2], "category_id": 1},
    ],
    "segments_info": [
        {"id": 11, "category_id": 0, "iscrowd": 0},
        {"id": 12, "category_id": 3, "iscrowd": 0},
        {"id": 13, "category_id": 1, "iscrowd": 1},
    ],
    "relations": [[0, 1, 1], [2, 0, 0]],
}


@pytest.fixture
def write_psg(write_json, write_picture, write_segments) -> Callable[..., Path]:
    write_picture("val/a.png")
    write_segments("pan/a.png", {11: (1, 1, 4, 3), 12: (0, 3, 8, 6), 13: (5, 0, 8, 2)})

    def write(*entries: dict[str, Any], **changes: Any) -> Path:
        data = {
            "data": list(entries),
            "thing_classes": ["person", "dog"],
            "stuff_classes": ["sea", "floor-wood"],
            "predicate_classes": ["over", "on"],
            "test_image_ids": ["108"],
            **changes,
        }
        return write_json("psg.json", data)

    return write


@pytest.fixture
def pictures(tmp_path: Path) -> Pictures:
    return Pictures(tmp_path, tmp_path)


def test_classes_count_through_things_then_stuff(write_psg, pictures) -> None:
    (image,) = read_psg(write_psg(ENTRY), pictures)
    assert image.id == "107"
    assert [o.label for o in image.objects] == ["person", "wooden floor", "dog"]
    assert [o.category for o in image.objects] == ["person", "floor-wood", "dog"]
    assert image.relations == ((0, "on", 1), (2, "over", 0))
    assert all(o.mask is None for o in image.objects)


def test_masks_come_from_the_panoptic_picture_and_crowds_stay_objects(
    tmp_path: Path, write_psg, pictures
) -> None:
    (image,) = read_psg(write_psg(ENTRY), pictures, masks=tmp_path)
    assert [mask_box(o.mask) for o in image.objects] == [o.box_px for o in image.objects]
    assert image.provenance == {"crowds": [2]}


def test_a_relation_annotated_twice_is_kept_once_and_counted(write_psg, pictures) -> None:
    twice = ENTRY | {"relations": [[0, 1, 1], [0, 1, 1], [0, 1, 0]]}
    (image,) = read_psg(write_psg(twice), pictures)
    assert image.relations == ((0, "on", 1), (0, "over", 1))
    assert image.provenance["repeated_relations"] == 1


def test_the_test_split_is_what_the_file_lists(write_psg, pictures) -> None:
    source = write_psg(ENTRY, ENTRY | {"image_id": 108}, ENTRY | {"image_id": "109"})
    ids = {s: [i.id for i in read_psg(source, pictures, split=s)] for s in (None, "train", "test")}
    assert ids == {None: ["107", "108", "109"], "train": ["107", "109"], "test": ["108"]}
    with pytest.raises(SourceError, match="train, test"):
        list(read_psg(source, pictures, split="val"))


def test_images_without_relations_are_kept(write_psg, pictures) -> None:
    (image,) = read_psg(write_psg(ENTRY | {"relations": []}), pictures)
    assert image.relations == ()


@pytest.mark.parametrize(
    ("relation", "reason"),
    [
        ([0, 3, 1], "relation to an object that is not there"),
        ([-1, 0, 1], "relation to an object that is not there"),
        ([0, 1, 2], "unknown predicate id"),
        ([0, 1, -1], "unknown predicate id"),
        ([1, 1, 0], "object related to itself"),
        ([0, 1], "broken relation"),
        ("0 1 1", "broken relation"),
    ],
)
def test_a_bad_relation_is_listed_and_the_others_are_kept(
    write_psg, pictures, relation: Any, reason: str
) -> None:
    bad, image = read_psg(write_psg(ENTRY | {"relations": [relation, [0, 1, 1]]}), pictures)
    assert (bad.reason, image.relations) == (reason, ((0, "on", 1),))


def replace_first(key: str, value: Any) -> dict[str, Any]:
    first, *rest = ENTRY["annotations"]
    return ENTRY | {"annotations": [first | {key: value}, *rest]}


@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        (replace_first("category_id", 4), "unknown category id"),
        (replace_first("category_id", "x"), "unknown category id"),
        (replace_first("bbox", [1, 1, 1, 3]), "empty box"),
        (replace_first("bbox", [1, 1, 30, 3]), "box outside the picture"),
        (replace_first("bbox", [1, 1, "x", 3]), "broken box"),
    ],
)
def test_relations_of_a_bad_object_go_with_it(write_psg, pictures, entry, reason: str) -> None:
    *bad, image = read_psg(write_psg(entry), pictures)
    assert [r.reason for r in bad] == [reason, *["relation to a rejected object"] * 2]
    assert [o.label for o in image.objects] == ["wooden floor", "dog"]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"file_name": "no.png"}, "no such picture"),
        ({"height": 7}, "picture of another size"),
        ({"pan_seg_file_name": "no.png"}, "no such mask picture"),
        ({"annotations": []}, "broken entry"),
        ({"annotations": None}, "broken entry"),
        ({"relations": 5}, "broken entry"),
    ],
)
def test_an_image_that_cannot_be_used_is_rejected(
    tmp_path: Path, write_psg, pictures, changes: dict, reason: str
) -> None:
    source = write_psg(ENTRY | changes, ENTRY | {"image_id": "good"})
    bad, good = read_psg(source, pictures, masks=tmp_path)
    assert bad.reason == reason
    assert isinstance(good, GroundedImage)


def test_without_looking_no_picture_is_needed(tmp_path: Path, write_psg) -> None:
    trusting = Pictures(tmp_path / "elsewhere", tmp_path, look=False)
    (image,) = read_psg(write_psg(ENTRY), trusting)
    assert image.image == "elsewhere/val/a.png"
