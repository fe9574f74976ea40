"""Pictures and annotation files small enough to be seen."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("cv2")

import cv2
import numpy as np


@pytest.fixture
def write_json(tmp_path: Path) -> Callable[[str, Any], Path]:
    """Writes ``value`` to a file below ``tmp_path`` and returns its path."""

    def write(name: str, value: Any) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(value))
        return path

    return write


@pytest.fixture
def write_picture(tmp_path: Path) -> Callable[..., Path]:
    """Writes a picture of ``width`` x ``height`` below ``tmp_path``."""

    def write(name: str, width: int = 8, height: int = 6) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), np.full((height, width, 3), 90, np.uint8))
        return path

    return write


@pytest.fixture
def write_segments(tmp_path: Path) -> Callable[..., Path]:
    """Writes a panoptic picture: ``{segment id: (x0, y0, x1, y1)}``, later ones on top."""

    def write(name: str, boxes: dict[int, tuple], width: int = 8, height: int = 6) -> Path:
        bgr = np.zeros((height, width, 3), np.uint8)
        for number, (x0, y0, x1, y1) in boxes.items():
            bgr[y0:y1, x0:x1] = (number // 65536, number // 256 % 256, number % 256)
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), bgr)
        return path

    return write
