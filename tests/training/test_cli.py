"""What the training commands say to wrong input."""

from __future__ import annotations

from pathlib import Path

import pytest

from spacesgg_ros.cli.console import InputError
from spacesgg_ros.training import cli


def test_an_unknown_split_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="unknown split 'tset'; one of train, val"):
        cli.render("tset", 3, out=tmp_path)


def test_training_without_frames_says_how_to_render(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    with pytest.raises(InputError, match="spacesgg scenes render train"):
        cli.train_tower(data=tmp_path, run=tmp_path / "run")


def test_training_without_a_tower_says_what_comes_first(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    with pytest.raises(InputError, match="spacesgg train tower"):
        cli.train_llava(data=tmp_path, run=tmp_path)


def test_evaluation_without_frames_says_how_to_render(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="spacesgg scenes render test-seen"):
        cli.evaluate(data=tmp_path)
