"""The curves of a run as a picture."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from spacesgg_ros.extras import require

_SHOWN = (("loss", "loss a token"), ("learning_rate", "learning rate"), ("samples_per_s", "rows/s"))


def read_log(file: Path) -> list[dict[str, Any]]:
    """The entries of a ``log.jsonl``; a line that a kill cut off is passed over."""
    entries = []
    for line in file.read_text(encoding="utf-8").splitlines() if file.is_file() else []:
        try:
            entries.append(json.loads(line))
        except json.JSONDecodeError:
            continue
    return entries


def draw_curves(log: Path, picture: Path) -> None:
    """Loss, learning rate and speed over steps; writes the PNG whole or not at all."""
    matplotlib = require("matplotlib", "train")
    matplotlib.use("Agg")
    pyplot = require("matplotlib.pyplot", "train")
    entries = [e for e in read_log(log) if "loss" in e]
    if not entries:
        return
    figure, axes = pyplot.subplots(1, len(_SHOWN), figsize=(12, 3.2), layout="constrained")
    for axis, (key, title) in zip(axes, _SHOWN, strict=True):
        points = [(e["step"], e[key]) for e in entries if key in e]
        axis.plot(*zip(*points, strict=True), linewidth=1.2)
        axis.set(title=title, xlabel="step")
        axis.grid(alpha=0.3)
    if all(e["loss"] > 0 for e in entries):
        axes[0].set_yscale("log")
    temporary = picture.with_suffix(".tmp.png")
    figure.savefig(temporary, dpi=110)
    pyplot.close(figure)
    temporary.replace(picture)
