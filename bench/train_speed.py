"""train-speed: rows a second of the embedded model's stage 2, against a plain ``Trainer``."""

from __future__ import annotations

import dataclasses
import tempfile
import time
from pathlib import Path
from typing import Any

from spacesgg_ros.bench.result import BenchResult
from spacesgg_ros.bench.training_set import write_training_set
from spacesgg_ros.extras import require

_LEAST_RATIO = 3.0
_MOST_LOSS_DIFFERENCE = 1e-4
_CHUNK = 16
"""Batches that are sorted by length together: as many are representative."""


def run(quick: bool = False) -> BenchResult:
    """Both train the same model on the same rows with the same batch size on this machine.

    Ours is compiled where this is not a quick check, and timed once it is. The plain run is what
    one writes first: pixels through the frozen tower every step, random batches padded to their
    longest row, logits of every position. To compare losses it gets the very batches of ours.
    """
    equal_steps, plain_steps, size = (2, 3, 8) if quick else (6, 10, 32)
    require("torch", "train")
    with tempfile.TemporaryDirectory() as scratch:
        bench = _Comparison(Path(scratch), size, 8 if quick else None)
        ours_losses, _ = bench.train_ours(equal_steps, sigma=0.0, name="equal")
        plain_losses, _ = bench.train_plain(equal_steps, same_batches=True)
        _, ours_rate = bench.train_ours(
            2 * _CHUNK, sigma=4.0, name="speed", compiled=not quick, warm=_CHUNK
        )
        _, plain_rate = bench.train_plain(plain_steps, same_batches=False)
    difference = max(abs(a - b) for a, b in zip(ours_losses, plain_losses, strict=True))
    ratio = ours_rate / plain_rate
    return BenchResult(
        name="train-speed",
        measured={
            "recipe": "embedded/stage2",
            "batch_size": size,
            "rows_per_s": round(ours_rate, 2),
            "steps": _CHUNK,
            "compile": not quick,
            "losses_on_equal_batches": [round(value, 5) for value in ours_losses],
            "largest_loss_difference": float(f"{difference:.2g}"),
        },
        baseline={
            "what": "transformers.Trainer: pixels, random padded batches, all logits",
            "rows_per_s": round(plain_rate, 2),
            "steps": plain_steps,
            "losses_on_equal_batches": [round(value, 5) for value in plain_losses],
        },
        ratio=round(ratio, 2),
        bar=(
            f">= {_LEAST_RATIO:g} times the rows a second; losses on equal batches equal to "
            f"{_MOST_LOSS_DIFFERENCE:g}"
        ),
        passed=ratio >= _LEAST_RATIO and difference <= _MOST_LOSS_DIFFERENCE,
        quick=quick,
    )


class _Comparison:
    """One model, one set of rows, two trainers; the optimiser is AdamW in both."""

    def __init__(self, folder: Path, batch_size: int, frames: int | None) -> None:
        recipes = require("spacesgg_ros.training.engine.recipe", "train")
        settings = write_training_set(folder, frames)
        settings |= {"optimiser": {"name": "adamw"}, "learning_rate": 1e-4}
        settings |= {"batch": {"size": batch_size}, "log_every": 1, "save_every": 10_000}
        self._recipe = recipes.make_recipe(settings)
        self._folder = folder

    def train_ours(
        self, steps: int, sigma: float, name: str, compiled: bool = False, warm: int = 0
    ) -> tuple[list[float], float]:
        """``(loss a step, rows a second)``; ``warm`` steps, which compile, do not count."""
        trainer = self._build(name, steps, sigma, cached=True, compiled=compiled)
        return self._time(trainer, steps, warm)

    def train_plain(self, steps: int, same_batches: bool) -> tuple[list[float], float]:
        """The same with ``transformers.Trainer`` as it is."""
        torch = require("torch", "train")
        transformers = require("transformers", "train")
        name = f"plain-{same_batches}"
        # Ours is built to take its parts: model, rows, arguments, batches, optimiser.
        parts = self._build(name, steps, 0.0, cached=False)
        parts._answer_logits.remove()
        model, plan = parts.model, parts._plan
        optimiser = parts.create_optimizer()
        pad = parts.data_collator._pad

        def collate(examples: Any) -> dict[str, Any]:
            batch = parts.data_collator(examples)
            return batch | {"attention_mask": (batch["input_ids"] != pad).long()}

        class Plain(transformers.Trainer):  # type: ignore[misc, name-defined]
            def get_train_dataloader(self) -> Any:
                if same_batches:
                    sampler: dict[str, Any] = {"batch_sampler": plan}
                else:
                    weights = torch.zeros(len(parts.train_dataset), dtype=torch.double)
                    for pool in plan.pools:
                        weights[pool.rows] = pool.weight / len(pool.rows)
                    size = plan.batch_size
                    draws = torch.utils.data.WeightedRandomSampler(weights, size * steps)
                    sampler = {"sampler": draws, "batch_size": size}
                loader = torch.utils.data.DataLoader(
                    parts.train_dataset, collate_fn=collate, **sampler
                )
                return self.accelerator.prepare(loader)

        class FrozenTower(transformers.TrainerCallback):  # type: ignore[misc, name-defined]
            """The tower's normalisation keeps its statistics, as in ours."""

            def on_step_begin(self, *_: Any, **__: Any) -> None:
                tower = model.model.vision_tower
                tower.train = lambda mode=True: tower
                tower.apply(lambda module: setattr(module, "training", False))

        plain = Plain(
            model=model,
            args=parts.args,
            train_dataset=parts.train_dataset,
            optimizers=(optimiser, parts.create_scheduler(steps, optimiser)),
            callbacks=[FrozenTower()],
        )
        plain.args.save_strategy = "no"
        plain.remove_callback(transformers.PrinterCallback)  # stdout is the result's
        return self._time(plain, steps)

    def _build(
        self, name: str, steps: int, sigma: float, cached: bool, compiled: bool = False
    ) -> Any:
        engine = require("spacesgg_ros.training.engine.run", "train")
        folders = require("spacesgg_ros.training.engine.run_folder", "train")
        vlm = require("spacesgg_ros.vlm.folder", "train")
        recipe = dataclasses.replace(
            self._recipe,
            max_steps=steps,
            coordinate_sigma=sigma,
            cached_tower=cached,
            compile=compiled,
        )
        run_dir = self._folder / name
        run_dir.mkdir()
        folder = vlm.open_folder(recipe.model)
        return engine.build_trainer(recipe, folders.RunFolder(run_dir), folder)

    def _time(self, trainer: Any, steps: int, warm: int = 0) -> tuple[list[float], float]:
        transformers = require("transformers", "train")
        marks: list[float] = []

        class Clock(transformers.TrainerCallback):  # type: ignore[misc, name-defined]
            def on_train_begin(self, *_: Any, **__: Any) -> None:
                marks.append(time.perf_counter())

            def on_step_end(self, *_: Any, **__: Any) -> None:
                marks.append(time.perf_counter())

        trainer.add_callback(Clock())
        trainer.train()
        losses = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
        rows = self._recipe.batch.size * (steps - warm)
        return losses, rows / (marks[-1] - marks[warm])
