"""The integrated command on the frames that ship with the benchmarks."""

import json
import pickle
import shutil
from dataclasses import replace

import pytest
import typer
from typer.testing import CliRunner

from spacesgg_ros.bench.held_out import SHARD
from spacesgg_ros.cli.console import InputError
from spacesgg_ros.training.data.geometry import estimator
from spacesgg_ros.training.data.geometry.errors import GeometryError
from spacesgg_ros.training.data.grounded import GroundedError
from spacesgg_ros.training.data.rows import read_rows
from spacesgg_ros.training.data.running import cli
from spacesgg_ros.training.data.running.build import (
    BuildConfig,
    Estimate,
    find_source,
    image_root,
    make_pipeline,
)
from spacesgg_ros.training.data.running.chunks import read_chunk
from spacesgg_ros.training.data.running.pipeline import RunConfig
from spacesgg_ros.training.data.running.run import run_pipeline
from spacesgg_ros.training.data.running.shards import ShardSource
from spacesgg_ros.training.data.sources.files import write_grounded
from spacesgg_ros.training.data.sources.rendered import read_rendered
from spacesgg_ros.training.data.vsd import cli as vsd_cli
from spacesgg_ros.training.data.writing import cli as write_cli
from spacesgg_ros.training.data.writing.options import MODEL_OPTIONS, SERVER_OPTIONS


def build(source, out, config=BuildConfig(), limit=3, chunk=2):  # noqa: B008
    pipeline = make_pipeline(image_root(source), config)
    run = RunConfig(out, chunk=chunk, limit=limit, jobs=1)
    return run_pipeline(pipeline, find_source(source), run)


def read_all(source, size, limit=None):
    batches = [read_chunk(source, chunk) for chunk in source.plan(size, limit).chunks]
    good = [record["id"] for batch in batches for record in batch.records]
    return good, [entry for batch in batches for entry in batch.rejected]


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    out = tmp_path_factory.mktemp("built")
    return build(SHARD, out), out


def test_a_set_has_rows_of_every_format_about_the_frames(built):
    outcome, out = built
    rows = list(read_rows(out / "rows.jsonl"))
    tasks = {"description", "qa", "conversation", "vsd-classify", "vsd-describe", "vsd-open"}
    assert {row.task for row in rows} == tasks == set(outcome.tasks)
    assert len({row.id for row in rows}) == len(rows) == outcome.rows
    assert len({row.image for row in rows}) == 3
    assert all(row.image.startswith(f"{SHARD.name}/") for row in rows)


def test_what_was_not_used_has_a_reason(built):
    outcome, out = built
    entries = [json.loads(line) for line in (out / "rejected.jsonl").open()]
    assert len(entries) == sum(outcome.rejected.values())
    assert "the stage failed" not in {entry["reason"] for entry in entries}


def test_the_same_input_gives_the_same_bytes_and_another_seed_others(built, tmp_path):
    first = (built[1] / "rows.jsonl").read_bytes()
    build(SHARD, tmp_path / "again", chunk=3)
    assert (tmp_path / "again/rows.jsonl").read_bytes() == first
    build(SHARD, tmp_path / "other", BuildConfig(seed=1))
    assert (tmp_path / "other/rows.jsonl").read_bytes() != first


def test_a_grounded_set_gives_the_rows_of_the_shard_it_was_made_from(built, tmp_path):
    shutil.copy(SHARD, tmp_path)
    write_grounded(tmp_path / "set.jsonl", read_rendered(tmp_path / SHARD.name, tmp_path))
    build(tmp_path / "set.jsonl", tmp_path / "out")
    assert (tmp_path / "out/rows.jsonl").read_bytes() == (built[1] / "rows.jsonl").read_bytes()


def test_only_the_formats_asked_for_are_made(tmp_path):
    outcome = build(SHARD, tmp_path / "out", BuildConfig(formats=("vsd",)), limit=2)
    assert set(outcome.tasks) == {"vsd-classify", "vsd-describe", "vsd-open"}


@pytest.fixture
def set_without_depth(tmp_path):
    shutil.copy(SHARD, tmp_path)
    frame = next(iter(read_rendered(tmp_path / SHARD.name, tmp_path)))
    write_grounded(tmp_path / "set.jsonl", [replace(frame, depth=None)])
    return tmp_path / "set.jsonl"


def test_an_image_without_depth_is_listed(set_without_depth, tmp_path):
    outcome = build(set_without_depth, tmp_path / "out")
    assert outcome.rows == 0
    assert [name.split(":")[0] for name in outcome.rejected] == ["measure"]


def test_an_estimator_gives_it_depth(set_without_depth, tmp_path):
    config = BuildConfig(estimate=Estimate("stub", tmp_path / "out/depth"))
    assert build(set_without_depth, tmp_path / "out", config).rows > 0
    assert len(list((tmp_path / "out/depth").glob("*.png"))) == 1


def test_a_pipeline_travels_to_a_worker():
    estimate = Estimate("stub", SHARD.parent / "depth", device="cuda", copies=2)
    pipeline = make_pipeline(SHARD.parent, BuildConfig(estimate=estimate))
    assert [stage.gpus for stage in pipeline.stages] == [1, 0, 0, 0, 0]
    again = pickle.loads(pickle.dumps(pipeline))
    assert [stage.name for stage in again.stages] == [stage.name for stage in pipeline.stages]


@pytest.mark.parametrize("size", [1, 7, 100])
def test_every_frame_of_every_shard_is_read_once_and_a_chunk_is_of_one_shard(tmp_path, size):
    for name in ("a-0.tar", "b-0.tar"):
        shutil.copy(SHARD, tmp_path / name)
    source = ShardSource.find(tmp_path)
    good, bad = read_all(source, size, limit=27)
    assert len(set(good)) == len(good) == 24
    assert [entry.reason for entry in bad] == ["same id twice"] * 3
    files = [(chunk.file, chunk.count) for chunk in source.plan(size, 27).chunks]
    assert sum(count for file, count in files if file == "b-0.tar") == 3


def test_a_broken_shard_is_listed_and_the_others_are_used(tmp_path):
    (tmp_path / "a-0.tar").write_bytes(b"no tar" * 300)
    shutil.copy(SHARD, tmp_path / "b-0.tar")
    good, bad = read_all(ShardSource.find(tmp_path), 10, limit=3)
    assert len(good) == 2
    assert [(entry.id, entry.reason) for entry in bad] == [("a-0.tar", "broken frame")]


def test_other_shards_have_another_digest(tmp_path):
    shutil.copy(SHARD, tmp_path / "a-0.tar")
    before = ShardSource.find(tmp_path).plan(5, None).sha256
    shutil.copy(SHARD, tmp_path / "b-0.tar")
    assert ShardSource.find(tmp_path).plan(5, None).sha256 != before
    assert ShardSource.find(tmp_path).plan(5, 24).sha256 == before


@pytest.mark.parametrize(
    "make, said",
    [
        (lambda p: find_source(p / "set.csv"), "neither a grounded set"),
        (lambda p: find_source(p, root=p), "--root is for a grounded set"),
        (lambda p: find_source(p), "no shards"),
        (lambda p: find_source(p / "gone.tar"), "there is no shard or folder"),
        (lambda p: BuildConfig(formats=("desc", "poem")), "unknown formats"),
        (lambda p: BuildConfig(formats=()), "unknown formats"),
    ],
)
def test_what_cannot_be_built_is_said(tmp_path, make, said):
    with pytest.raises((ValueError, GroundedError), match=said):
        make(tmp_path)


@pytest.fixture
def run():
    app = typer.Typer()
    cli.register(app)
    app.callback()(lambda: None)

    def invoke(*words):
        return CliRunner().invoke(app, ["build", *map(str, words)])

    invoke.app = app
    return invoke


def test_the_command_says_what_it_made_and_where(run, tmp_path):
    result = run(SHARD, "--out", tmp_path / "out", "--jobs", 1, "--limit", 2, "--formats", "desc")
    assert result.exit_code == 0, result.output
    assert "description" in result.output and "of 2 images" in result.output
    assert (tmp_path / "out/counts.json").exists()


@pytest.mark.parametrize("name", ["set.jsonl", "shards", "train-0.tar"])
def test_a_source_that_is_not_there_is_said_to_be_missing(run, tmp_path, name):
    result = run(tmp_path / name, "--out", tmp_path / "out")
    assert isinstance(result.exception, InputError)
    assert f"source: there is no file or folder {tmp_path / name}" in str(result.exception)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "words, said",
    [
        (["--root", "gone"], "--root: there is no folder gone"),
        (["--formats", "poem"], "unknown formats"),
        (["--root", "."], "--root is for a grounded set"),
        (["--generator", "openai"], "needs --model"),
        (["--split", "none"], "no shards"),
    ],
)
def test_unusable_options_are_input_errors(run, tmp_path, words, said):
    source = SHARD.parent if "--split" in words else SHARD
    result = run(source, "--out", tmp_path / "out", "--jobs", 1, "--limit", 1, *words)
    assert isinstance(result.exception, InputError) and said in str(result.exception)


OPENAI = ["--generator", "openai", "--model", "m"]


@pytest.mark.parametrize(
    "words, said",
    [
        (
            ["--endpoint", "http://x/v1", "--key-file", "k"],
            "--endpoint, --key-file: for a language",
        ),
        (["--max-cost", "1"], "add --generator openai"),
        ([*OPENAI, "--formats", "vsd"], "--generator: --formats has none of desc, qa, conv"),
        (["--copies", "1"], "--copies: for --runner ray"),
        (["--address", "auto"], "--address: for --runner ray"),
        (["--runner", "ray", "--copies", "2"], "--copies: of a model"),
        (["--runner", "ray", "--address", "auto", "--jobs", "2"], "--jobs: a running cluster"),
        (["--device", "cuda"], "--device: of the depth model"),
        (["--split", "train"], "--split: for a folder of rendered shards"),
        ([*OPENAI, "--max-cost", "1"], "price"),
        ([*OPENAI, "--key-variable", "NO_SUCH_KEY"], "NO_SUCH_KEY"),
    ],
)
def test_an_option_that_would_have_no_effect_is_refused(run, tmp_path, words, said):
    result = run(SHARD, "--out", tmp_path / "out", *words)
    assert isinstance(result.exception, InputError) and said in str(result.exception)
    assert not (tmp_path / "out").exists()


def test_an_address_of_the_environment_does_not_stop_a_local_run(run, tmp_path, monkeypatch):
    monkeypatch.setenv("RAY_ADDRESS", "auto")
    words = ["--jobs", 1, "--limit", 1, "--formats", "vsd"]
    assert run(SHARD, "--out", tmp_path / "out", *words).exit_code == 0


def test_a_set_of_which_a_split_is_asked_is_refused(run, set_without_depth, tmp_path):
    result = run(set_without_depth, "--out", tmp_path / "out", "--split", "train")
    assert isinstance(result.exception, InputError) and "set.jsonl is one file" in str(
        result.exception
    )


@pytest.mark.parametrize(
    "register, name, names",
    [
        (write_cli.register, "write", MODEL_OPTIONS),
        (vsd_cli.register, "refine", SERVER_OPTIONS),
    ],
)
def test_the_options_of_the_language_model_are_those_of_other_commands(run, register, name, names):
    app = typer.Typer()
    register(app)
    app.callback()(lambda: None)
    commands = {
        c.name: c for a in (app, run.app) for c in typer.main.get_command(a).commands.values()
    }
    found = [
        [(p.name, p.opts, p.default, p.help) for p in commands[c].params if p.name in names]
        for c in ("build", name)
    ]
    assert found[0] == found[1] and len(found[0]) == len(names)
    assert not {p.name for p in commands[name].params} & (set(MODEL_OPTIONS) - set(names))


def test_an_estimator_that_cannot_be_loaded_is_found_before_the_run(run, tmp_path, monkeypatch):
    def load(*options):
        raise GeometryError("no depth model", f"no depth model at {options[0]}")

    monkeypatch.setattr(estimator, "load_estimator", load)
    result = run(SHARD, "--out", tmp_path / "out", "--estimator", "gone")
    assert isinstance(result.exception, InputError) and "at gone" in str(result.exception)
    assert not (tmp_path / "out").exists()


def test_a_stub_is_said_to_be_no_model(run, set_without_depth, tmp_path):
    words = ["--jobs", 1, "--formats", "desc", "--estimator", "stub"]
    result = run(set_without_depth, "--out", tmp_path / "out", *words)
    assert result.exit_code == 0, result.output
    assert "no depth model" in result.output


def test_a_set_without_a_row_is_an_error(run, set_without_depth, tmp_path):
    result = run(set_without_depth, "--out", tmp_path / "out", "--jobs", 1)
    assert isinstance(result.exception, InputError)
    assert "no row came out of 1 images" in str(result.exception)
