"""The same command on a Ray of this machine: the same files, byte for byte."""

from pathlib import Path

import pytest

ray = pytest.importorskip("ray")
pytest.importorskip("ray.data")

from spacesgg_ros.training.data.running.chunks import JsonlSource
from spacesgg_ros.training.data.running.parts import Parts
from spacesgg_ros.training.data.running.pipeline import Pipeline, Stage
from spacesgg_ros.training.data.running.ray_runner import make_steps
from spacesgg_ros.training.data.running.run import Job


def steps_of(*actors):
    stages = [Stage(f"s{k}", list, actors=count) for k, count in enumerate(actors)]
    job = Job(Pipeline(tuple(stages)), JsonlSource(Path("in")), Parts(Path("out"), "jsonl"))
    steps = make_steps(job, "run")
    assert [s.reads for s in steps] == [True, *[False] * (len(steps) - 1)]
    assert [s.writes for s in steps] == [*[False] * (len(steps) - 1), True]
    return [tuple(stage.name for stage in step.stages) for step in steps]


@pytest.mark.parametrize(
    "actors, steps",
    [
        ((0,), [("s0",)]),
        ((0, 0, 0), [("s0", "s1", "s2")]),
        ((0, 2, 0, 0), [("s0",), ("s1",), ("s2", "s3")]),
        ((1, 2), [(), ("s0",), ("s1",), ()]),
    ],
)
def test_models_stand_alone_and_files_are_handled_beside_them(actors, steps):
    assert steps_of(*actors) == steps


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("output", ["jsonl", "parquet"])
def test_ray_writes_the_bytes_of_the_local_runner(run_apart, read_results, tmp_path, output):
    assert run_apart(tmp_path / "local", "local", 1, output=output) == 0
    assert run_apart(tmp_path / "ray", "ray", 2, output=output) == 0
    local = read_results(tmp_path / "local")
    assert read_results(tmp_path / "ray") == local
    assert len(local) >= 11


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_stage_can_stop_a_run_on_ray(run_apart, tmp_path):
    with pytest.raises(RuntimeError, match="stopped: no server"):
        run_apart(tmp_path / "out", "ray", 2, victim="n23?")
    assert not (tmp_path / "out/counts.json").exists()
