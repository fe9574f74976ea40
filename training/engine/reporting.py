"""What a run tells while it goes: JSON lines, TensorBoard, curves and a progress bar."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable, Iterator
from typing import Any

from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from spacesgg_ros.cli.console import messages
from spacesgg_ros.extras import require

from .curves import draw_curves
from .run_folder import RunFolder

_COLUMNS = (
    TextColumn("{task.description}"),
    BarColumn(),
    MofNCompleteColumn(),
    TimeRemainingColumn(),
)
_LOGGED = ("loss", "grad_norm", "learning_rate", "epoch")


@contextlib.contextmanager
def show_progress(title: str) -> Iterator[Callable[[int, int | None], None]]:
    """A bar that appears with the first call of what it gives: ``(done, total or None)``."""
    with Progress(*_COLUMNS, console=messages, transient=True) as progress:
        task: TaskID | None = None

        def advance(done: int, total: int | None) -> None:
            nonlocal task
            if task is None:
                task = progress.add_task(title, total=total)
            progress.update(task, completed=done, total=total)

        yield advance


class RunReporter(TrainerCallback):
    """Writes on the main process only."""

    def __init__(self, run: RunFolder, rows_a_step: int) -> None:
        self._run = run
        self._rows_a_step = rows_a_step
        self._progress = Progress(*_COLUMNS, console=messages)
        self._task: Any = None
        self._board: Any = None
        self._clock = (0, 0.0)

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        if not state.is_world_process_zero:
            return
        self._run.cut_log(state.global_step)
        board = require("torch.utils.tensorboard", "train")
        self._board = board.SummaryWriter(self._run.tensorboard, purge_step=state.global_step + 1)
        self._task = self._progress.add_task(
            "training", total=state.max_steps, completed=state.global_step
        )
        self._progress.start()
        self._clock = (state.global_step, time.monotonic())

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        if self._task is not None:
            self._progress.update(self._task, completed=state.global_step)

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, float] | None = None,
        **_: Any,
    ) -> None:
        if not state.is_world_process_zero or not logs or "loss" not in logs:
            return
        step, now = state.global_step, time.monotonic()
        steps, seconds = step - self._clock[0], now - self._clock[1]
        self._clock = (step, now)
        values = {name: logs[name] for name in _LOGGED if name in logs}
        if seconds > 0:
            values["samples_per_s"] = round(steps * self._rows_a_step / seconds, 2)
        entry = {"step": step, "time": round(time.time(), 1), **values}
        with self._run.log.open("a", encoding="utf-8") as file:
            file.write(json.dumps(entry) + "\n")
        for name, value in values.items():
            self._board.add_scalar(f"train/{name}", value, step)
        self._progress.update(self._task, description=f"loss {values['loss']:.4f}")

    def on_save(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        if state.is_world_process_zero:
            draw_curves(self._run.log, self._run.curves)

    def close(self) -> None:
        """Stop the bar and draw the last curves; also after an error."""
        if self._task is None:
            return
        self._progress.stop()
        self._board.close()
        draw_curves(self._run.log, self._run.curves)
