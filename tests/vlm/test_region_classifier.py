"""The second look: what is cut out, and what its opinion does to the tower's tokens."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")

import torch

from spacesgg_ros.vlm.backbone import WideFeatures
from spacesgg_ros.vlm.region_classifier import RegionClassifier, crop_boxes
from spacesgg_ros.vlm.tower import DenseDetections, SpaceSGGTower, SpaceSGGTowerConfig

CLASSES = 3


@pytest.fixture
def classifier() -> RegionClassifier:
    torch.manual_seed(0)
    return RegionClassifier(CLASSES, 32).eval()


def test_a_crop_is_a_square_of_one_and_a_fifth_of_the_longer_side() -> None:
    # A picture whose red is x and whose green is y, in parts of a side of 100 px.
    at = (torch.arange(100) + 0.5) / 100
    x, y = at.expand(100, 100), at[:, None].expand(100, 100)
    pixels = torch.stack([x, y, torch.ones(100, 100)])[None]
    crops = crop_boxes(pixels, torch.tensor([[[0.4, 0.3, 0.6, 0.4], [0.3, 0.3, 0.7, 0.7]]]), 8)
    assert crops.shape == (2, 3, 8, 8)
    # centre (0.5, 0.35), side 0.24: the first of 8 pixels has its centre 0.105 before it
    assert crops[0, 0, 3].tolist() == pytest.approx(
        np.linspace(0.5 - 0.105, 0.5 + 0.105, 8).tolist(), abs=1e-5
    )
    assert crops[0, 1, :, 3].tolist() == pytest.approx(
        np.linspace(0.35 - 0.105, 0.35 + 0.105, 8).tolist(), abs=1e-5
    )
    assert crops[1, 0, 0, 0] == pytest.approx(0.5 - 0.21, abs=1e-5)


def test_what_lies_outside_the_picture_has_the_mean_colour() -> None:
    crops = crop_boxes(torch.ones(1, 3, 64, 64), torch.tensor([[[0.0, 0.0, 0.5, 0.5]]]), 12)
    assert crops[0, 0, 0, 6] == 0  # one row of 12 lies above the picture
    assert (crops[0, :, 1:, 1:] == 1).all()


def test_every_picture_of_a_batch_has_its_own_crops() -> None:
    pixels = torch.stack([torch.zeros(3, 64, 64), torch.ones(3, 64, 64)])
    box = torch.tensor([[0.3, 0.3, 0.6, 0.6]]).expand(2, 2, 4)
    assert crop_boxes(pixels, box, 8).mean((1, 2, 3)).tolist() == [0, 0, 1, 1]


def test_a_name_needs_the_head_and_the_crop(classifier: RegionClassifier) -> None:
    scores = torch.tensor([[[0.6, 0.3, 0.001]]])
    sure = torch.tensor([[[0.0, 9.0, 0.0, 0.0]]])
    assert classifier.refine(scores, sure).scores.argmax() == 1
    unsure = torch.zeros(1, 1, CLASSES + 1)
    assert classifier.refine(scores, unsure).scores.argmax() == 0
    # The chance of an object is shared out among the names.
    told = classifier.refine(scores, sure)
    assert told.scores.sum() == pytest.approx(0.6, abs=1e-4)
    assert float(told.certainty) == pytest.approx(0.6, abs=1e-4)


def test_a_crop_of_no_object_lowers_the_scores(classifier: RegionClassifier) -> None:
    classifier.certainty.copy_(torch.tensor([0.0, 1.0, 1.0]))
    scores = torch.tensor([[[0.6, 0.3, 0.001]]])
    nothing = torch.tensor([[[0.0, 0.0, 0.0, 9.0]]])
    assert float(classifier.refine(scores, nothing).certainty) < 0.01


def test_the_likeliest_peaks_are_looked_at_again(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    config = SpaceSGGTowerConfig(
        image_size=64,
        patch_size=16,
        neck_channels=8,
        num_classes=CLASSES,
        num_regions=2,
        region_size=32,
    )
    tower = SpaceSGGTower(config).eval()
    cells = 8
    logits = torch.full((1, CLASSES, cells, cells), -9.0)
    for cell, logit in (((1, 1), 4.0), ((6, 6), 3.0), ((1, 6), 2.0)):
        logits[0, 0, cell[0], cell[1]] = logit
    maps = DenseDetections(
        torch.zeros(1, 8, cells, cells),
        logits,
        torch.ones(1, 4, cells, cells),
        torch.zeros(1, 1, cells, cells),
    )
    looked: list[torch.Tensor] = []

    def name(pixel_values: torch.Tensor, box: torch.Tensor, distance: torch.Tensor) -> torch.Tensor:
        looked.append(box)
        answer = torch.zeros(*box.shape[:2], CLASSES + 1)
        answer[..., 2] = 20.0
        return answer

    monkeypatch.setattr(tower.regions, "forward", name)
    peaks = tower.look_again(torch.zeros(1, 3, 64, 64), tower.peaks(maps))
    centres = ((looked[0][0, :, :2] + looked[0][0, :, 2:]) / 2 * cells - 0.5).round().tolist()
    assert sorted(centres) == [[1, 1], [6, 6]]
    told = {
        tuple(((box[:2] + box[2:]) / 2 * cells - 0.5).round().int().tolist()): int(names.argmax())
        for box, names in zip(peaks.box[0], peaks.scores[0], strict=True)
        if names.max() > 0.25
    }
    assert told == {(1, 1): 2, (6, 6): 2, (6, 1): 0}  # x before y


def test_crops_are_of_whole_cells() -> None:
    with pytest.raises(ValueError, match="region_size must be a multiple of 32"):
        SpaceSGGTowerConfig(region_size=90)


def test_foreign_weights_are_refused() -> None:
    with pytest.raises(ValueError, match="not EfficientNet-lite0"):
        WideFeatures().load_efficientnet_lite0({"a": torch.zeros(1)})
