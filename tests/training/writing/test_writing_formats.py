"""Rows of the three formats, and what becomes of images that give none."""

from __future__ import annotations

import pickle
from collections.abc import Sequence
from dataclasses import replace

import pytest

from spacesgg_ros.training.data.grounded import GroundedImage
from spacesgg_ros.training.data.rejected import Rejected
from spacesgg_ros.training.data.rows import Row
from spacesgg_ros.training.data.running.pipeline import RunStopped
from spacesgg_ros.training.data.writing.formats import (
    WriteConfig,
    WriteStage,
    write_batch,
    write_rows,
)
from spacesgg_ros.training.data.writing.generator import (
    Failure,
    GenerationFailed,
    WritingRequest,
    WritingResult,
)


class Failing:
    """Writes nothing, for one reason."""

    def __init__(self, reason: Failure) -> None:
        self.reason = reason

    def write(self, requests: Sequence[WritingRequest]) -> list[WritingResult]:
        return [WritingResult(failure=GenerationFailed(self.reason, "so it is"))] * len(requests)


def test_an_image_gives_a_row_of_each_format_with_its_provenance(kitchen: GroundedImage) -> None:
    rows = write_rows(kitchen, WriteConfig(seed=3, images="../scenes"))
    assert [(row.id, row.task) for row in rows] == [
        ("kitchen/desc", "description"),
        ("kitchen/qa", "qa"),
        ("kitchen/conv", "conversation"),
    ]
    row = rows[0]
    assert (row.image, row.width, row.height, row.source) == (
        "../scenes/kitchen.jpg", 999, 999, "by hand"
    )  # fmt: skip
    assert row.provenance == {
        "grounded": "kitchen", "format": "desc", "seed": 3, "generator": "template"
    }  # fmt: skip


def test_rows_from_estimated_depth_say_so_and_are_else_the_same(kitchen: GroundedImage) -> None:
    estimated = replace(kitchen, provenance={"measure": {}, "estimate": "stub: no depth model"})
    rows = write_rows(kitchen)
    told = [{**row.provenance, "estimate": "stub: no depth model"} for row in rows]
    assert write_rows(estimated) == [
        replace(row, provenance=says) for row, says in zip(rows, told, strict=True)
    ]
    assert not any("estimate" in row.provenance for row in rows)


def test_turns_are_capped(kitchen: GroundedImage) -> None:
    for row in write_rows(kitchen, WriteConfig(turns=2)):
        assert len(row.exchanges) <= 2


def test_what_gives_no_row_is_listed_with_its_reason(kitchen: GroundedImage) -> None:
    silent = replace(kitchen, id="silent", orders=(), relations=())
    raw = replace(kitchen, id="raw", layers=(), orders=())
    rows, rejected = write_batch([silent, raw])
    assert [row.id for row in rows] == ["silent/desc"]
    assert {(r.id, r.reason) for r in rejected} == {
        ("silent/qa", "nothing to say"),
        ("silent/conv", "nothing to say"),
        ("raw", "not measured"),
    }


def test_the_stage_takes_and_gives_json_and_passes_what_is_rejected(
    kitchen: GroundedImage,
) -> None:
    before = Rejected("x", "measure", "no depth")
    stage = pickle.loads(pickle.dumps(WriteStage(WriteConfig(formats=("qa",)))))
    found = stage([kitchen.to_dict(), before.to_dict(), {"id": "broken"}])
    assert Row.from_dict(found[0]).id == "kitchen/qa"
    assert found[1] == before
    assert (found[2].id, found[2].reason) == ("broken", "not a grounded image")


@pytest.mark.parametrize("reason", [Failure.BUDGET, Failure.UNREACHABLE, Failure.MISCONFIGURED])
def test_a_failure_that_will_not_pass_stops_the_run(
    kitchen: GroundedImage, reason: Failure
) -> None:
    with pytest.raises(RunStopped, match=f"{reason.value}: so it is"):
        WriteStage(generator=Failing(reason))([kitchen.to_dict()])


def test_any_other_failure_costs_its_row_only(kitchen: GroundedImage) -> None:
    found = WriteStage(generator=Failing(Failure.TIMEOUT))([kitchen.to_dict()])
    assert [(r.reason, r.detail) for r in found] == [("timeout", "so it is")] * 3


@pytest.mark.parametrize("wrong", [{"formats": ("poem",)}, {"formats": ()}, {"turns": 0}])
def test_a_wrong_configuration_is_refused(wrong: dict) -> None:
    with pytest.raises(ValueError, match=r"formats|turn"):
        WriteConfig(**wrong)
