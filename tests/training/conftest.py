"""Small worlds made by hand: a scene of boxes, and a frame record."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

pytest.importorskip("cv2")

from spacesgg_ros.training.scenes.assets import Material, MeshPart, Model, collision_hulls


def _box_model(label: str, size: tuple[float, float, float], **kwargs: object) -> Model:
    """A solid box standing on z = 0, flat-shaded."""
    x, y, z = size
    corners = np.array(
        [[sx * x / 2, sy * y / 2, sz * z] for sx in (-1, 1) for sy in (-1, 1) for sz in (0, 1)]
    )
    vertices, normals, faces = [], [], []
    for axis in range(3):
        for side in (0, 1):
            bit = 4 >> axis
            face = [i for i in range(8) if bool(i & bit) == bool(side)]
            normal = np.zeros(3)
            normal[axis] = 1 if side else -1
            start = len(vertices)
            vertices += [corners[i] for i in face]
            normals += [normal] * 4
            faces += [[start, start + 1, start + 3], [start, start + 3, start + 2]]
    part = MeshPart(
        np.array(vertices, np.float32),
        np.array(normals, np.float32),
        np.zeros((len(vertices), 2), np.float32),
        np.array(faces),
        Material(),
    )
    model = Model(f"test/{label}", label, [part], np.array(size), **kwargs)  # type: ignore[arg-type]
    model.hulls = collision_hulls(model)
    return model


@pytest.fixture
def box_model() -> Callable[..., Model]:
    """Makes a solid box: ``box_model(label, (x, y, z) metres)``."""
    return _box_model


@pytest.fixture
def record() -> dict:
    """A mug left of a spoon, an apple in a bowl behind them, all on a table."""

    def obj(index: int, label: str, box: list[int], xyz: list[float]) -> dict:
        return {
            "index": index,
            "label": label,
            "box_px": box,
            "position_camera": xyz,
            "depth_m": [xyz[2] - 0.05, xyz[2], xyz[2] + 0.05],
        }

    return {
        "key": "test-000000-0",
        "width": 320,
        "height": 240,
        "objects": [
            obj(0, "table", [0, 100, 320, 240], [0.0, 0.1, 1.2]),
            obj(1, "mug", [40, 120, 80, 180], [-0.2, 0.0, 0.8]),
            obj(2, "spoon", [150, 130, 190, 200], [0.0, 0.0, 0.82]),
            obj(3, "bowl", [140, 60, 220, 110], [0.05, 0.0, 1.05]),
            obj(4, "apple", [160, 50, 190, 80], [0.05, -0.03, 1.04]),
        ],
        "relations": [
            [4, "in", 3],
            [1, "on", 0],
            [2, "on", 0],
            [3, "on", 0],
            [1, "to the left of", 2],
            [2, "to the right of", 1],
            [2, "in front of", 3],
            [3, "behind", 2],
        ],
        "ambiguous": [[1, 3]],
    }
