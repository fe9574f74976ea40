"""Two results against each other."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from spacesgg_ros.training.evaluate.scoring.compare import (
    compare_results,
    difference_table,
    write_comparison,
)
from spacesgg_ros.training.evaluate.scoring.outcomes import CLASS_RATIO, RATIO, Outcomes, ScoreError
from spacesgg_ros.training.evaluate.scoring.result import ScoreResult, make_result


def _result(name: str, hits: list[int], groups: int = 0, **settings: str) -> ScoreResult:
    items = {f"q{k}": [hit, 1] for k, hit in enumerate(hits)}
    by_group = {item: f"g{k % groups}" for k, item in enumerate(items)} if groups else {}
    outcomes = {"accuracy": Outcomes(RATIO, items)}
    return make_result(name, "spatial", outcomes, groups=by_group, settings=settings)


def test_a_result_does_not_differ_from_itself() -> None:
    result = _result("a", [1, 0, 1, 1])
    (d,) = compare_results(result, result).differences
    assert (d.difference, d.low, d.high) == (0, 0, 0)
    assert (d.p_bootstrap, d.p_mcnemar) == (1.0, 1.0)


def test_disagreements_are_counted_and_tested_exactly() -> None:
    a = _result("a", [1, 1, 0, 0, 0, 0, 0, 1])
    b = _result("b", [1, 0, 1, 1, 1, 1, 1, 1])
    (d,) = compare_results(a, b).differences
    assert (d.a_only, d.b_only) == (1, 5)
    assert d.p_mcnemar == pytest.approx(2 * 7 / 64)
    assert d.difference == pytest.approx(4 / 8)
    assert d.low <= 0.5 <= d.high


def test_a_steady_difference_is_settled_though_both_numbers_are_uncertain() -> None:
    # b is right wherever a is, and on 10 of 40 more.
    a = _result("a", [1] * 15 + [0] * 25)
    b = _result("b", [1] * 25 + [0] * 15)
    (d,) = compare_results(a, b).differences
    assert a.headline["accuracy"].high > b.headline["accuracy"].low
    assert d.low > 0
    assert d.p_bootstrap == pytest.approx(2 / 1001)


def test_items_of_one_group_count_as_one_draw() -> None:
    a, b = [0, 1] * 20, [1, 1] * 20
    (alone,) = compare_results(_result("a", a), _result("b", b)).differences
    (grouped,) = compare_results(_result("a", a, 2), _result("b", b, 2)).differences
    assert grouped.groups == 2
    assert grouped.high - grouped.low > alone.high - alone.low


def test_only_common_items_are_compared_and_the_others_counted() -> None:
    comparison = compare_results(_result("a", [1, 0, 1]), _result("b", [0, 1]))
    (d,) = comparison.differences
    assert (d.items, d.left_out, d.a, d.b) == (2, 1, 0.5, 0.5)
    assert "accuracy: 1 items only in A, 0 only in B" in comparison.cautions


def test_what_makes_numbers_less_comparable_is_said() -> None:
    a = _result("a", [1, 0], tokenizer="ptb", answers="a.jsonl")
    b = _result("b", [1, 0], tokenizer="plain", answers="b.jsonl")
    other = ScoreResult("b", "vsd", b.headline, b.per_item, settings=b.settings)
    cautions = compare_results(a, other).cautions
    assert "the protocols differ: spatial against vsd" in cautions
    assert "tokenizer differs: ptb against plain" in cautions
    assert not any("answers" in caution for caution in cautions)


def test_metrics_that_add_up_otherwise_are_not_compared() -> None:
    a = make_result("a", "p", {"m": Outcomes(CLASS_RATIO, {"q": {"on": [1, 1]}})})
    b = make_result("b", "p", {"m": Outcomes(CLASS_RATIO, {"q": {"on": [1, 1]}}, classes=56)})
    with pytest.raises(ScoreError, match="no metric has items in common"):
        compare_results(a, b)
    with pytest.raises(ScoreError, match="no metric in common"):
        compare_results(a, _result("b", [1]))


def test_a_comparison_is_a_page_and_a_file(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    comparison = compare_results(_result("a|b", [1, 0, 1]), _result("b", [0, 1]))
    page = write_comparison(tmp_path, comparison).read_text()
    assert "a\\|b" in page
    assert "1 items only in A" in page
    assert (tmp_path / "differences.png").stat().st_size > 1000
    data = json.loads((tmp_path / "comparison.json").read_text())
    assert data["differences"][0]["metric"] == "accuracy"
    assert difference_table(comparison).rows[0][3] == "+0.000"
