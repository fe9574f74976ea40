"""Ground truth by definition, against hand-built scenes whose answers were worked out by hand."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from spacesgg_ros.graph.types import Intrinsics
from spacesgg_ros.training.scenes import truth
from spacesgg_ros.training.scenes.assets import Model
from spacesgg_ros.training.scenes.renderer import Camera, Drawable, Light
from spacesgg_ros.training.scenes.scene import Scene, model_pose

BoxModel = Callable[..., Model]
K = Intrinsics(100.0, 100.0, 79.5, 59.5, 160, 120)
FROM_THE_FRONT = Camera.looking_at(K, np.array([0.0, -2.0, 1.0]), np.array([0.0, 0.0, 0.7]))
"""Stands at -y and looks along +y: right is +x, behind is +y."""


def scene_of(
    *things: tuple[Model, tuple[float, float, float]],
    kind: str = "tabletop",
    contacts: tuple[tuple[int, int], ...] = (),
    open_below: dict[int, float] | None = None,
) -> Scene:
    """A scene of upright models at given spots, nothing turned."""
    models = [model for model, _ in things]
    poses = np.stack([model_pose(spot, 0.0) for _, spot in things])
    drawables = [
        Drawable(part, pose, k + 1)
        for k, (model, pose) in enumerate(zip(models, poses, strict=True))
        for part in model.parts
    ]
    centre = np.array([0.0, 0.0, 0.7])
    return Scene(
        kind, models, poses, frozenset(contacts), drawables, centre, 1.0, 0.0, open_below or {}
    )


def relations_of(scene: Scene, camera: Camera = FROM_THE_FRONT) -> set[tuple[int, str, int]]:
    return set(truth.derive_relations(scene, camera, list(range(len(scene.models))))[0])


@pytest.fixture
def table(box_model: BoxModel) -> tuple[Model, tuple[float, float, float]]:
    return box_model("table", (1.2, 0.8, 0.7), role="support"), (0.0, 0.0, 0.0)


def test_side_by_side_on_a_table_is_left_and_right(
    box_model: BoxModel, table: tuple[Model, tuple[float, float, float]]
) -> None:
    mug = box_model("mug", (0.1, 0.1, 0.1))
    scene = scene_of(table, (mug, (-0.1, 0, 0.7)), (mug, (0.1, 0, 0.7)), contacts=((1, 0), (2, 0)))
    assert relations_of(scene) == {
        (1, "on", 0),
        (2, "on", 0),
        (1, "to the left of", 2),
        (2, "to the right of", 1),
    }


def test_the_camera_decides_what_is_left(
    box_model: BoxModel, table: tuple[Model, tuple[float, float, float]]
) -> None:
    mug = box_model("mug", (0.1, 0.1, 0.1))
    scene = scene_of(table, (mug, (-0.1, 0, 0.7)), (mug, (0.1, 0, 0.7)), contacts=((1, 0), (2, 0)))
    from_behind = Camera.looking_at(K, np.array([0.0, 2.0, 1.0]), np.array([0.0, 0.0, 0.7]))
    from_the_left = Camera.looking_at(K, np.array([-2.0, 0.0, 1.0]), np.array([0.0, 0.0, 0.7]))
    assert (1, "to the right of", 2) in relations_of(scene, from_behind)
    assert (1, "in front of", 2) in relations_of(scene, from_the_left)


@pytest.mark.parametrize(
    ("apart_m", "expected", "is_ambiguous"),
    [
        ((0.05, 0.05), "next to", False),  # in the dead band, and they touch
        ((0.17, 0.17), None, True),  # diagonal, corners 0.099 m apart: nothing to say
        ((0.17, 0.10), "to the left of", False),  # 1.7 times as far across as along
        ((0.45, 0.0), None, False),  # 0.35 m between them: out of reach
        ((0.0, 0.2), "in front of", False),
    ],
)
def test_pairs_by_offset(
    box_model: BoxModel,
    table: tuple[Model, tuple[float, float, float]],
    apart_m: tuple[float, float],
    expected: str | None,
    is_ambiguous: bool,
) -> None:
    mug = box_model("mug", (0.1, 0.1, 0.1))
    scene = scene_of(table, (mug, (0, 0, 0.7)), (mug, (*apart_m, 0.7)), contacts=((1, 0), (2, 0)))
    relations, ambiguous = truth.derive_relations(scene, FROM_THE_FRONT, [0, 1, 2])
    assert [p for s, p, o in relations if (s, o) == (1, 2)] == ([expected] if expected else [])
    assert ((1, 2) in ambiguous) == is_ambiguous


def test_in_a_container_overrides_on(
    box_model: BoxModel, table: tuple[Model, tuple[float, float, float]]
) -> None:
    bowl = box_model("bowl", (0.3, 0.3, 0.1), holds="container")
    apple = box_model("apple", (0.08, 0.08, 0.08))
    scene = scene_of(
        table,
        (bowl, (0, 0, 0.7)),
        (apple, (0.05, 0, 0.72)),  # bottom 2 cm up, below 0.7 of the rim
        (apple, (0.0, 0, 0.80)),  # on the rim: not in
        contacts=((1, 0), (2, 1), (3, 1)),
    )
    held = relations_of(scene)
    assert (2, "in", 1) in held
    assert (3, "on", 1) in held
    assert (2, "on", 1) not in held


def test_a_stool_below_a_table_is_under_it(box_model: BoxModel) -> None:
    table = box_model("table", (1.2, 0.8, 0.7), role="support")
    stool = box_model("stool", (0.3, 0.3, 0.45), role="furniture")
    tall = box_model("chair", (0.3, 0.3, 0.9), role="furniture")
    scene = scene_of(
        (table, (0, 0, 0)),
        (stool, (0.3, 0, 0)),
        (tall, (-0.3, 0, 0)),  # higher than the top
        (stool, (0.7, 0, 0)),  # a sixth of it below the top
        kind="room",
        open_below={0: 0.7},
    )
    under = {r for r in relations_of(scene) if r[1] == "under"}
    assert under == {(1, "under", 0)}


def test_furniture_is_compared_over_longer_distances(box_model: BoxModel) -> None:
    sofa = box_model("sofa", (2.0, 0.9, 0.8), role="furniture")
    plant = box_model("house plant", (0.5, 0.5, 1.0), role="furniture")
    near = scene_of((sofa, (0, 0, 0)), (plant, (1.9, 0, 0)), kind="room")
    far = scene_of((sofa, (0, 0, 0)), (plant, (2.2, 0, 0)), kind="room")
    # the plant is 2.5 times the unit of 0.2 m: reach 0.75 m; the gaps are 0.65 and 0.95 m
    assert (1, "to the right of", 0) in relations_of(near)
    assert relations_of(far) == set()


def test_things_on_different_furniture_are_not_compared(box_model: BoxModel) -> None:
    cabinet = box_model("cabinet", (0.5, 0.5, 0.7), role="furniture")
    mug = box_model("mug", (0.1, 0.1, 0.1))
    scene = scene_of(
        (cabinet, (0, 0, 0)),
        (cabinet, (0.55, 0, 0)),
        (mug, (0.15, 0, 0.7)),
        (mug, (0.40, 0, 0.7)),
        kind="room",
        contacts=((2, 0), (3, 1)),
    )
    held = relations_of(scene)
    assert (0, "to the left of", 1) in held
    assert not {r for r in held if {r[0], r[2]} == {2, 3}}
    assert {(2, "on", 0), (3, "on", 1)} <= held


@pytest.mark.parametrize(
    ("visible_px", "box_px", "visibility", "in_view", "expected"),
    [
        (400, (0, 0, 20, 20), 0.9, 1.0, True),
        (400, (0, 0, 20, 20), 0.25, 1.0, False),  # three quarters hidden
        (400, (0, 0, 20, 20), 1.0, 0.2, False),  # cut off by the border
        (90, (0, 0, 10, 10), 1.0, 1.0, False),  # under 0.12 % of 320x240
        (200, (0, 0, 80, 5), 1.0, 1.0, False),  # thin and small
        (240, (0, 0, 80, 5), 1.0, 1.0, True),  # thin, but over 0.3 %
        (6200, (0, 0, 80, 80), 0.1, 0.1, True),  # 8 % of the image says enough
    ],
)
def test_what_is_asked_for(
    visible_px: int,
    box_px: tuple[int, int, int, int],
    visibility: float,
    in_view: float,
    expected: bool,
) -> None:
    assert truth.is_asked_for(visible_px, box_px, visibility, in_view, 320, 240) == expected


@pytest.fixture(scope="module")
def light() -> Light:
    return Light(
        np.array([0.3, -0.5, 1.0]),
        np.ones(3),
        np.array([0, -1.0, 0.2]),
        np.ones(3) * 0.2,
        0.5,
        0.8,
        np.ones((8, 16, 3), np.float32),
    )


def seen_truth(scene: Scene, camera: Camera, light: Light) -> truth.Truth:
    pytest.importorskip("moderngl")
    from spacesgg_ros.training.scenes.renderer import Renderer

    renderer = Renderer(160, 120)
    _, depth, ids, _ = renderer.render(scene.drawables, camera, light, scene.centre, 1.0)

    def whole(instance: int) -> tuple[int, int]:
        drawables = [d for d in scene.drawables if d.instance == instance]
        return renderer.amodal_pixels(drawables, camera)

    return truth.derive_truth(scene, camera, depth, ids, whole)


def test_visibility_counts_what_another_hides(box_model: BoxModel, light: Light) -> None:
    camera = Camera.looking_at(K, np.array([0.0, -2.0, 0.2]), np.array([0.0, 0.0, 0.2]))
    # the screen, at 1.45 m, hides the half of the cube's face (at 1.8 m) right of the middle
    cube, screen = box_model("cube", (0.4, 0.4, 0.4)), box_model("screen", (0.4, 0.1, 0.6))
    scene = scene_of((cube, (0, 0, 0)), (screen, (0.2, -0.5, -0.1)), kind="room")
    seen = {o.label: o for o in seen_truth(scene, camera, light).objects}
    assert seen["cube"].visibility == pytest.approx(0.5, abs=0.03)
    assert seen["screen"].visibility == 1.0
    x0, _, x1, _ = seen["cube"].amodal_box_px
    assert 22 <= x1 - x0 <= 25  # 0.4 m / 1.8 m * 100 px, rounded outwards


def test_what_the_border_cuts_off_is_not_in_view(box_model: BoxModel, light: Light) -> None:
    camera = Camera.looking_at(K, np.array([0.0, -2.0, 0.2]), np.array([0.0, 0.0, 0.2]))
    # the image's right border, 80 px from the middle, is at x = 0.8 * 1.99 m = 1.592 m
    board = box_model("board", (0.4, 0.02, 0.4))
    seen = seen_truth(scene_of((board, (1.592, 0, 0)), kind="room"), camera, light).objects[0]
    assert seen.in_view == pytest.approx(0.5, abs=0.05)
    assert seen.visibility == 1.0
    told = seen_truth(scene_of((board, (1.732, 0, 0)), kind="room"), camera, light)
    assert told.objects == ()  # 0.06 m of 0.4 m is left
    assert [(o.index, o.label) for o in told.ignored] == [(0, "board")]
