"""Scores against cases counted by hand."""

from __future__ import annotations

import pytest

pytest.importorskip("cv2")

from spacesgg_ros.training.evaluate.graphs import match_objects, match_triplets, wilson

MUG = ("mug", (0, 0, 10, 10))
SHIFTED = ("mug", (0, 0, 10, 14))  # IoU 10/14 = 0.71
FAR = ("mug", (50, 50, 60, 60))
CUP = ("cup", (0, 0, 10, 10))


@pytest.mark.parametrize(
    ("predicted", "truth", "hits"),
    [
        ([MUG], [MUG], [True]),
        ([SHIFTED], [MUG], [True]),
        ([CUP], [MUG], [False]),  # right place, wrong name
        ([FAR], [MUG], [False]),  # right name, wrong place
        ([MUG], [MUG, MUG], [True, False]),  # one prediction serves one object
        ([], [MUG], [False]),
        ([MUG], [], []),
    ],
)
def test_objects_match_one_to_one(predicted: list, truth: list, hits: list[bool]) -> None:
    assert match_objects(predicted, truth) == hits


def test_one_predicted_triplet_may_satisfy_several_true_ones() -> None:
    assert match_triplets([(MUG, "on", CUP)], [(MUG, "on", CUP), (SHIFTED, "on", CUP)]) == [
        True,
        True,
    ]


@pytest.mark.parametrize(
    "wrong", [(MUG, "in", CUP), (CUP, "on", CUP), (MUG, "on", MUG), (FAR, "on", CUP)]
)
def test_a_triplet_needs_names_places_and_predicate(wrong: tuple) -> None:
    assert match_triplets([wrong], [(MUG, "on", CUP)]) == [False]


def test_wilson_interval_of_half() -> None:
    # z = 1.96, p = 0.5, n = 100: (0.5 + 0.0192) / 1.0384 +- ...
    assert wilson(50, 100) == [0.4038, 0.5962]
    assert wilson(0, 0) == [0.0, 1.0]
