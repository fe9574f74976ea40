"""Intervals against values worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from spacesgg_ros.training.evaluate.intervals import bootstrap, wilson


def test_wilson_interval_of_half() -> None:
    # z = 1.96, p = 0.5, n = 100: (0.5 + 0.0192) / 1.0384 +- ...
    assert wilson(50, 100) == [0.4038, 0.5962]
    assert wilson(0, 0) == [0.0, 1.0]
    assert str(wilson(0, 65)[0]) == "0.0"  # not minus nought
    assert wilson(10, 10)[1] == 1.0


def test_one_scene_cannot_vary() -> None:
    assert bootstrap(np.array([1, 0]), np.array([2, 2]), ["a", "a"]) == [0.25, 0.25]


def test_equal_scenes_do_not_vary_and_unequal_ones_do() -> None:
    names = list("abcdefghij")
    assert bootstrap(np.ones(10), 2 * np.ones(10), names) == [0.5, 0.5]
    low, high = bootstrap(np.arange(10) % 2, np.ones(10), names)
    # Binomial(10, 0.5) / 10: the middle 95 % is 0.2 to 0.8.
    assert (low, high) == pytest.approx((0.2, 0.8))


def test_views_that_agree_do_not_narrow_the_interval() -> None:
    hits, scenes = np.arange(10) % 2, list("abcdefghij")
    views = np.repeat(hits, 4)
    assert bootstrap(views, np.ones(40), np.repeat(scenes, 4)) == bootstrap(
        hits, np.ones(10), scenes
    )


def test_a_mean_over_classes_weighs_each_alike() -> None:
    # One scene: class 0 found 9 of 10, class 1 found 0 of 1.
    assert bootstrap(np.array([[9, 0]]), np.array([[10, 1]]), ["a"]) == [0.45, 0.45]


def test_nothing_measured_says_nothing() -> None:
    assert bootstrap(np.zeros(2), np.zeros(2), ["a", "b"]) == [0.0, 1.0]
