"""Rows of the three tasks, from scene graphs and from people's captions."""

from __future__ import annotations

import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

cv2 = pytest.importorskip("cv2")

from spacesgg_ros.training.data.grounded import (
    GroundedImage,
    GroundedObject,
    Measured,
    Order,
)
from spacesgg_ros.training.data.rejected import Rejected
from spacesgg_ros.training.data.rows import Row
from spacesgg_ros.training.data.vsd.captions import (
    PictureFolder,
    described_rows,
    tidy_caption,
    verified_rows,
)
from spacesgg_ros.training.data.vsd.files import DescribedImage, Triple
from spacesgg_ros.training.data.vsd.tasks import (
    CHOICE_PROMPT,
    VsdConfig,
    VsdStage,
    find_relations,
    make_fact,
    vsd_rows,
    write_question,
)
from spacesgg_ros.training.data.vsd.vsr import VerifiedCaption

BOX = (0.0, 0.0, 9.0, 9.0)


def scene(*labels: str, **changes: object) -> GroundedImage:
    objects = tuple(GroundedObject(label, BOX) for label in labels)
    return GroundedImage("f", "s.tar/f.jpg", 64, 48, objects, **changes)  # type: ignore[arg-type]


def order(subject: int, predicate: str, target: int, gap: float, view: str = "camera") -> Order:
    return Order(view, subject, predicate, target, gap)


def test_an_annotated_relation_is_told_from_both_sides() -> None:
    image = scene("mug", "table", relations=((0, "standing on", 1),))
    assert find_relations(image, 2) == [(0, "on", 1), (1, "under", 0)]


def test_a_swapped_predicate_swaps_its_things() -> None:
    image = scene("mug", "box", relations=((1, "contains", 0), (0, "wearing", 1)))
    assert find_relations(image, 2) == [(0, "in", 1)]


def test_a_name_that_occurs_twice_is_not_spoken_of() -> None:
    image = scene("mug", "table", "Mug", relations=((0, "on", 1), (2, "on", 1)))
    assert find_relations(image, 2) == []


def test_ambiguous_pairs_are_left_out() -> None:
    image = scene("mug", "table", relations=((0, "on", 1),), ambiguous=((1, 0),))
    assert find_relations(image, 2) == []


def test_an_annotation_that_the_measurement_contradicts_is_left_out() -> None:
    image = scene("a", "b", relations=((0, "behind", 1),))
    wrong = replace(image, orders=(order(0, "in front of", 1, 1.0),))
    assert find_relations(image, 2)
    assert find_relations(wrong, 2) == []


@pytest.mark.parametrize(("other_gap", "said"), [(0.4, True), (0.6, False)])
def test_a_measured_direction_counts_if_it_dominates(other_gap: float, said: bool) -> None:
    orders = (
        order(0, "behind", 1, 1.0),
        order(0, "to the left of", 1, other_gap),
        order(0, "to the right of", 1, 9.0, view="back"),
    )
    found = find_relations(scene("a", "b", orders=orders), 2)
    assert found == ([(0, "behind", 1), (1, "in front of", 0)] if said else [])


@pytest.mark.parametrize(("other", "said"), [((), True), ((("behind", 0.1),), False)])
def test_higher_is_above_only_if_it_is_over_the_other(
    other: tuple[tuple[str, float], ...], said: bool
) -> None:
    orders = tuple(order(0, label, 1, gap) for label, gap in (("above", 1.0), *other))
    found = find_relations(scene("a", "b", orders=orders), 2)
    assert found == ([(0, "above", 1), (1, "under", 0)] if said else [])


def test_a_pair_with_two_labels_is_described_but_not_asked_for_its_label() -> None:
    image = scene("mug", "table", relations=((0, "on", 1), (0, "in front of", 1)))
    tasks = [row.task for row in vsd_rows(image, VsdConfig())]
    assert "vsd-classify" not in tasks
    assert "vsd-describe" in tasks


def test_rows_say_their_fact_and_depend_on_the_seed_alone() -> None:
    image = scene("mug", "table", "lamp", relations=((0, "on", 1), (2, "behind", 0)))
    rows = vsd_rows(image, VsdConfig(seed=3))
    assert rows == vsd_rows(image, VsdConfig(seed=3))
    assert rows != vsd_rows(image, VsdConfig(seed=4))
    assert [row.task for row in rows] == ["vsd-classify"] * 4 + ["vsd-describe"] * 2 + ["vsd-open"]
    for row in rows[:4]:
        assert row.exchanges[0][1] == row.provenance["predicate"]
        assert row.provenance["grounded"] == "f"


def test_rows_from_estimated_depth_say_so_and_are_else_the_same() -> None:
    measured = scene("mug", "table", relations=((0, "on", 1),))
    estimated = replace(measured, provenance={"estimate": "transformers: tiny"})
    for row, other in zip(*(vsd_rows(i, VsdConfig()) for i in (measured, estimated)), strict=True):
        assert "estimate" not in row.provenance
        told = {**row.provenance, "estimate": "transformers: tiny"}
        assert other == replace(row, provenance=told)


@pytest.mark.parametrize(("depths", "lines"), [((3.0, 1.0), 3), ((1.0, 1.0), 2), (None, 2)])
def test_nearer_and_farther_are_said_only_where_depth_agrees(
    depths: tuple[float, float] | None, lines: int
) -> None:
    image = scene("a", "b", relations=((0, "behind", 1), (1, "in front of", 0)))
    if depths:
        measured = [Measured((d, d, d), None, None, None, 50) for d in depths]
        image = image.with_objects(
            tuple(replace(o, measured=m) for o, m in zip(image.objects, measured, strict=True))
        )
    (row,) = vsd_rows(image, VsdConfig(tasks=("vsd-open",)))
    assert len(row.exchanges[0][1].split("\n")) == lines


def test_an_image_without_relations_gives_no_rows() -> None:
    assert vsd_rows(scene("mug"), VsdConfig()) == []


def test_the_question_with_a_blank_lists_the_nine_in_their_order() -> None:
    asked = write_question("vsd-classify", make_fact("scissors", "on", "desk"), choice=True)
    assert "The scissors are [BLANK] the desk." in asked
    assert asked.endswith(
        "on, in, next to, under, above, behind, in front of, to the left of, to the right of."
    )
    assert CHOICE_PROMPT.count("{") == 3


@pytest.mark.parametrize("wrong", [{"tasks": ("qa",)}, {"open_rows": -1}, {"dominance": 0.5}])
def test_a_wrong_configuration_is_refused(wrong: dict) -> None:
    with pytest.raises(ValueError, match=r"unknown tasks|0 or more"):
        VsdConfig(**wrong)


def test_a_stage_gives_rows_and_reasons_and_travels() -> None:
    stage = pickle.loads(pickle.dumps(VsdStage()))
    out = stage([scene("a", "b", relations=((0, "on", 1),)).to_dict(), {"id": "bad"}])
    assert {r["task"] for r in out[:-1]} == {"vsd-classify", "vsd-describe", "vsd-open"}
    assert isinstance(out[-1], Rejected)


# --- people's captions --------------------------------------------------------------------------

LAMP = Triple("lamp", "above", "desk", BOX, BOX)
NO_FOLDER = PictureFolder(None, Path())


def described(*captions: str, triples: tuple[Triple, ...] = (LAMP,)) -> DescribedImage:
    return DescribedImage("7", triples, captions)


def split(items: list[Row | Rejected]) -> tuple[dict[str, str], list[str]]:
    """Answers by task, and reasons."""
    rows = {i.task: i.exchanges[0][1] for i in items if isinstance(i, Row)}
    return rows, [i.reason for i in items if isinstance(i, Rejected)]


def test_two_short_captions_and_the_longer_one_make_an_open_description() -> None:
    image = described("a lamp above a desk .", "lamp over desk", "the lamp is above the desk")
    longer = ["The green lamp hangs above the desk."]
    rows, reasons = split(list(described_rows(image, longer, NO_FOLDER, VsdConfig())))
    lines = rows["vsd-open"].split("\n")
    assert len(lines) == 3
    assert lines[2] == longer[0]
    assert rows["vsd-classify"] == "above"
    assert rows["vsd-describe"] in {tidy_caption(c) for c in image.captions}
    assert reasons == []


def test_a_caption_that_says_the_opposite_is_listed() -> None:
    image = described("the lamp is under the desk", "a lamp above a desk")
    rows, reasons = split(list(described_rows(image, [], NO_FOLDER, VsdConfig())))
    assert rows["vsd-describe"] == "A lamp above a desk."
    assert reasons == ["caption says the opposite", "fewer than three sentences"]


def test_templates_fill_what_people_lack() -> None:
    image = described("a lamp above a desk")
    rows, reasons = split(list(described_rows(image, [], NO_FOLDER, VsdConfig(), fill=True)))
    lines = rows["vsd-open"].split("\n")
    assert lines[0] == "A lamp above a desk."
    assert len(set(lines)) == 3
    assert reasons == []


def test_captions_go_to_the_pair_that_they_name() -> None:
    rug = Triple("rug", "under", "desk", BOX, BOX)
    image = described("a lamp above a desk", "a rug under the desk", triples=(LAMP, rug))
    items = list(described_rows(image, [], NO_FOLDER, VsdConfig(tasks=("vsd-describe",))))
    answers = [i.exchanges[0][1] for i in items if isinstance(i, Row)]
    assert answers == ["A lamp above a desk.", "A rug under the desk."]


@pytest.mark.parametrize(
    ("triples", "reason"),
    [
        ((replace(LAMP, object="Lamp"),), "both things have one name"),
        ((LAMP, replace(LAMP, predicate="behind")), "one pair of names, two relations"),
    ],
)
def test_pairs_that_names_do_not_tell_apart_are_listed(
    triples: tuple[Triple, ...], reason: str
) -> None:
    items = list(described_rows(described("x", triples=triples), [], NO_FOLDER, VsdConfig()))
    assert split(items) == ({}, [reason] * len(triples))


def test_a_picture_gives_its_path_and_size(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    cv2.imwrite(str(tmp_path / "images" / "7.jpg"), np.zeros((3, 5, 3), np.uint8))
    folder = PictureFolder(tmp_path / "images", tmp_path)
    items = list(described_rows(described("a lamp"), [], folder, VsdConfig()))
    assert isinstance(items[0], Row)
    assert (items[0].image, items[0].width, items[0].height) == ("images/7.jpg", 5, 3)


def test_a_picture_that_is_missing_or_broken_is_listed(tmp_path: Path) -> None:
    (tmp_path / "8.jpg").write_text("no picture")
    folder = PictureFolder(tmp_path, tmp_path)
    missing = list(described_rows(described("a lamp"), [], folder, VsdConfig()))
    assert split(missing) == ({}, ["no such image"])
    broken = folder.find("8")
    assert isinstance(broken, Rejected)
    assert broken.reason == "image cannot be read"


def test_a_verified_caption_is_the_description() -> None:
    item = VerifiedCaption("v/1", "1.jpg", "The mug is on the table.", "on", "mug", "on", "table")
    rows, reasons = split(list(verified_rows(item, NO_FOLDER, VsdConfig())))
    assert rows["vsd-classify"] == "on"
    assert rows["vsd-describe"] == item.caption
    assert rows["vsd-open"].split("\n")[0] == item.caption
    assert len(rows["vsd-open"].split("\n")) == 3
    assert reasons == []


@pytest.mark.parametrize(
    ("caption", "tidied"),
    [
        ("a  cat on a mat .", "A cat on a mat."),
        ("A cat", "A cat."),
        (" . ", ""),
        ("x , y", "X, y."),
    ],
)
def test_captions_are_tidied(caption: str, tidied: str) -> None:
    assert tidy_caption(caption) == tidied
