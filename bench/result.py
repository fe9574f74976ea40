"""What a benchmark reports: one JSON object, with the bar it is held to and where it ran."""

from __future__ import annotations

import importlib.metadata
import os
import platform
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

_PACKAGES = ("numpy", "onnxruntime", "opencv-python-headless", "torch", "transformers", "rclpy")


class BenchError(RuntimeError):
    """A benchmark cannot run here; the message says what is missing and what to do."""


@dataclass(frozen=True)
class BenchResult:
    """A measurement against a bar.

    Attributes:
        measured, baseline: values with their unit in the name; both taken in the same run.
        ratio: how many times better than the baseline, where one number says it.
        bar: the condition in words; ``passed``: whether it held.
        quick: a shortened run, which proves that it runs and no more.
    """

    name: str
    measured: Mapping[str, Any]
    bar: str
    passed: bool
    baseline: Mapping[str, Any] = field(default_factory=dict)
    ratio: float | None = None
    quick: bool = False

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready, with the machine it ran on."""
        return {
            "name": self.name,
            "measured": dict(self.measured),
            "baseline": dict(self.baseline),
            "ratio": self.ratio,
            "bar": self.bar,
            "pass": self.passed,
            "quick": self.quick,
            "machine": describe_machine(),
        }


def describe_machine() -> dict[str, Any]:
    """CPU, cores, load, operating system, Python and the versions that matter."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return {
        "cpu": _cpu_model(),
        "cores": cores,
        "load_1min": round(os.getloadavg()[0], 2),
        "os": platform.platform(),
        "python": platform.python_version(),
        "versions": {name: version for name in _PACKAGES if (version := _version(name))},
    }


def _cpu_model() -> str:
    info = Path("/proc/cpuinfo")
    if info.is_file():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return ""
