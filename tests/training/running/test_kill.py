"""SIGKILL in the middle, the same command again: no row lost, none twice, the same bytes."""

import signal

import pytest


def check_kill(run_apart, read_results, tmp_path, runner, jobs, output):
    assert run_apart(tmp_path / "straight", "local", 1, output=output) == 0
    killed = tmp_path / "killed"
    assert run_apart(killed, runner, jobs, victim="n23", output=output) == -signal.SIGKILL
    done = len(list((killed / "parts").glob("*.done.json")))
    assert done < 9 and not (killed / "counts.json").exists()
    assert run_apart(killed, runner, jobs, output=output) == 0
    assert read_results(killed) == read_results(tmp_path / "straight")


def test_a_killed_run_goes_on(run_apart, read_results, tmp_path):
    check_kill(run_apart, read_results, tmp_path, "local", 1, "jsonl")


@pytest.mark.slow
@pytest.mark.parametrize("output", ["jsonl", "parquet"])
def test_a_killed_pool_goes_on(run_apart, read_results, tmp_path, output):
    if output == "parquet":
        pytest.importorskip("pyarrow")
    check_kill(run_apart, read_results, tmp_path, "local", 2, output)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_killed_run_on_ray_goes_on(run_apart, read_results, tmp_path):
    pytest.importorskip("ray.data")
    check_kill(run_apart, read_results, tmp_path, "ray", 2, "parquet")


@pytest.mark.slow
def test_workers_end_with_a_killed_command(run_apart, tmp_path):
    psutil = pytest.importorskip("psutil")
    out = str(tmp_path / "killed")
    before = {p.pid for p in psutil.process_iter()}
    assert run_apart(tmp_path / "killed", "local", 2, victim="n23") == -signal.SIGKILL

    def orphans():
        started = [p for p in psutil.process_iter(["cmdline"]) if p.pid not in before]
        return [p for p in started if "spawn_main" in " ".join(p.info["cmdline"] or [])]

    psutil.wait_procs(orphans(), timeout=20)
    assert not orphans(), out
