"""Rendering, physics and ground truth on scenes whose answer is known by hand."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from spacesgg_ros.graph.types import Intrinsics
from spacesgg_ros.training.scenes import assets, dataset, truth
from spacesgg_ros.training.scenes.dataset import SceneSetConfig, add_depth_noise, read_shards

K = Intrinsics(100.0, 100.0, 79.5, 59.5, 160, 120)


def test_splits_never_share_a_scene_seed() -> None:
    draws = {
        (split, i): tuple(SceneSetConfig(split, 1).scene_rng(i).integers(0, 2**62, 2))
        for split in dataset.SPLITS
        for i in range(200)
    }
    assert len(set(draws.values())) == len(draws)


@pytest.mark.parametrize("bad", [{"split": "tset"}, {"split": "train", "frames": 0}])
def test_config_refuses_nonsense(bad: dict) -> None:
    with pytest.raises(ValueError):
        SceneSetConfig(**({"frames": 1} | bad))


@pytest.mark.parametrize(
    ("rightward_m", "forward_m", "expected"),
    [
        (0.2, 0.0, "to the right of"),
        (-0.2, 0.1, "to the left of"),
        (0.05, 0.3, "behind"),
        (0.0, -0.3, "in front of"),
        (0.2, 0.2, None),  # diagonal
        (0.04, 0.0, None),  # dead band
    ],
)
def test_directions_have_a_dead_band(
    rightward_m: float, forward_m: float, expected: str | None
) -> None:
    assert truth.directional_predicate(rightward_m, forward_m) == expected


def test_depth_noise_loses_edges_and_keeps_the_median() -> None:
    depth = np.full((60, 80), 1.0, np.float32)
    depth[:, 40:] = 2.0
    noisy = add_depth_noise(depth, np.random.default_rng(0))
    assert (noisy[:, 39:41] == 0).mean() > 0.6
    inside = noisy[:, :38]
    assert (inside > 0).all()
    assert abs(float(np.median(inside)) - 1.0) < 0.001
    assert 0.001 < float(inside.std()) < 0.004


def test_depth_steps_grow_with_the_range() -> None:
    def steps(distance_m: float) -> np.ndarray:
        flat = np.full((80, 80), distance_m, np.float32)
        read = np.unique(add_depth_noise(flat, np.random.default_rng(1)))
        return np.diff(read[read > 0])

    assert np.median(steps(1.0)) == pytest.approx(0.001, abs=1e-5)
    # disparity steps of 0.001 / m: 0.001 * 4^2 = 16 mm at 4 m
    assert np.median(steps(4.0)) == pytest.approx(0.016, abs=0.001)


def test_glass_and_black_lose_most_of_their_depth() -> None:
    depth = np.full((120, 160), 1.0, np.float32)
    holes = np.zeros(depth.shape, bool)
    holes[:, 80:] = True
    noisy = add_depth_noise(depth, np.random.default_rng(0), holes)
    assert (noisy[:, :80] > 0).all()
    assert 0.72 < (noisy[:, 80:] == 0).mean() < 0.88
    assert (add_depth_noise(depth, np.random.default_rng(0)) > 0).all()


def test_a_dropped_cube_rests_on_the_table_and_another_on_it(
    box_model: Callable[..., assets.Model],
) -> None:
    pytest.importorskip("mujoco")
    from spacesgg_ros.training.scenes.physics import SUPPORT, settle, upright

    cubes = [box_model("cube", (0.1, 0.1, 0.1)), box_model("brick", (0.06, 0.06, 0.04))]
    settled = settle(
        cubes,
        np.ones(2),
        np.array([[0, 0, 0.71], [0.01, 0, 0.83]]),
        np.tile(upright(0.0), (2, 1)),
        0.7,
        (0.5, 0.5),
    )
    assert settled.poses[0, 2, 3] == pytest.approx(0.7, abs=0.002)
    assert settled.poses[1, 2, 3] == pytest.approx(0.8, abs=0.004)
    assert settled.contacts == {(0, SUPPORT), (1, 0)}


def test_rendered_depth_and_ids_are_exact(box_model: Callable[..., assets.Model]) -> None:
    pytest.importorskip("moderngl")
    from spacesgg_ros.training.scenes.renderer import Camera, Drawable, Light, Renderer

    cube = box_model("cube", (0.4, 0.4, 0.4))
    camera = Camera.looking_at(K, np.array([0.0, -2.0, 0.2]), np.array([0.0, 0.0, 0.2]))
    light = Light(
        np.array([0.3, -0.5, 1.0]),
        np.ones(3),
        np.array([0, -1.0, 0.2]),
        np.ones(3) * 0.2,
        0.5,
        0.8,
        np.ones((8, 16, 3), np.float32),
    )
    drawables = [Drawable(part, np.eye(4), 7) for part in cube.parts]
    rgb, depth, ids, _ = Renderer(160, 120).render(drawables, camera, light, np.zeros(3), 1.0)
    columns = np.nonzero(ids == 7)[1]
    # the face at y = -0.2 is 1.8 m away: 0.4 m / 1.8 m * 100 px = 22.2 px wide
    assert 22 <= columns.max() - columns.min() + 1 <= 23
    assert (columns.min() + columns.max()) / 2 == pytest.approx(79.5, abs=0.6)
    assert np.allclose(depth[ids == 7], 1.8, atol=1e-4)
    assert (depth[ids == 0] == 0).all()
    assert rgb[ids == 7].mean() > rgb[ids == 0].mean()


def test_shards_read_back_what_was_written(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "train-00000.tar", "w") as tar:
        for k in range(2):
            for suffix, payload in (("jpg", b"J"), ("json", b'{"key": "f%d"}' % k)):
                info = tarfile.TarInfo(f"f{k}.{suffix}")
                info.size = len(payload)
                tar.addfile(info, io.BytesIO(payload))
    frames = list(read_shards([tmp_path / "train-00000.tar"]))
    assert [(r["key"], p) for r, p in frames] == [("f0", {"jpg": b"J"}), ("f1", {"jpg": b"J"})]


def test_every_labelled_model_has_a_free_licence() -> None:
    import yaml

    labels = yaml.safe_load(assets.LABELS_FILE.read_text())
    libraries = {key.split("/")[0] for entry in labels.values() for key in entry["models"]}
    assert libraries <= set(assets.LICENCES)
    assert all(licence.startswith("CC") for licence in assets.LICENCES.values())


def test_missing_furniture_names_the_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(assets, "LIBRARY_DIR", tmp_path / "nowhere")
    with pytest.raises(assets.AssetError, match="apt-get install sweethome3d-furniture"):
        assets.load_models(tmp_path)
