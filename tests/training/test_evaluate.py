"""Scores against cases counted by hand."""

from __future__ import annotations

import pytest

pytest.importorskip("cv2")

from spacesgg_ros.training.evaluate.matching import find_excused, match_objects, match_triplets
from spacesgg_ros.training.evaluate.scores import score_frame, summarise

MUG = ("mug", (0, 0, 10, 10))
SHIFTED = ("mug", (0, 0, 10, 14))  # IoU 10/14 = 0.71
FAR = ("mug", (50, 50, 60, 60))
CUP = ("cup", (0, 0, 10, 10))
HALF_OUT = ("mug", (5, 0, 15, 10))  # half of it inside MUG's box, IoU 1/3


@pytest.mark.parametrize(
    ("predicted", "truth", "found"),
    [
        ([MUG], [MUG], [0]),
        ([SHIFTED], [MUG], [0]),
        ([CUP], [MUG], [None]),  # right place, wrong name
        ([FAR], [MUG], [None]),  # right name, wrong place
        ([MUG], [MUG, MUG], [0, None]),  # one prediction serves one object
        ([SHIFTED, MUG], [MUG], [1]),  # the one that overlaps most
        ([MUG, SHIFTED], [SHIFTED, MUG], [1, 0]),
        ([], [MUG], [None]),
        ([MUG], [], []),
    ],
)
def test_objects_match_one_to_one(predicted: list, truth: list, found: list) -> None:
    assert match_objects(predicted, truth) == found


def test_boxes_match_whatever_the_label_if_asked() -> None:
    assert match_objects([CUP], [MUG], any_label=True) == [0]


@pytest.mark.parametrize(
    ("predicted", "truth", "ignored", "excused"),
    [
        (MUG, [], [MUG], True),
        (CUP, [], [MUG], True),  # whatever its label
        (HALF_OUT, [], [MUG], True),  # half of its area inside
        (("mug", (6, 0, 16, 10)), [], [MUG], False),  # 40 % inside
        (("mug", (2, 2, 4, 4)), [], [MUG], True),  # wholly inside, IoU 0.04
        (FAR, [], [MUG], False),
        (CUP, [SHIFTED], [MUG], False),  # a wrong name for an object that is asked for
        (MUG, [], [], False),
    ],
)
def test_what_lies_on_an_ignored_object_is_excused(
    predicted: tuple, truth: list, ignored: list, excused: bool
) -> None:
    assert find_excused([predicted], truth, ignored) == [excused]


def test_one_predicted_triplet_may_satisfy_several_true_ones() -> None:
    truth = [(MUG, "on", CUP), (SHIFTED, "on", CUP)]
    assert match_triplets([(MUG, "on", CUP)], truth) == [True, True]


@pytest.mark.parametrize(
    "wrong", [(MUG, "in", CUP), (CUP, "on", CUP), (MUG, "on", MUG), (FAR, "on", CUP)]
)
def test_a_triplet_needs_names_places_and_predicate(wrong: tuple) -> None:
    assert match_triplets([wrong], [(MUG, "on", CUP)]) == [False]


def boxes_of(record: dict) -> list:
    return [(o["label"], tuple(o["box_px"])) for o in record["objects"]]


def test_a_perfect_graph_scores_one_everywhere(record: dict) -> None:
    said = [tuple(r) for r in record["relations"]]
    score = score_frame(record, boxes_of(record), said, tokens=70, milliseconds=90.0)
    report = summarise([score])
    assert report["objects"]["recall"]["value"] == report["objects"]["precision"]["value"] == 1.0
    assert [report["triplets"][name]["recall"]["value"] for name in report["triplets"]] == [1, 1, 1]
    assert report["said_and_true"] | {"scenes_95": None} == {
        "value": 1.0,
        "of": 8,
        "wilson_95": [0.6756, 1.0],
        "scenes_95": None,
    }
    assert (report["tokens_a_frame"], report["milliseconds_a_frame"]) == (70.0, 90.0)


def test_each_kind_of_mistake_is_counted_once(record: dict) -> None:
    record["ignored"] = [{"index": 9, "label": "fork", "box_px": [300, 10, 320, 40]}]
    predicted = [
        ("table", (0, 100, 320, 240)),
        ("cup", (40, 120, 80, 180)),  # the mug, misnamed
        ("spoon", (150, 130, 190, 200)),
        ("spoon", (151, 131, 190, 200)),  # the spoon again
        ("knife", (302, 10, 320, 40)),  # on the ignored fork
        ("plate", (0, 0, 30, 30)),  # on nothing
    ]
    report = summarise([score_frame(record, predicted)])
    # Found: table and spoon of five; judged: all six predictions but the one on the fork.
    assert (report["objects"]["recall"]["value"], report["objects"]["recall"]["of"]) == (0.4, 5)
    assert (report["objects"]["precision"]["value"], report["objects"]["precision"]["of"]) == (
        0.4,
        5,
    )
    assert report["objects"]["excused_predictions"] == 1
    assert report["objects"]["mean_recall"]["value"] == 0.4  # five classes: 1, 0, 1, 0, 0
    assert (report["boxes"]["recall"]["value"], report["boxes"]["precision"]["value"]) == (0.6, 0.6)
    assert report["confusions"] == [["mug", "cup", 1]]
    assert report["by_class"]["spoon"] == {"true": 1, "found": 1, "located": 1, "predicted": 2}


def test_sizes_are_those_of_a_320_pixel_wide_picture(record: dict) -> None:
    rows = summarise([score_frame(record, [])])["by_size"]
    # Apple 30x30; mug 40x60 = 49, spoon 40x70 = 53, bowl 80x50 = 63; table 320x140 = 212.
    assert [row["objects"] for row in rows] == [0, 2, 2, 1]
    doubled = record | {"width": 640, "height": 480}
    doubled["objects"] = [o | {"box_px": [2 * v for v in o["box_px"]]} for o in record["objects"]]
    assert summarise([score_frame(doubled, [])])["by_size"] == rows


def test_depth_adds_triplets_and_their_inverses(record: dict) -> None:
    table, mug, spoon, bowl, _ = boxes_of(record)
    score = score_frame(record, [], measured=[(spoon, "behind", mug), (bowl, "behind", spoon)])
    # "behind" says "in front of" the other way round: two of the eight that hold; the first is
    # not true and breaks nothing.
    wanted = score.triplets["every_relation"].wanted
    assert [p for p, hit in wanted if hit] == ["in front of", "behind"]
    assert not any(hit for _, hit in score.triplets["text"].wanted)
    assert table[0] == "table"


def test_triplets_that_cannot_be_judged_are_left_out(record: dict) -> None:
    record["ignored"] = [{"index": 9, "label": "fork", "box_px": [300, 10, 320, 40]}]
    predicted = [*boxes_of(record), ("fork", (300, 10, 320, 40))]
    said = [
        (4, "in", 3),  # true
        (3, "under", 4),  # "in" has no inverse: wrong
        (0, "under", 1),  # the mug is on the table: implied
        (1, "behind", 3),  # mug and bowl are ambiguous: not judged
        (5, "on", 0),  # about an ignored object: not judged
    ]
    score = score_frame(record, predicted, said)
    assert (score.holds, score.judged) == (2, 3)


def test_frames_of_one_scene_are_views_of_it(record: dict) -> None:
    views = [score_frame(record | {"key": f"test-seen-000007-{view}"}, []) for view in range(3)]
    report = summarise(views)
    assert (report["frames"], report["scenes"]) == (3, 1)


def test_no_frame_is_no_crash() -> None:
    assert summarise([])["objects"]["recall"]["wilson_95"] == [0.0, 1.0]
