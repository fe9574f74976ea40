"""Numbers from outcomes against values worked out by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spacesgg_ros.training.evaluate.intervals import bootstrap
from spacesgg_ros.training.evaluate.questions import macro_f1
from spacesgg_ros.training.evaluate.scoring.outcomes import (
    AVERAGE_PRECISION,
    AVERAGE_RECALL,
    BLEU,
    CLASS_RATIO,
    RATIO,
    Outcomes,
    ScoreError,
    f1_item,
    mcnemar,
)
from spacesgg_ros.training.evaluate.scoring.result import measure

ONE_WRONG_BETWEEN = {"true": 2, "scores": [0.9, 0.8, 0.7], "hits": [[1], [0], [1]]}


def test_a_ratio_is_pooled() -> None:
    assert Outcomes(RATIO, {"a": [1, 4], "b": [1, 1]}).evaluate()[0] == pytest.approx(2 / 5)


def test_a_mean_over_classes_weighs_each_alike() -> None:
    items = {"a": {"on": [9, 10]}, "b": {"in": [0, 1]}}
    assert Outcomes(CLASS_RATIO, items).evaluate()[0] == pytest.approx(0.45)
    assert Outcomes(CLASS_RATIO, items, classes=9).evaluate()[0] == pytest.approx(0.1)


def test_macro_f1_adds_up_from_single_answers() -> None:
    pairs = [("on", "on"), ("on", "in"), ("in", "in"), ("under", "on")]
    items = {str(k): f1_item(*pair) for k, pair in enumerate(pairs)}
    # on: 2*1/(2+2); in: 2*1/(1+2); under: 0.
    value = Outcomes(CLASS_RATIO, items).evaluate()[0]
    assert value == pytest.approx((0.5 + 2 / 3 + 0) / 3)
    assert value == pytest.approx(macro_f1(*zip(*pairs, strict=True)), abs=1e-3)


def test_bleu_is_the_geometric_mean_with_a_brevity_penalty() -> None:
    # "the cup is behind the plate" against "the cup is behind a plate".
    counts = [5, 3, 2, 1, 6, 5, 4, 3, 6, 6]
    expected = (5 / 6 * 3 / 5 * 2 / 4 * 1 / 3) ** 0.25
    assert Outcomes(BLEU, {"a": counts}).evaluate()[0] == pytest.approx(expected)
    short = [4, 3, 2, 1, 4, 3, 2, 1, 4, 6]
    assert Outcomes(BLEU, {"a": short}).evaluate()[0] == pytest.approx(math.exp(1 - 6 / 4))
    assert Outcomes(BLEU, {"a": [0] * 10}).evaluate()[0] == 0


def test_average_precision_of_a_wrong_box_between_two_right_ones() -> None:
    # Precision 1 up to recall 0.5 (51 of 101 points), then 2/3.
    items = {"image": {"mug": ONE_WRONG_BETWEEN}}
    expected = (51 + 50 * 2 / 3) / 101
    assert Outcomes(AVERAGE_PRECISION, items).evaluate()[0] == pytest.approx(expected)
    assert Outcomes(AVERAGE_RECALL, items).evaluate()[0] == pytest.approx(1.0)
    assert Outcomes(AVERAGE_RECALL, items, top=1).evaluate()[0] == pytest.approx(0.5)


def test_what_counts_neither_way_changes_no_precision() -> None:
    entry = {"true": 2, "scores": [0.9, 0.8, 0.7], "hits": [[1], [-1], [1]]}
    assert Outcomes(AVERAGE_PRECISION, {"i": {"mug": entry}}).evaluate()[0] == pytest.approx(1.0)


def test_a_class_that_is_only_predicted_has_no_average_precision() -> None:
    entry = {"true": 0, "scores": [0.9], "hits": [[0]]}
    items = {"i": {"mug": ONE_WRONG_BETWEEN, "cat": entry}}
    value = Outcomes(AVERAGE_PRECISION, items).evaluate()[0]
    assert value == pytest.approx((51 + 50 * 2 / 3) / 101)


@given(
    st.lists(
        st.tuples(
            st.lists(st.tuples(st.floats(0, 1), st.integers(0, 1)), max_size=4), st.integers(0, 3)
        ),
        min_size=1,
        max_size=5,
    ),
    st.data(),
)
def test_a_weight_of_two_is_the_item_twice(images: list, data: st.DataObject) -> None:
    items = {
        str(k): {
            "mug": {
                "true": true + sum(hit for _, hit in found),
                "scores": sorted((score for score, _ in found), reverse=True),
                "hits": [[hit] for _, hit in found],
            }
        }
        for k, (found, true) in enumerate(images)
    }
    weights = data.draw(st.lists(st.integers(0, 2), min_size=len(items), max_size=len(items)))
    again = {
        f"{name}/{copy}": item
        for (name, item), weight in zip(items.items(), weights, strict=True)
        for copy in range(weight)
    }
    weighted = Outcomes(AVERAGE_RECALL, items).evaluate(np.array([weights]))[0]
    assert weighted == pytest.approx(Outcomes(AVERAGE_RECALL, again).evaluate()[0])
    weighted = Outcomes(RATIO, {k: [v["mug"]["true"], 4] for k, v in items.items()})
    repeated = Outcomes(RATIO, {k: [v["mug"]["true"], 4] for k, v in again.items()})
    assert weighted.evaluate(np.array([weights]))[0] == pytest.approx(repeated.evaluate()[0])


def test_intervals_are_those_of_the_other_evaluations() -> None:
    parts, wholes = np.arange(12) % 3, np.full(12, 2)
    items = {f"i{k}": [int(p), int(w)] for k, (p, w) in enumerate(zip(parts, wholes, strict=True))}
    groups = {f"i{k}": f"s{k // 2}" for k in range(12)}
    got = measure(Outcomes(RATIO, items), groups)
    assert [got.low, got.high] == bootstrap(parts, wholes, [f"s{k // 2}" for k in range(12)])
    assert (got.value, got.n) == (0.5, 12)


def test_nothing_is_not_measured() -> None:
    assert measure(Outcomes(RATIO, {})).value is None


def test_mcnemar_tosses_a_coin_for_each_disagreement() -> None:
    assert mcnemar(1, 5) == pytest.approx(2 * (1 + 6) / 64)
    assert mcnemar(5, 1) == mcnemar(1, 5)
    assert mcnemar(0, 0) == 1.0
    assert mcnemar(3, 3) == 1.0
    assert mcnemar(0, 10) == pytest.approx(2 / 1024)


def test_an_unknown_kind_is_refused() -> None:
    with pytest.raises(ScoreError, match="ratio"):
        Outcomes("median", {})
