import numpy as np
import pytest

from spacesgg_ros.graph import (
    Extent3D,
    GraphError,
    Intrinsics,
    fit_support_plane,
    ground_axes,
    lift_boxes,
    transform_extent,
)

CAMERA = Intrinsics(500.0, 500.0, 319.5, 239.5, 640, 480)


def wall(distance: float = 2.0) -> np.ndarray:
    return np.full((480, 640), distance, np.float32)


def lift_box(depth_m, box, camera, others=(), **options):
    return lift_boxes(depth_m, [box, *others], camera, **options)[0]


def extent(position=(0.0, 0.0, 1.0), size=(1.0, 1.0, 1.0)) -> Extent3D:
    return Extent3D(position, size, 0.9, 1.0, 1.1, 0.01, 100)


def errors(random_scene, scenes, **options):
    """Position errors of every object seen whole, metres."""
    found = []
    for n in scenes:
        _, scene = random_scene(n)
        plane = fit_support_plane(scene.depth_m, scene.camera)
        for box, centre in zip(scene.boxes, scene.centres, strict=True):
            if box is None or box[0] == 0 or box[1] == 0 or box[2] == 640 or box[3] == 480:
                continue
            lifted = lift_box(scene.depth_m, box, scene.camera, plane=plane, **options)
            found.append(np.linalg.norm(np.subtract(lifted.position, centre)))
    return np.array(found)


def test_centres_on_noisy_scenes_are_within_a_centimetre_in_the_median(random_scene):
    found = errors(random_scene, range(12))
    assert len(found) > 40
    assert np.median(found) < 0.010
    assert np.quantile(found, 0.9) < 0.03


def test_the_foreground_is_told_from_the_wall_behind():
    depth = wall()
    depth[200:280, 280:360] = 1.0
    lifted = lift_box(depth, (260, 180, 380, 300), CAMERA)
    assert lifted.depth_median_m == pytest.approx(1.0)
    assert lifted.depth_max_m == pytest.approx(1.0)
    assert lifted.spread_m == 0
    assert lifted.valid_px == pytest.approx(80 * 80, rel=0.15)
    assert lifted.position[:2] == pytest.approx((0, 0), abs=0.005)


def test_boxes_lifted_together_are_as_each_alone():
    depth = wall()
    depth[100:180, 100:180] = 1.0
    depth[300:420, 400:440] = 1.3
    boxes = [(90, 90, 190, 190), (9, np.nan, 9, 9), (390, 290, 450, 430), (10, 10, 12, 12)]
    square, lost, post, small = lift_boxes(depth, boxes, CAMERA)
    assert lost is small is None
    for together, box in ((square, boxes[0]), (post, boxes[2])):
        alone = lift_box(depth, box, CAMERA)
        np.testing.assert_allclose(together.position, alone.position, atol=1e-9)
        np.testing.assert_allclose(together.size, alone.size, atol=1e-9)
        assert together.valid_px == alone.valid_px


def test_an_occluder_at_the_edge_of_the_box_is_left_out():
    depth = wall(1.5)
    depth[200:280, 250:275] = 0.6
    assert lift_box(depth, (250, 200, 350, 280), CAMERA).depth_median_m == pytest.approx(1.5)


def test_the_table_is_cut_off_the_object(render_scene, solid):
    scene = render_scene([solid("cylinder", (0.08, 0.08, 0.12), (0, 0, 0.06))], elevation=0.8)
    x0, y0, x1, y1 = scene.boxes[0]
    loose = (x0 - 15, y0 - 15, x1 + 15, y1 + 15)
    plane = fit_support_plane(scene.depth_m, scene.camera)
    lifted = lift_box(scene.depth_m, loose, scene.camera, plane=plane)
    assert np.linalg.norm(np.subtract(lifted.position, scene.centres[0])) < 0.012
    assert lifted.ground.height[1] - lifted.ground.height[0] == pytest.approx(0.12, abs=0.01)


def test_a_flat_thing_on_the_table_is_not_cut_away(render_scene, solid):
    scene = render_scene([solid("box", (0.2, 0.15, 0.004), (0, 0, 0.002))])
    plane = fit_support_plane(scene.depth_m, scene.camera)
    lifted = lift_box(scene.depth_m, scene.boxes[0], scene.camera, plane=plane)
    assert np.linalg.norm(np.subtract(lifted.position, scene.centres[0])) < 0.015


def test_what_lies_in_another_box_is_not_the_objects(render_scene, solid):
    book = solid("box", (0.24, 0.24, 0.02), (0, 0, 0.01))
    can = solid("cylinder", (0.07, 0.07, 0.12), (-0.14, 0, 0.06))
    scene = render_scene([book, can], elevation=0.5)
    plane = fit_support_plane(scene.depth_m, scene.camera)
    told = lift_box(
        scene.depth_m, scene.boxes[0], scene.camera, plane=plane, others=scene.boxes[1:]
    )
    assert told.ground.height[1] - told.ground.height[0] == pytest.approx(0.02, abs=0.01)


def test_what_stands_on_another_object_is_lifted_off_it(render_scene, solid):
    carrier = solid("box", (0.22, 0.22, 0.10), (0, 0, 0.05))
    cup = solid("cylinder", (0.07, 0.07, 0.09), (0, 0, 0.145))
    scene = render_scene([carrier, cup], elevation=0.6)
    plane = fit_support_plane(scene.depth_m, scene.camera)
    lifted = lift_box(scene.depth_m, scene.boxes[1], scene.camera, plane=plane)
    assert np.linalg.norm(np.subtract(lifted.position, scene.centres[1])) < 0.012
    assert lifted.ground.height[0] == pytest.approx(0.10 - plane.offset, abs=0.01)


def test_what_stands_behind_an_occluder_still_stands_on_the_plane(render_scene, solid):
    front = solid("box", (0.22, 0.06, 0.08), (0, -0.14, 0.04))
    can = solid("cylinder", (0.07, 0.07, 0.16), (0, 0.08, 0.08))
    scene = render_scene([front, can], elevation=0.3)
    plane = fit_support_plane(scene.depth_m, scene.camera)
    lifted = lift_box(scene.depth_m, scene.boxes[1], scene.camera, plane=plane)
    assert lifted.ground.height[0] == pytest.approx(-plane.offset, abs=0.005)


def test_what_the_image_cuts_off_is_as_wide_as_deep(render_scene, solid):
    scene = render_scene([solid("box", (0.2, 0.2, 0.1), (0, 0, 0.05))], elevation=0.6)
    x0, y0, x1, y1 = scene.boxes[0]
    # The same view cropped from the left through the box's middle.
    left = int(0.5 * (x0 + x1))
    camera = Intrinsics(
        CAMERA.fx, CAMERA.fy, scene.camera.cx - left, scene.camera.cy, 640 - left, 480
    )
    plane = fit_support_plane(scene.depth_m, scene.camera)
    lifted = lift_box(scene.depth_m[:, left:], (0, y0, x1 - left, y1), camera, plane=plane)
    assert lifted.size[0] == pytest.approx(0.2, abs=0.03)
    assert np.linalg.norm(np.subtract(lifted.position, scene.centres[0])) < 0.03


def test_the_table_is_its_own_plane(render_scene, solid):
    scene = render_scene([solid("box", (0.1, 0.1, 0.2), (0, 0, 0.1))], elevation=0.7)
    plane = fit_support_plane(scene.depth_m, scene.camera, regions=scene.boxes)
    table = lift_box(scene.depth_m, (0, 60, 640, 480), scene.camera, plane=plane)
    assert table.ground.height[1] == pytest.approx(-plane.offset, abs=0.01)


def test_the_table_is_preferred_to_the_wider_floor():
    # A floor 1.5 m below a level camera fills more of the image than the table 0.5 m below.
    rows = np.arange(480, dtype=np.float64)[:, None] * np.ones((1, 640))
    slope = np.maximum(rows - CAMERA.cy, 1e-6) / CAMERA.fy
    depth = np.where(slope > 0.15, 1.5 / slope, np.nan)
    depth[380:, 250:390] = (0.5 / slope)[380:, 250:390]
    depth = np.where(depth < 10, depth, np.nan).astype(np.float32)
    box = (280, 400, 360, 470)
    assert fit_support_plane(depth, CAMERA).offset == pytest.approx(1.5, abs=0.02)
    assert fit_support_plane(depth, CAMERA, regions=[box]).offset == pytest.approx(0.5, abs=0.02)


@pytest.mark.parametrize("up", [(0, 0, -1), (0, -1, 0), (1, 0, 0)])
def test_any_up_gives_finite_numbers(up):
    lifted = lift_box(wall(1.0), (300, 220, 339, 259), CAMERA, up=up)
    assert np.isfinite([*lifted.position, *lifted.size]).all()
    assert lifted.position[2] == pytest.approx(1.0, abs=0.06)


@pytest.mark.parametrize("factor", [2, 4])
def test_depth_at_another_resolution_gives_the_same_place(random_scene, factor):
    _, scene = random_scene(3)
    box = next(b for b in scene.boxes if b is not None)
    plane = fit_support_plane(scene.depth_m, scene.camera)
    full = lift_box(scene.depth_m, box, scene.camera, plane=plane)
    small = lift_box(scene.depth_m[::factor, ::factor], box, scene.camera, plane=plane)
    np.testing.assert_allclose(small.position, full.position, atol=0.02)


def test_depth_of_another_aspect_ratio_is_refused():
    with pytest.raises(GraphError, match="align_depth"):
        lift_box(np.ones((480, 480), np.float32), (0, 0, 9, 9), CAMERA)


@pytest.mark.parametrize(
    "box",
    [
        pytest.param((700, 0, 800, 100), id="outside"),
        pytest.param((10, 10, 10, 50), id="no width"),
        pytest.param((10, 50, 60, 10), id="inverted"),
        pytest.param((10, 10, 12, 12), id="few pixels"),
        pytest.param((10, np.nan, np.inf, 12), id="not finite"),
    ],
)
def test_a_box_without_pixels_has_no_extent(box):
    assert lift_box(wall(), box, CAMERA) is None


def test_a_box_without_readings_has_no_extent():
    assert lift_box(np.full((480, 640), np.nan, np.float32), (100, 100, 200, 200), CAMERA) is None


def test_the_support_plane_is_found_before_the_wall(render_scene):
    scene = render_scene([], elevation=0.4)
    plane = fit_support_plane(scene.depth_m, scene.camera)
    assert np.dot(plane.normal, scene.up) > 0.9995
    assert plane.offset == pytest.approx(np.sin(0.4), abs=0.01)
    again = fit_support_plane(scene.depth_m, scene.camera, previous=plane)
    assert np.dot(again.normal, scene.up) > 0.9995


@pytest.mark.parametrize("depth", [wall(), np.full((480, 640), np.nan, np.float32)])
def test_a_wall_or_nothing_is_no_support(depth):
    assert fit_support_plane(depth, CAMERA) is None


def test_ground_axes_of_a_level_and_a_tilted_camera():
    np.testing.assert_allclose(ground_axes((0, -1, 0)), ground_axes(None), atol=1e-12)
    tilted = ground_axes((0, -np.cos(0.5), -np.sin(0.5)))
    np.testing.assert_allclose(tilted @ tilted.T, np.eye(3), atol=1e-12)
    np.testing.assert_allclose(tilted[0], [1, 0, 0], atol=1e-12)
    np.testing.assert_allclose(ground_axes((0, 0, -1))[1], [0, -1, 0], atol=1e-12)


@pytest.mark.parametrize("up", [(0, 0, 0), (np.nan, 0, 1)])
def test_a_direction_without_length_is_refused(up):
    with pytest.raises(GraphError, match="'up'"):
        ground_axes(up)


def yaw(angle: float) -> np.ndarray:
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]])


def test_a_cube_turned_by_45_degrees_grows_to_its_diagonal():
    turned = transform_extent(extent(), yaw(np.pi / 4), np.array([1.0, 2.0, 3.0]))
    np.testing.assert_allclose(turned.size, [np.sqrt(2), 1, np.sqrt(2)], atol=1e-9)
    np.testing.assert_allclose(turned.position, yaw(np.pi / 4) @ [0, 0, 1] + [1, 2, 3])


def test_a_quarter_turn_swaps_the_sizes():
    turned = transform_extent(extent(size=(1.0, 2.0, 3.0)), yaw(np.pi / 2), np.zeros(3))
    np.testing.assert_allclose(turned.size, [3, 2, 1], atol=1e-9)


@pytest.mark.parametrize("rotation", [np.eye(2), 2 * np.eye(3), np.full((3, 3), np.nan)])
def test_what_is_no_rotation_is_refused(rotation):
    with pytest.raises(GraphError):
        transform_extent(extent(), rotation, np.zeros(3))
