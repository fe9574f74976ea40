"""What holds of a run whoever runs it; here in this process."""

import json
import sys
from pathlib import Path

import pytest

from spacesgg_ros.training.data.rejected import Rejected
from spacesgg_ros.training.data.running import manifest
from spacesgg_ros.training.data.running.chunks import JsonlSource
from spacesgg_ros.training.data.running.manifest import lock_folder
from spacesgg_ros.training.data.running.pipeline import (
    Pipeline,
    RunConfig,
    RunError,
    RunStopped,
    Stage,
)
from spacesgg_ros.training.data.running.run import find_runner, run_pipeline

sys.path.insert(0, str(Path(__file__).parent))
from killed_run import make_pipeline


def run(numbers, out, pipeline=None, **settings):
    config = RunConfig(out, **{"chunk": 5, "jobs": 1, **settings})
    return run_pipeline(pipeline or make_pipeline(), JsonlSource(numbers), config)


def stop_at(victim):
    """The toy pipeline whose last stage finds its server gone at one record."""

    def check(records):
        if any(r["id"].startswith(victim) for r in records):
            raise RunStopped("no server")
        return records

    *stages, last = make_pipeline().stages
    return Pipeline((*stages, Stage(last.name, lambda: check, batch=3)), {"seed": 1})


def test_rows_stand_in_the_order_of_the_input(numbers, tmp_path):
    outcome = run(numbers, tmp_path / "out")
    ids = [json.loads(line)["id"] for line in (tmp_path / "out/rows.jsonl").open()]
    assert ids == [f"n{k:02d}-{c}" for k in range(1, 41) if k % 7 for c in (0, 1)]
    assert (outcome.records, outcome.rows) == (42, 70)


def test_what_is_rejected_is_listed_and_counted(numbers, tmp_path):
    outcome = run(numbers, tmp_path / "out")
    expected = {"describe: divisible": 5, "read: not JSON": 1, "read: same id twice": 1}
    assert outcome.rejected == expected
    lines = (tmp_path / "out/rejected.jsonl").read_text().splitlines()
    entries = [Rejected.from_dict(json.loads(line)) for line in lines]
    assert [e.id for e in entries if e.stage == "describe"] == [
        f"n{k:02d}" for k in range(7, 41, 7)
    ]
    counts = json.loads((tmp_path / "out/counts.json").read_text())
    assert counts["rejected"] == expected
    assert counts["tasks"]["qa"] == {"rows": 35, "exchanges": 35, "words": 105}


def test_a_run_that_was_stopped_goes_on_and_ends_with_the_same_bytes(
    numbers, tmp_path, read_results
):
    run(numbers, tmp_path / "straight")
    with pytest.raises(RunStopped):
        run(numbers, tmp_path / "stopped", stop_at("n23"))
    kept = sorted(p.name for p in (tmp_path / "stopped/parts").glob("*.done.json"))
    assert kept == [f"{k:06d}.done.json" for k in range(4)]
    assert run(numbers, tmp_path / "stopped").done_before == 4
    assert read_results(tmp_path / "stopped") == read_results(tmp_path / "straight")


def test_a_finished_run_started_again_does_nothing_and_says_the_same(numbers, tmp_path):
    first = run(numbers, tmp_path / "out")
    assert run(numbers, tmp_path / "out", stop_at("n")).to_dict() == first.to_dict()


@pytest.mark.parametrize("harm", ["cut", "gone", "unmarked"])
def test_a_part_that_is_not_whole_is_made_again(numbers, tmp_path, read_results, harm):
    run(numbers, tmp_path / "out")
    before = read_results(tmp_path / "out")
    part = tmp_path / "out/parts/000002.jsonl"
    if harm == "cut":
        part.write_bytes(part.read_bytes()[:-9])
    else:
        (part if harm == "gone" else part.with_suffix(".done.json")).unlink()
    (tmp_path / "out/parts/.000002.jsonl.host.1.tmp").write_bytes(b"half")
    assert run(numbers, tmp_path / "out").done_before == 8
    assert read_results(tmp_path / "out") == before
    assert not list((tmp_path / "out/parts").glob(".*"))


def test_a_part_that_somebody_changed_is_not_taken(numbers, tmp_path):
    run(numbers, tmp_path / "out")
    part = tmp_path / "out/parts/000002.jsonl"
    part.write_bytes(part.read_bytes().replace(b"toy", b"TOY"))
    with pytest.raises(RunError, match=r"000002\.jsonl has changed"):
        run(numbers, tmp_path / "out")


def test_a_broken_mark_is_named(numbers, tmp_path):
    run(numbers, tmp_path / "out")
    (tmp_path / "out/parts/000001.done.json").write_text("{}")
    with pytest.raises(RunError, match=r"000001\.done\.json .* delete it"):
        run(numbers, tmp_path / "out")


@pytest.mark.parametrize(
    "change, said",
    [
        ({"chunk": 6}, "chunk: 5 there, 6 asked for"),
        ({"limit": 3}, "limit: nothing there, 3 asked for"),
        ({"output": "parquet"}, "output: jsonl there, parquet asked for"),
        ({"pipeline": make_pipeline(seed=2)}, "seed: 1 there, 2 asked for"),
    ],
)
def test_a_folder_with_another_run_is_refused(numbers, tmp_path, read_results, change, said):
    run(numbers, tmp_path / "out")
    before = read_results(tmp_path / "out")
    with pytest.raises(RunError, match=said):
        run(numbers, tmp_path / "out", **change)
    assert read_results(tmp_path / "out") == before


def test_another_input_is_refused(numbers, tmp_path):
    run(numbers, tmp_path / "out")
    numbers.write_text(numbers.read_text().replace('"number": 9', '"number": 8'))
    with pytest.raises(RunError, match=r"input\.sha256"):
        run(numbers, tmp_path / "out")


def test_another_version_of_the_code_is_refused(numbers, tmp_path, monkeypatch):
    run(numbers, tmp_path / "out")
    monkeypatch.setattr(manifest, "hash_code", lambda: "other")
    with pytest.raises(RunError, match=r"code\.sha256"):
        run(numbers, tmp_path / "out")


def test_results_of_something_else_are_not_overwritten(numbers, tmp_path):
    (tmp_path / "rows.jsonl").write_text("mine\n")
    with pytest.raises(RunError, match=r"rows\.jsonl but no manifest"):
        run(numbers, tmp_path)
    assert (tmp_path / "rows.jsonl").read_text() == "mine\n"


def test_a_second_run_at_the_same_time_is_refused(numbers, tmp_path):
    with lock_folder(tmp_path / "out"), pytest.raises(RunError, match="another run"):
        run(numbers, tmp_path / "out")


def test_an_empty_input_gives_empty_results(tmp_path):
    empty = tmp_path / "empty.jsonl"
    empty.write_text("\n")
    assert run(empty, tmp_path / "out").rows == 0
    assert (tmp_path / "out/rows.jsonl").read_bytes() == b""


def test_a_stage_is_made_once(numbers, tmp_path):
    made = []

    def make():
        made.append(1)
        return list

    run(numbers, tmp_path / "out", Pipeline((Stage("toy", make),)))
    assert len(made) == 1


def test_parquet_holds_the_rows_of_jsonl(numbers, tmp_path):
    pytest.importorskip("pyarrow")
    from spacesgg_ros.training.data.rows import read_rows
    from spacesgg_ros.training.data.running.parts import read_parquet_rows

    run(numbers, tmp_path / "lines")
    run(numbers, tmp_path / "tables", output="parquet")
    tables = sorted((tmp_path / "tables/parts").glob("*.parquet"))
    assert len(tables) == 9 and not (tmp_path / "tables/rows.jsonl").exists()
    read = [row for table in tables for row in read_parquet_rows(table)]
    assert read == list(read_rows(tmp_path / "lines/rows.jsonl"))


def test_an_unknown_runner_is_refused():
    with pytest.raises(ValueError, match="local or ray"):
        find_runner("spark")
