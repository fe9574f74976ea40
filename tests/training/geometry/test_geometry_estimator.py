"""Depth from one picture: what is stored, what is said of it, and real loading code."""

from __future__ import annotations

import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from spacesgg_ros.training.data.geometry.depth_reading import decode_stored, to_distance
from spacesgg_ros.training.data.geometry.errors import GeometryError
from spacesgg_ros.training.data.geometry.estimator import (
    EstimateStage,
    PictureHeightStub,
    encode_depth,
    kind_of_model,
    load_estimator,
    make_estimate_stage,
    safe_name,
)
from spacesgg_ros.training.data.geometry.measure import measure_image
from spacesgg_ros.training.data.grounded import DepthFile, GroundedImage
from spacesgg_ros.training.data.rejected import Rejected


def read_back(depth: np.ndarray, kind: str) -> np.ndarray:
    data, scale = encode_depth(depth, kind)
    return to_distance(decode_stored(data, "a.png"), DepthFile("a.png", kind, scale))


@pytest.mark.parametrize("far", [10.0, 99.0])
def test_metric_estimates_keep_their_metres(far):
    depth = np.array([[0.5, 1.2345, far, -1.0, np.nan]], np.float32)

    stored = read_back(depth, "metric")

    step = max(0.001, far / 65535)
    np.testing.assert_allclose(stored[0, :3], depth[0, :3], atol=0.51 * step)
    assert np.isnan(stored[0, 3:]).all()


def test_sky_of_no_disparity_is_far_not_missing():
    disparity = np.array([[1.0, 0.5, 0.0, -0.1]], np.float32)

    distance = read_back(disparity, "inverse")

    np.testing.assert_allclose(distance[0], [1, 2, 100, 100], rtol=3e-3)


def test_relative_estimates_keep_their_order():
    distance = read_back(np.array([[0.0, 3.0, 7.0]]), "relative")

    assert (np.diff(distance[0]) > 0).all()


@pytest.mark.parametrize("depth", [np.zeros((2, 2)), np.full((2, 2), np.nan), -np.ones((2, 2))])
def test_an_estimate_of_nothing_is_refused(depth):
    with pytest.raises(GeometryError, match="no positive value"):
        encode_depth(depth, "inverse")


def test_the_stub_says_everywhere_that_it_is_one(world):
    image = world.image([("mug", (10, 70, 40, 110), 1.0), ("tv", (60, 10, 90, 40), 1.0)])
    stage = EstimateStage(world.root, "set.depth", PictureHeightStub())

    (record,) = stage([replace(image, depth=None).to_dict()])

    estimated = GroundedImage.from_dict(record)
    assert estimated.depth.path == "set.depth/one.png" and estimated.depth.kind == "inverse"
    measured = measure_image(estimated, world.root)
    assert measured.layers == ((0,), (1,))  # lower in the picture, so nearer
    assert "no depth model" in measured.provenance["estimate"]


def test_depth_of_a_sensor_is_kept(world):
    record = world.image([]).to_dict()

    assert EstimateStage(world.root, "d", PictureHeightStub())([record]) == [record]
    (again,) = EstimateStage(world.root, "d", PictureHeightStub(), again=True)([record])
    assert again["depth"]["path"] == "d/one.png"


def test_the_stage_says_which_pictures_it_could_not_use(world):
    image = replace(world.image([]), depth=None)
    batch = [replace(image, id="a", image="gone.png").to_dict(), {"id": "b"}, image.to_dict()]

    out = EstimateStage(world.root, "d", PictureHeightStub())(batch)

    assert [o.reason for o in out[:2] if isinstance(o, Rejected)] == [
        "no usable picture",
        "not a grounded image",
    ]
    assert out[2]["depth"]["path"] == "d/one.png"


def test_the_stage_travels_to_a_worker(world):
    stage = make_estimate_stage(world.root, "d", "stub")

    assert pickle.loads(pickle.dumps(stage)).folder == "d"


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ({"model_type": "depth_anything", "depth_estimation_type": "relative"}, "inverse"),
        ({"model_type": "depth_anything", "depth_estimation_type": "metric"}, "metric"),
        ({"model_type": "zoedepth"}, "metric"),
        ({"model_type": "depth_pro"}, "metric"),
        ({"model_type": "dpt"}, "inverse"),
    ],
)
def test_the_kind_follows_from_the_models_configuration(values, kind):
    config = type("Config", (), values)()

    assert kind_of_model(config) == kind


def test_ids_become_file_names_of_their_own():
    assert safe_name("train-000001-2") == "train-000001-2"
    names = {safe_name(key) for key in ("a/b", "a_b", "a:b", "../a", "ä", "x" * 200)}
    assert len(names) == 6 and not any("/" in name or name.startswith(".") for name in names)


def tiny_model(folder: Path, kind: str) -> str:
    """A Depth Anything model folder of a few thousand random weights."""
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    torch.manual_seed(0)
    backbone = transformers.Dinov2Config(
        image_size=56,
        patch_size=14,
        hidden_size=16,
        num_hidden_layers=4,
        num_attention_heads=2,
        mlp_ratio=2,
        out_indices=[1, 2, 3, 4],
        reshape_hidden_states=False,
        apply_layernorm=True,
    )
    config = transformers.DepthAnythingConfig(
        backbone_config=backbone,
        patch_size=14,
        reassemble_hidden_size=16,
        neck_hidden_sizes=[8, 8, 8, 8],
        fusion_hidden_size=8,
        head_hidden_size=4,
        depth_estimation_type=kind,
        max_depth=20 if kind == "metric" else 1,
    )
    transformers.DepthAnythingForDepthEstimation(config).save_pretrained(folder)
    transformers.DPTImageProcessor(
        size={"height": 56, "width": 56}, ensure_multiple_of=14, keep_aspect_ratio=True
    ).save_pretrained(folder)
    return str(folder)


@pytest.mark.parametrize(("stated", "kind"), [("relative", "inverse"), ("metric", "metric")])
def test_a_transformers_model_estimates_every_picture_at_its_size(tmp_path, stated, kind):
    estimator = load_estimator(tiny_model(tmp_path / "tiny", stated))
    rng = np.random.default_rng(0)
    shapes = [(60, 80, 3), (48, 48, 3), (60, 80, 3)]
    pictures = [rng.integers(0, 256, shape, dtype=np.uint8) for shape in shapes]

    depths = estimator.estimate(pictures)

    assert estimator.kind == kind and estimator.name == "transformers: tiny"
    assert [d.shape for d in depths] == [shape[:2] for shape in shapes]
    assert all(d.dtype == np.float32 and np.isfinite(d).all() for d in depths)
    # A picture's depth does not depend on what it was batched with.
    np.testing.assert_allclose(depths[2], estimator.estimate([pictures[2]])[0], atol=1e-5)


def test_a_model_folder_goes_through_the_stage_to_layers(world, tmp_path):
    image = world.image([("mug", (10, 70, 40, 110), 1.0), ("tv", (60, 10, 90, 40), 1.0)])
    spec = tiny_model(tmp_path / "tiny", "metric")

    (record,) = make_estimate_stage(world.root, "d", spec)([replace(image, depth=None).to_dict()])

    measured = measure_image(GroundedImage.from_dict(record), world.root)
    assert measured.provenance["estimate"] == "transformers: tiny"
    assert sorted(i for layer in measured.layers for i in layer) == [0, 1]


def test_a_stated_kind_overrules(tmp_path):
    spec = tiny_model(tmp_path / "tiny", "relative")

    assert load_estimator(spec, kind="metric").kind == "metric"
    with pytest.raises(GeometryError, match="metric, relative, inverse; got 'meters'"):
        load_estimator(spec, kind="meters")


def test_a_model_that_is_not_here_is_not_downloaded(tmp_path):
    pytest.importorskip("transformers")
    (tmp_path / "empty").mkdir()

    for spec in (str(tmp_path / "empty"), "someone/no-such-depth-model"):
        with pytest.raises(GeometryError, match="give a folder, or a hub id that is in the local"):
            load_estimator(spec)
