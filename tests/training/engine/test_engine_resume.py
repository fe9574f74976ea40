"""A run that is killed goes on as if nothing had happened."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

pytest.importorskip("torch")
pytest.importorskip("accelerate")

from spacesgg_ros.bench.train_resume import compare_runs


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("adapter", [False, True], ids=["full", "lora"])
def test_a_killed_run_ends_with_the_same_weights_bit_for_bit(
    adapter: bool, settings: Callable[..., dict], tmp_path: Path
) -> None:
    changes: dict = {"max_steps": 8, "save_every": 3, "save_precision": "fp32"}
    if adapter:  # dropout draws random numbers, which the checkpoint must bring back
        changes["train"] = {"projector": True, "language_model": "lora"}
        changes["lora"] = {"rank": 2, "alpha": 4, "targets": ["q_proj"], "dropout": 0.2}
    different, losses_equal = compare_runs(settings(**changes), tmp_path, killed_at=5)
    assert different == [] and losses_equal
