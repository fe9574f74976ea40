import json

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from spacesgg_ros.bench import held_out
from spacesgg_ros.bench.node_overhead import CpuMeter, cpu_seconds
from spacesgg_ros.bench.registry import BENCHMARKS, load_benchmark
from spacesgg_ros.bench.result import BenchError, BenchResult
from spacesgg_ros.bench.synthetic_camera import (
    BLOCKS,
    HEIGHT,
    INTRINSICS,
    WIDTH,
    block_box,
    describe_frame,
    read_number,
    render_frames,
)
from spacesgg_ros.cli import bench
from spacesgg_ros.cli.console import InputError
from spacesgg_ros.graph import decode_box, lift_boxes


@pytest.fixture
def run():
    app = typer.Typer()
    app.command("bench")(bench.bench)
    return lambda *words: CliRunner().invoke(app, list(words))


def use_benchmark(monkeypatch, result):
    monkeypatch.setattr(
        "spacesgg_ros.bench.registry.load_benchmark", lambda name: lambda quick: result
    )


def test_every_benchmark_has_a_module_that_runs():
    pytest.importorskip("rosbags")
    for name in BENCHMARKS:
        assert callable(load_benchmark(name))


def test_the_list_names_every_benchmark(run):
    output = run("--list").output
    assert all(name in output for name in BENCHMARKS)


@pytest.mark.parametrize("words", [[], ["speed"]])
def test_an_unknown_name_is_a_usage_error(run, words):
    assert run(*words).exit_code == 2


def test_a_benchmark_reports_one_object_and_where_it_ran(run, monkeypatch, tmp_path):
    use_benchmark(monkeypatch, BenchResult("lifting", {"median_mm": 9.0}, "<= 20", True, ratio=2.0))
    out = tmp_path / "results" / "lifting.json"
    result = run("lifting", "--json", "--out", str(out))
    report = json.loads(result.stdout)
    assert result.exit_code == 0
    assert report == json.loads(out.read_text())
    assert (report["name"], report["measured"], report["pass"]) == (
        "lifting",
        {"median_mm": 9.0},
        True,
    )
    assert {"cpu", "cores", "os", "python", "versions"} <= set(report["machine"])


def test_a_missed_bar_is_an_exit_status(run, monkeypatch):
    use_benchmark(monkeypatch, BenchResult("lifting", {}, "<= 20", False))
    assert run("lifting").exit_code == 1
    assert run("lifting", "--quick").exit_code == 0


def test_what_is_missing_is_named(run, monkeypatch, tmp_path):
    monkeypatch.setattr(held_out, "SHARD", tmp_path / "none.tar")
    result = run("lifting")
    assert isinstance(result.exception, InputError)
    assert "no held-out frames" in str(result.exception)


def test_held_out_frames_are_metric_and_repeatable():
    first, again = (next(held_out.read_held_out(1)) for _ in range(2))
    assert first.rgb.shape == (480, 640, 3)
    assert np.array_equal(first.depth_m, again.depth_m, equal_nan=True)
    assert 0.2 < np.nanmin(first.depth_m) < np.nanmax(first.depth_m) < 6.0


def test_there_are_enough_held_out_frames_for_the_bar():
    assert len(list(held_out.read_held_out())) >= 20


def test_an_unknown_benchmark_lists_those_there_are():
    with pytest.raises(BenchError, match="lifting"):
        load_benchmark("speed")


def test_synthetic_pictures_bear_their_number_through_jpeg():
    import cv2

    frames = list(render_frames(6))
    for index, frame in enumerate(frames):
        jpeg = cv2.imencode(".jpg", frame.rgb, [cv2.IMWRITE_JPEG_QUALITY, 80])[1]
        assert read_number(cv2.imdecode(jpeg, cv2.IMREAD_COLOR)) == index


def test_the_scripted_graph_is_exact():
    graph = describe_frame(3)
    assert len(graph.objects) == len(BLOCKS) == 8
    for item, block in zip(graph.objects, BLOCKS, strict=True):
        expected = np.clip(block_box(block, 3), 0, (WIDTH, HEIGHT, WIDTH, HEIGHT))
        assert np.allclose(decode_box(item.box, WIDTH, HEIGHT), expected, atol=1.0)


def test_synthetic_depth_lies_where_the_blocks_are():
    frame = next(render_frames(1))
    plate = next(block for block in BLOCKS if block.label == "plate")
    extent = lift_boxes(frame.depth_m, [block_box(plate, 0)], INTRINSICS)[0]
    assert abs(extent.depth_median_m - plate.z) < 0.01


def test_cpu_time_of_this_process_grows():
    import os

    before = cpu_seconds(os.getpid())
    while cpu_seconds(os.getpid()) < before + 0.02:
        sum(range(10_000))


def test_the_first_window_is_warm_up():
    meter = CpuMeter()
    meter._samples = [(0.0, 0.0, 0), (2.0, 9.0, 30), (4.0, 9.3, 60), (6.0, 9.9, 90)]
    assert meter.graphs == 60
    assert meter.rate_hz == 15.0
    assert [round(ms) for ms in meter.per_frame_ms()] == [10, 20]
