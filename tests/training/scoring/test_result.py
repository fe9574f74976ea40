"""Result files: what is written is read, the same bytes every time."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from spacesgg_ros.training.evaluate.scoring.outcomes import (
    AVERAGE_PRECISION,
    CLASS_RATIO,
    RATIO,
    Outcomes,
    ScoreError,
)
from spacesgg_ros.training.evaluate.scoring.result import (
    Measure,
    make_result,
    read_result,
    write_result,
)

BOXES = {"q1": {"mug": {"true": 1, "scores": [0.5], "hits": [[1, 0]]}}}


def _result():
    return make_result(
        "model",
        "spatial",
        {
            "accuracy": Outcomes(RATIO, {"q1": [1, 1], 'q"2': [0, 1]}),
            "mean": Outcomes(CLASS_RATIO, {"q1": {"on": [1, 2]}}, classes=9),
            "AP": Outcomes(AVERAGE_PRECISION, BOXES),
            "AP50": Outcomes(AVERAGE_PRECISION, BOXES, thresholds=(0,)),
            "METEOR": Outcomes(RATIO, {}),
        },
        groups={"q1": "scene"},
        baseline={"majority": {"accuracy": Outcomes(RATIO, {"q1": [0, 1], 'q"2': [0, 1]})}},
        settings={"file": "a.jsonl"},
        details={"why": ["no Java"]},
    )


def test_a_result_is_read_as_it_was_written(tmp_path: Path) -> None:
    result = _result()
    write_result(result, tmp_path / "result.json")
    assert read_result(tmp_path) == result
    first = (tmp_path / "result.json").read_bytes()
    write_result(read_result(tmp_path), tmp_path / "result.json")
    assert (tmp_path / "result.json").read_bytes() == first


def test_items_of_several_metrics_are_written_once(tmp_path: Path) -> None:
    write_result(_result(), tmp_path / "result.json")
    data = json.loads((tmp_path / "result.json").read_text())
    assert data["per_item"]["AP50"]["items_of"] == "AP"
    assert data["per_item"]["AP"]["items"] == BOXES


def test_what_has_no_item_is_not_measured() -> None:
    result = _result()
    assert result.headline["METEOR"] == Measure(None, None, None, 0)
    assert "METEOR" not in result.per_item
    assert str(result.headline["METEOR"]) == "not measured"
    assert str(result.headline["accuracy"]) == "0.500 (0.000–1.000)"


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"schema": 1}', '{"schema": 2, "name": "x"}', "not JSON"]
)
def test_another_file_is_refused_by_name(tmp_path: Path, text: str) -> None:
    (tmp_path / "other.json").write_text(text)
    with pytest.raises(ScoreError, match=r"other\.json"):
        read_result(tmp_path / "other.json")
