"""node-overhead: CPU a frame of a real node whose model costs nothing."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median

from rich.console import Console

from spacesgg_ros.bench.result import BenchError, BenchResult
from spacesgg_ros.bench.synthetic_camera import BLOCKS, INTRINSICS, RATE_HZ, render_frames
from spacesgg_ros.demo import DemoError
from spacesgg_ros.demo.bag_writer import write_bag
from spacesgg_ros.demo.session import DemoOptions, DemoSession
from spacesgg_ros.demo.statistics import Summary

_BAR_MS = 15.0
_FRAMES = 400
_WINDOW_S = 2.0


def run(quick: bool = False) -> BenchResult:
    """Raw 640x480 colour and depth in at 15 Hz, eight objects, graphs out to a subscriber.

    Process CPU time over windows of two seconds, divided by the graphs published in each: the
    median is of those. The scripted model answers once a second.
    """
    frames = 60 if quick else _FRAMES
    with synthetic_bag(60 if quick else 120) as bag:
        meter = CpuMeter()
        summary = run_measured(
            DemoOptions(
                bag=bag,
                headless=True,
                port=None,
                seconds=frames / RATE_HZ + 2 * _WINDOW_S,
                node_module="spacesgg_ros.bench.scripted_node",
                node_parameters={"keyframe_period": "1.0"},
            ),
            meter,
        )
    per_frame = meter.per_frame_ms()
    if not per_frame or summary.objects != len(BLOCKS):
        raise BenchError(
            f"the node did not run as it should: {summary.objects} objects instead of "
            f"{len(BLOCKS)}, {summary.graphs_out} graphs, drops {summary.drops}"
        )
    cpu_ms = median(per_frame)
    return BenchResult(
        name="node-overhead",
        measured={
            "cpu_ms_a_frame_median": round(cpu_ms, 2),
            "cpu_ms_a_frame_worst_window": round(max(per_frame), 2),
            "graphs": meter.graphs,
            "objects": summary.objects,
            "relations": summary.relations,
            "rate_hz": round(meter.rate_hz, 2),
            "age_ms": summary.age_ms,
            "drops": summary.drops,
            "stage_median_ms": meter.stage_median_ms(),
        },
        baseline={"budget_ms": _BAR_MS},
        ratio=round(_BAR_MS / cpu_ms, 2),
        bar=f"median <= {_BAR_MS:g} ms of CPU a frame at 640x480 with {len(BLOCKS)} objects",
        passed=cpu_ms <= _BAR_MS,
        quick=quick,
    )


class CpuMeter:
    """Samples the node's CPU time and the graphs it has published."""

    def __init__(self) -> None:
        self._samples: list[tuple[float, float, int]] = []
        self._stages: dict[str, list[float]] = {}

    def __call__(self, session: DemoSession) -> None:
        """Called by the session a few times a second, once the model has looked."""
        now = time.monotonic()
        with session.monitor.lock:
            graph = session.monitor.statistics.latest
            published = session.monitor.statistics.published
        if graph is not None:
            for stage, ms in graph.stage_ms.items():
                self._stages.setdefault(stage, []).append(ms)
        if not self._samples or now - self._samples[-1][0] >= _WINDOW_S:
            self._samples.append((now, cpu_seconds(session.node_pid), published))

    @property
    def graphs(self) -> int:
        """Graphs published while it measured, the first window left out as warm-up."""
        return self._samples[-1][2] - self._samples[1][2] if len(self._samples) > 2 else 0

    @property
    def rate_hz(self) -> float:
        """Graphs a second over the same time."""
        if self.graphs == 0:
            return 0.0
        return self.graphs / (self._samples[-1][0] - self._samples[1][0])

    def per_frame_ms(self) -> list[float]:
        """CPU milliseconds a graph of every window after the first."""
        windows = list(zip(self._samples[1:], self._samples[2:], strict=False))
        return [
            1e3 * (after[1] - before[1]) / (after[2] - before[2])
            for before, after in windows
            if after[2] > before[2]
        ]

    def stage_median_ms(self) -> dict[str, float]:
        """Wall time of the node's stages."""
        return {name: round(median(values), 2) for name, values in self._stages.items()}


def cpu_seconds(pid: int) -> float:
    """User and system time of a process and all its threads so far (Linux)."""
    # The name, in parentheses, may hold spaces; what follows does not.
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextmanager
def synthetic_bag(frames: int) -> Iterator[Path]:
    """A recording of the synthetic camera, removed afterwards."""
    with tempfile.TemporaryDirectory(prefix="spacesgg-bench-") as folder:
        path = Path(folder) / "synthetic.mcap"
        write_bag(path, render_frames(frames), INTRINSICS)
        yield path


def run_measured(options: DemoOptions, meter: CpuMeter | None = None) -> Summary:
    """Run a headless demo in silence.

    Raises:
        BenchError: it failed.
    """
    try:
        session = DemoSession(options, Console(quiet=True))
        return session.run(meter)
    except (DemoError, FileNotFoundError) as error:
        raise BenchError(f"the demo failed: {error}") from error
