"""What the training commands say to wrong input."""

from __future__ import annotations

from pathlib import Path

import pytest

from spacesgg_ros.cli.console import InputError
from spacesgg_ros.training.scenes import cli as scenes_cli


def test_an_unknown_split_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="unknown split 'tset'; one of train, val"):
        scenes_cli.render("tset", 3, out=tmp_path)
