"""Models that are made up, stretched and recoloured: sound solids, the same every time."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spacesgg_ros.training.scenes.assets import Material, Model
from spacesgg_ros.training.scenes.label_map import read_label_map
from spacesgg_ros.training.scenes.layout import SceneSampler
from spacesgg_ros.training.scenes.lineup import write_lineup
from spacesgg_ros.training.scenes.made_up import MAKERS, shapes
from spacesgg_ros.training.scenes.scene import pick_model
from spacesgg_ros.training.scenes.variants import MADE_UP, STRETCHED, stretch, vary

GREY = Material()
lengths = st.floats(0.01, 3.0)


def _area_vectors(part: shapes.MeshPart) -> tuple[np.ndarray, np.ndarray]:
    corners = part.vertices[part.faces].astype(float)
    cross = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]) / 2
    return corners, cross


def _facing_out(part: shapes.MeshPart, centre: np.ndarray) -> bool:
    return bool((((part.vertices - centre) * part.normals).sum(1) > 0).all())


@given(size=st.tuples(lengths, lengths, lengths), at=st.tuples(lengths, lengths, lengths))
def test_a_box_has_its_size_its_area_and_normals_outwards(
    size: tuple[float, ...], at: tuple[float, ...]
) -> None:
    part = shapes.box(size, at, GREY)
    np.testing.assert_allclose(np.ptp(part.vertices, axis=0), size, rtol=1e-4, atol=1e-6)
    area = np.linalg.norm(_area_vectors(part)[1], axis=1).sum()
    x, y, z = size
    assert area == pytest.approx(2 * (x * y + y * z + z * x), rel=1e-3)
    assert _facing_out(part, np.array(at))


def test_a_turned_profile_is_round_and_its_shading_is_smooth_where_the_profile_is() -> None:
    part = shapes.lathe([(1.0, 0.0), (1.0, 2.0), (0.0, 2.0)], GREY, (3.0, 0.0, 0.0), 64)
    wall = part.vertices[:, 2] < 1.99
    assert np.hypot(part.vertices[wall, 0] - 3.0, part.vertices[wall, 1]) == pytest.approx(1.0)
    area = np.linalg.norm(_area_vectors(part)[1], axis=1).sum()
    assert area == pytest.approx(2 * np.pi * 2 + np.pi, rel=0.01)
    assert {tuple(n) for n in np.abs(part.normals[-65:]).round(6)} == {(0.0, 0.0, 1.0)}


@settings(max_examples=30)
@given(radii=st.tuples(lengths, lengths, lengths), angle=st.floats(-3, 3))
def test_an_ellipsoid_turns_about_its_centre(radii: tuple[float, ...], angle: float) -> None:
    turn = shapes.rotation(0, angle) @ shapes.rotation(2, angle)
    part = shapes.ellipsoid(radii, (1, 2, 3), GREY, turn, rings=8)
    own = (part.vertices - (1, 2, 3)) @ turn / np.array(radii)
    np.testing.assert_allclose(np.linalg.norm(own, axis=1), 1, atol=1e-3)
    assert _facing_out(part, np.array([1, 2, 3]))


def test_a_tube_keeps_its_distance_from_its_line() -> None:
    part = shapes.tube([(0, 0, 0), (0, 0, 1), (0, 0, 2)], 0.1, GREY)
    np.testing.assert_allclose(np.hypot(*part.vertices[:, :2].T), 0.1, atol=1e-6)


def test_rotations_turn_right_handed() -> None:
    np.testing.assert_allclose(shapes.rotation(2, np.pi / 2) @ [1, 0, 0], [0, 1, 0], atol=1e-9)
    np.testing.assert_allclose(shapes.rotation(0, np.pi / 2) @ [0, 1, 0], [0, 0, 1], atol=1e-9)


def test_only_classes_of_the_label_map_are_made_up() -> None:
    assert set(MAKERS) <= {entry.label for entry in read_label_map()}


@pytest.mark.parametrize("label", sorted(MAKERS))
def test_a_made_up_model_is_a_sound_solid(label: str) -> None:
    first = MAKERS[label](np.random.default_rng(0))
    again, other = (MAKERS[label](np.random.default_rng(seed)) for seed in (0, 1))
    assert all(np.array_equal(a.vertices, b.vertices) for a, b in zip(first, again, strict=True))
    volumes = []
    for parts in (first, other):
        points = np.concatenate([part.vertices for part in parts])
        assert np.isfinite(points).all()
        assert points[:, 2].min() > -0.06
        extent = np.ptp(points, axis=0)
        assert extent.min() > 0.005 and extent.max() < 2.5
        volumes.append(extent)
        for part in parts:
            assert part.faces.min() >= 0 and part.faces.max() < len(part.vertices)
            np.testing.assert_allclose(np.linalg.norm(part.normals, axis=1), 1, atol=1e-3)
            assert part.uv.shape == (len(part.vertices), 2)
    assert not np.allclose(*volumes, rtol=0.01)


def test_variants_are_many_the_same_every_time_and_used_as_their_class_is(
    box_model: Callable[..., Model],
) -> None:
    mug = box_model("mug", (0.08, 0.12, 0.11))
    bowl = box_model("bowl", (0.25, 0.2, 0.1), holds="container")
    toaster = box_model("toaster", (0.27, 0.16, 0.17))
    once, again = vary([mug, bowl, toaster]), vary([mug, bowl, toaster])
    assert len(once) == 2 * (MADE_UP + STRETCHED) + STRETCHED
    assert len({v.key for v in once}) == len(once)
    for a, b in zip(once, again, strict=True):
        assert a.key == b.key and np.array_equal(a.vertices(), b.vertices())
        assert a.variant and not a.unseen and a.hulls
        low, high = a.vertices().min(0), a.vertices().max(0)
        np.testing.assert_allclose(high - low, a.size, rtol=1e-4)
        assert low[2] == pytest.approx(0, abs=1e-6)
        assert a.holds == ("container" if a.label == "bowl" else "")


def test_variants_of_a_class_do_not_change_with_the_other_classes(
    box_model: Callable[..., Model],
) -> None:
    mug, toaster = box_model("mug", (0.1, 0.1, 0.1)), box_model("toaster", (0.2, 0.2, 0.2))
    alone = vary([mug])
    assert [v.key for v in vary([toaster, mug])[STRETCHED:]] == [v.key for v in alone]


def test_a_stretched_model_keeps_its_topology_and_its_hulls_follow(
    box_model: Callable[..., Model],
) -> None:
    model = box_model("toaster", (0.2, 0.3, 0.1))
    copy = stretch(model, "copy", np.random.default_rng(zlib.crc32(b"copy")))
    assert np.array_equal(copy.parts[0].faces, model.parts[0].faces)
    assert not np.allclose(copy.size / model.size, copy.size[0] / model.size[0])
    hull = np.concatenate(copy.hulls)
    np.testing.assert_allclose(np.ptp(hull, axis=0), copy.size, rtol=0.02)
    assert model.size == pytest.approx([0.2, 0.3, 0.1])  # the catalogue's is untouched


def test_recolouring_changes_what_has_a_texture_and_what_has_none(
    box_model: Callable[..., Model],
) -> None:
    plain, printed = box_model("a", (0.1, 0.1, 0.1)), box_model("b", (0.1, 0.1, 0.1))
    plain.parts[0].material = Material((0.8, 0.2, 0.1))
    picture = np.full((4, 4, 4), 255, np.uint8)
    picture[..., :3] = (200, 60, 20)
    printed.parts[0].material = Material(texture=picture)
    changed = {"a": 0, "b": 0}
    for seed in range(20):
        for model in (plain, printed):
            material = stretch(model, "x", np.random.default_rng(seed)).parts[0].material
            old = model.parts[0].material
            if material is not old:
                changed[model.label] += 1
                if old.texture is not None:
                    assert material.texture is not None
                    assert not np.array_equal(material.texture, old.texture)
                    assert (material.texture[..., 3] == 255).all()
                else:
                    assert material.diffuse != old.diffuse
    assert 5 < changed["a"] == changed["b"] < 20
    assert tuple(picture[0, 0]) == (200, 60, 20, 255)


def test_without_variants_models_are_drawn_as_ever_and_with_them_every_second_is_one(
    box_model: Callable[..., Model],
) -> None:
    group = [box_model("mug", (0.1, 0.1, 0.1 + 0.01 * k)) for k in range(3)]
    drawn = [pick_model(np.random.default_rng(k), group) for k in range(20)]
    assert drawn == [group[np.random.default_rng(k).integers(3)] for k in range(20)]
    rng = np.random.default_rng(0)
    both = [*group, *vary(group[:1])]
    share = np.mean([pick_model(rng, both).variant for _ in range(2000)])
    assert 0.45 < share < 0.55


def test_a_lineup_has_a_row_a_class_and_says_which_class_has_no_model(
    box_model: Callable[..., Model], tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match="no models of spoon"):
        write_lineup([box_model("mug", (0.1, 0.1, 0.1))], ["mug", "spoon"], tmp_path / "x.jpg")
    pytest.importorskip("moderngl")
    mug, tray = box_model("mug", (0.1, 0.1, 0.1)), box_model("tray", (0.4, 0.3, 0.02))
    write_lineup([mug, tray, *vary([mug])], ["mug", "tray"], tmp_path / "x.jpg")
    picture = cv2.imread(str(tmp_path / "x.jpg"))
    height, width = picture.shape[0] // 2, picture.shape[1] // 12
    shown = [
        [picture[r * height : (r + 1) * height, c * width : (c + 1) * width].max() > 60
         for c in range(12)]
        for r in range(2)
    ]  # fmt: skip
    assert shown == [[True] * 11 + [False], [True] + [False] * 11]


def test_classes_of_many_models_are_drawn_more_often_where_there_are_variants(
    box_model: Callable[..., Model],
) -> None:
    mug, toaster = box_model("mug", (0.08, 0.12, 0.11)), box_model("toaster", (0.27, 0.16, 0.17))
    table = box_model("table", (1.2, 0.8, 0.7), role="support")

    def share_of_mugs(models: list[Model]) -> float:
        sampler = SceneSampler([table, *models])
        rng = np.random.default_rng(0)
        return float(np.mean([sampler.draw_labels(rng, 1) == ["mug"] for _ in range(2000)]))

    assert share_of_mugs([mug, toaster]) == pytest.approx(0.5, abs=0.05)
    roots = np.sqrt([1 + MADE_UP + STRETCHED, 1 + STRETCHED])
    many = share_of_mugs([mug, toaster, *vary([mug, toaster])])
    assert many == pytest.approx(roots[0] / roots.sum(), abs=0.05)
