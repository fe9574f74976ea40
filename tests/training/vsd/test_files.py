"""VSD's and VSR's files: what is read, and what is turned away with which reason."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from spacesgg_ros.training.data.rejected import Rejected
from spacesgg_ros.training.data.vsd.files import (
    DescribedImage,
    VsdFileError,
    read_vsd,
    split_rejected,
)
from spacesgg_ros.training.data.vsd.statistics import compare_caption, count_file
from spacesgg_ros.training.data.vsd.vsr import VerifiedCaption, map_relation, read_vsr

GOOD = {
    "s": "lamp",
    "p": "above",
    "o": "desk.",
    "s_bbox": [1, 20, 30, 50],
    "o_bbox": [9, 9.5, 0, 4],
}


def entry(**changes: object) -> dict:
    return {"img_id": "7", "triple_list": [GOOD], "captions": ["a lamp above a desk."]} | changes


def read(tmp_path: Path, entries: object) -> tuple[list[DescribedImage], list[Rejected]]:
    path = tmp_path / "vsd.json"
    path.write_text(json.dumps(entries))
    return split_rejected(read_vsd(path))


def test_boxes_become_x0_y0_x1_y1_of_ymin_ymax_xmin_xmax(tmp_path: Path) -> None:
    ((image,), rejected) = read(tmp_path, [entry()])
    assert image.triples[0].subject_box == (30, 1, 50, 20)
    assert image.triples[0].object_box == (0, 9, 4, 9.5)
    assert rejected == []


def test_names_lose_their_full_stop_and_numbers_become_ids(tmp_path: Path) -> None:
    ((image,), _) = read(tmp_path, [entry(img_id=7)])
    assert (image.id, image.triples[0].object) == ("7", "desk")


def test_a_swapped_synonym_becomes_a_label(tmp_path: Path) -> None:
    ((image,), _) = read(tmp_path, [entry(triple_list=[GOOD | {"p": "contains"}])])
    triple = image.triples[0]
    assert (triple.subject, triple.predicate, triple.object) == ("desk", "in", "lamp")
    assert triple.object_box == (30, 1, 50, 20)


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        ("text", "not an object"),
        (entry(img_id=None), "no image id"),
        (entry(img_id=" "), "no image id"),
        (entry(triple_list=None), "no triples or captions"),
        (entry(captions="one"), "no triples or captions"),
        (entry(triple_list=[]), "no usable triple"),
        (entry(triple_list=["x"]), "triple is not an object"),
        (entry(triple_list=[GOOD | {"s": ""}]), "triple without names"),
        (entry(triple_list=[GOOD | {"o": 4}]), "triple without names"),
        (entry(triple_list=[GOOD | {"p": "wearing"}]), "not one of the nine relations"),
        (entry(triple_list=[GOOD | {"s_bbox": [1, 2, 3]}]), "bad box"),
        (entry(triple_list=[GOOD | {"s_bbox": [5, 5, 3, 9]}]), "bad box"),
        (entry(triple_list=[GOOD | {"s_bbox": [-1, 5, 3, 9]}]), "bad box"),
        (entry(triple_list=[GOOD | {"o_bbox": ["1", 5, 3, 9]}]), "bad box"),
        (entry(triple_list=[GOOD | {"o_bbox": None}]), "bad box"),
        (entry(captions=["  "]), "empty caption"),
    ],
)
def test_a_bad_entry_is_listed_and_the_next_is_read(
    tmp_path: Path, bad: object, reason: str
) -> None:
    images, rejected = read(tmp_path, [bad, entry(img_id="next")])
    assert images[-1].id == "next"
    assert reason in [r.reason for r in rejected]


def test_a_bad_triple_leaves_the_others(tmp_path: Path) -> None:
    ((image,), rejected) = read(tmp_path, [entry(triple_list=[GOOD | {"p": "eats"}, GOOD])])
    assert len(image.triples) == len(rejected) == 1


def test_an_image_that_comes_again_is_listed(tmp_path: Path) -> None:
    images, rejected = read(tmp_path, [entry(), entry()])
    assert len(images) == 1
    assert [r.reason for r in rejected] == ["image twice"]


@pytest.mark.parametrize("text", ["{", '{"a": 1}', ""])
def test_a_file_that_is_no_list_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "vsd.json"
    path.write_text(text)
    with pytest.raises(VsdFileError, match="vsd"):
        list(read_vsd(path))


def test_counts_are_those_of_the_papers(tmp_path: Path) -> None:
    two = [GOOD, GOOD | {"p": "behind", "o": "lamp"}]
    captions = ["a lamp above a desk.", "a lamp above a desk.", "lamp behind lamp"]
    images, rejected = read(
        tmp_path, [entry(), entry(img_id="8", triple_list=two, captions=captions), "bad"]
    )
    counted = count_file(images, rejected)
    assert (counted.images, counted.triples, counted.captions) == (2, 3, 4)
    assert (counted.captions_per_image_unique, counted.captions_unique) == (3, 2)
    assert counted.mean_words == (5 + 5 + 5 + 3) / 4
    assert counted.labels["above"] == 2
    assert counted.same_names == 1
    assert counted.rejected == {"read: not an object": 1}
    assert counted.agreement["same"] == 1  # only pictures with one triple


@pytest.mark.parametrize(
    ("caption", "said"),
    [
        ("a lamp hangs over the desk", "same"),
        ("the desk is under the lamp", "inverse told"),
        ("the desk is above the lamp", "opposite"),
        ("the lamp is next to the desk", "another"),
        ("a light above a table", "not read"),
    ],
)
def test_a_caption_is_compared_with_its_label(tmp_path: Path, caption: str, said: str) -> None:
    ((image,), _) = read(tmp_path, [entry()])
    assert compare_caption(caption, image.triples[0]) == said


def item(**changes: object) -> dict:
    return {
        "image": "1.jpg",
        "caption": "The cup is on top of the wine glass.",
        "label": 1,
        "relation": "on top of",
        "reference_frame": None,
    } | changes


def read_items(tmp_path: Path, *items: object) -> list[VerifiedCaption | Rejected]:
    path = tmp_path / "vsr.jsonl"
    path.write_text("\n".join(i if isinstance(i, str) else json.dumps(i) for i in items))
    return list(read_vsr(path))


def test_a_true_caption_gives_a_label_and_names(tmp_path: Path) -> None:
    (read_item,) = read_items(tmp_path, item())
    assert isinstance(read_item, VerifiedCaption)
    assert (read_item.subject, read_item.predicate, read_item.object) == ("cup", "on", "wine glass")


def test_what_contains_is_the_object(tmp_path: Path) -> None:
    caption = item(caption="The oven contains the pizza.", relation="contains")
    (read_item,) = read_items(tmp_path, caption)
    assert isinstance(read_item, VerifiedCaption)
    assert (read_item.subject, read_item.predicate, read_item.object) == ("pizza", "in", "oven")


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        ("{", "not a VSR item"),
        ("[]", "not a VSR item"),
        (item(caption=3), "not a VSR item"),
        (item(label="yes"), "not a VSR item"),
        (item(label=0), "false caption"),
        (item(relation="touching"), "not one of the nine: touching"),
        (item(caption="A cup."), "caption of another form"),
        (
            item(caption="The cup is left of the dog.", relation="left of", reference_frame=0.0),
            "left or right by the object's own front",
        ),
    ],
)
def test_a_caption_that_cannot_be_used_is_listed(tmp_path: Path, bad: object, reason: str) -> None:
    (rejected,) = read_items(tmp_path, bad)
    assert isinstance(rejected, Rejected)
    assert rejected.reason == reason


@pytest.mark.parametrize(
    ("relation", "mapped"),
    [
        ("at the left side of", ("to the left of", False)),
        ("enclosed by", ("in", False)),
        ("contains", ("in", True)),
        ("beneath", ("under", False)),
        ("at the back of", ("behind", False)),
        ("down from", None),
        ("into", None),
        ("facing", None),
        ("at the edge of", None),
        ("surrounding", None),
    ],
)
def test_relations_map_to_the_nine(relation: str, mapped: tuple[str, bool] | None) -> None:
    assert map_relation(relation) == mapped
