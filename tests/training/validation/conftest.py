"""A small measured scene: mug near on the left, bowl far on the right, both on a table."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from spacesgg_ros.graph.boxes import encode_box
from spacesgg_ros.graph.text import format_object, format_relation
from spacesgg_ros.training.data.grounded import GroundedImage, GroundedObject, Measured
from spacesgg_ros.training.data.rows import Row, make_turns

LABELS = ("mug", "bowl", "table", "chair", "chair", "spoon", "lamp")
_PLACES = {  # label: box, x right, y down, z away, size; metres
    0: ((100, 200, 160, 260), -0.3, 0.0, 1.0, 0.1),
    1: ((400, 180, 480, 240), 0.3, 0.0, 1.6, 0.1),
    2: ((50, 150, 600, 450), 0.0, 0.3, 1.3, 0.7),
    3: ((0, 50, 90, 200), -0.9, 0.0, 3.0, 0.1),
    4: ((550, 50, 639, 200), 0.9, 0.0, 3.0, 0.1),
    5: ((420, 190, 450, 210), 0.3, -0.02, 1.6, 0.05),
    6: ((300, 10, 340, 80), 0.0, -0.8, 2.5, 0.1),
}


def make_object(index: int, measured: bool = True) -> GroundedObject:
    box, x, y, z, size = _PLACES[index]
    half = size / 2
    space = Measured(
        depth=(z - half, z, z + half),
        position=(x, y, z),
        low=(x - half, y - half, z - half),
        high=(x + half, y + half, z + half),
        readings=100,
    )
    return GroundedObject(LABELS[index], box, measured=space if measured else None)


@pytest.fixture(scope="session")
def image() -> GroundedImage:
    return GroundedImage(
        id="scene",
        image="scene.jpg",
        width=640,
        height=480,
        objects=tuple(make_object(i) for i in range(len(LABELS))),
        relations=((0, "on", 2), (1, "on", 2), (5, "in", 1)),
        ambiguous=((2, 6),),
    )


@pytest.fixture(scope="session")
def box(image: GroundedImage) -> Callable[[int], tuple[int, int, int, int]]:
    return lambda i: encode_box(image.objects[i].box_px, image.width, image.height)


@pytest.fixture(scope="session")
def tagged(box) -> Callable[[int], str]:
    """``<ref>`` and ``<box>`` of an object."""
    return lambda i: format_object(LABELS[i], box(i))


@pytest.fixture(scope="session")
def related(box) -> Callable[[int, str, int], str]:
    """``<pred>`` and both boxes."""
    return lambda s, p, o: format_relation(p, box(s), box(o))


@pytest.fixture(scope="session")
def row() -> Callable[..., Row]:
    """A row of a task: ``row("qa", (question, answer), ...)``."""

    def make(task: str, *exchanges: tuple[str, str], mirror: bool = False) -> Row:
        turns = make_turns(exchanges)
        return Row("r", "scene.jpg", 640, 480, task, turns, mirror, provenance={"frame": "scene"})

    return make
