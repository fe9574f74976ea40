"""Targets and losses of the tower, that it learns, and that its training goes on exactly."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")

import torch

from spacesgg_ros.cli.console import InputError
from spacesgg_ros.training.model import checkpoint, tower_data, tower_training
from spacesgg_ros.vlm.tower import DenseDetections, SpaceSGGTower, SpaceSGGTowerConfig

LABELS = ["apple", "bowl", "mug", "spoon", "table"]
CLASS_IDS = {label: i for i, label in enumerate(LABELS)}
NOTHING = np.zeros((0, 4), np.float32)


def _tower() -> SpaceSGGTower:
    torch.manual_seed(0)
    config = SpaceSGGTowerConfig(
        image_size=64,
        patch_size=16,
        neck_channels=8,
        num_classes=len(LABELS),
        id2label=dict(enumerate(LABELS)),
    )
    return SpaceSGGTower(config)


@pytest.fixture(scope="module")
def tower() -> SpaceSGGTower:
    return _tower()


def test_the_window_holds_the_picture_in_whole_cells() -> None:
    # 320 x 240 in a square of 320: rows 40 to 280; whole 32 px cells around: 32 to 288
    window = tower_data.Window.of(320, 240, 320)
    assert (window.left, window.top, window.right, window.bottom) == (0, 32, 320, 288)
    assert window.slices == (slice(4, 36), slice(0, 40))
    assert tower_data.Window.of(240, 320, 320).slices == (slice(0, 40), slice(4, 36))
    assert tower_data.Window.of(640, 640, 320).slices == (slice(0, 40), slice(0, 40))


def test_boxes_are_in_window_pixels(record: dict) -> None:
    record["ignored"] = [{"label": "mug", "box_px": [0, 0, 20, 20], "index": 9}]
    boxes = tower_data.boxes_of(record, CLASS_IDS, 320)
    assert boxes.boxes[1].tolist() == [40, 128, 80, 188]  # 40 px of padding, 32 px cut away
    assert boxes.ignored.tolist() == [[0, 8, 20, 28]]
    assert tower_data.boxes_of(record, {"mug": 0}, 320).labels.tolist() == [0]


def test_dense_targets_mark_the_centre_and_measure_the_box() -> None:
    boxes = tower_data.Boxes(
        np.array([2]),
        np.array([[16, 8, 48, 40]], np.float32),
        np.array([1.5], np.float32),
        np.array([[0, 0, 8, 8], [32, 16, 40, 24]], np.float32),
    )
    t = tower_data.dense_targets(boxes, 3, (8, 8))
    assert np.argwhere(t.heat == 1).tolist() == [[2, 3, 4]]  # centre (32, 24) px
    # cell (3, 4) has its centre at (36, 28) px: 20, 20 to left and top, 12, 12 to the others
    assert (t.measure[:4, 3, 4] * 8).tolist() == [20, 20, 12, 12]
    assert t.measure[4, 3, 4] == pytest.approx(np.log(1.5))
    assert t.weight.sum() == pytest.approx(1) and t.weight[0, 0] == 0
    assert t.counted[0, 0] == 0  # ignored, and nothing else there
    assert t.counted[3, 4] == 1  # ignored, but an object is taught there
    assert t.counted[7, 7] == 1


def test_detection_loss_is_near_zero_for_the_truth_and_not_elsewhere() -> None:
    heat = torch.zeros(1, 2, 4, 4)
    heat[0, 1, 2, 2] = 1
    measure, weight = torch.ones(1, 5, 4, 4), heat[:, 1]

    def loss(peak_class: int, side: float, counted: float = 1.0) -> float:
        logits = torch.full((1, 2, 4, 4), -9.0)
        logits[0, peak_class, 2, 2] = 9.0
        sides = torch.full((1, 4, 4, 4), side)
        maps = DenseDetections(logits, logits, sides, torch.ones(1, 1, 4, 4))
        where = torch.full((1, 4, 4), counted)
        return float(tower_training.detection_loss(maps, heat, measure, weight, where))

    assert loss(1, 1.0) < 0.01
    assert loss(0, 1.0) > loss(0, 1.0, counted=0.0) > 5
    assert loss(1, 2.0) == pytest.approx(2 * (1 - 4 / 16), abs=0.01)


def test_batches_visit_every_frame_once_an_epoch() -> None:
    epochs = [[tower_training.batch_of(12, 4, 0, step) for step in range(k, k + 3)] for k in (0, 3)]
    for batches in epochs:
        assert sorted(np.concatenate(batches).tolist()) == list(range(12))
    assert not np.array_equal(epochs[0][0], epochs[1][0])


@pytest.fixture
def features(record: dict) -> tower_data.FeatureSet:
    record |= {"width": 64, "height": 64}
    for k, o in enumerate(record["objects"]):
        o["box_px"] = [8 * k, 10, 8 * k + 24, 40]
    maps = np.random.default_rng(0).normal(size=(4, 40, 8, 8)).astype(np.float16)
    return tower_data.FeatureSet([maps], [record] * 4, [(0, i) for i in range(4)])


def test_an_interrupted_training_ends_where_the_whole_one_does(
    features: tower_data.FeatureSet, tmp_path: Path
) -> None:
    recipe = tower_training.TowerRecipe(
        steps=6, batch_size=2, save_every=2, warmup_steps=2, threads=1, evaluate_every=100
    )
    whole = _tower()
    result = tower_training.train_tower(
        whole, features, features, CLASS_IDS, recipe, _folder(tmp_path / "whole")
    )
    assert set(result) == {"recall", "precision", "recall_any_label"}

    class Killed(Exception):
        pass

    def die(step: int) -> None:
        if step == 5:
            raise Killed

    broken = _folder(tmp_path / "broken")
    loss_of_step = tower_training._loss_of_step
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            tower_training, "_loss_of_step", lambda *args: (die(args[-1]), loss_of_step(*args))[1]
        )
        with pytest.raises(Killed):
            tower_training.train_tower(_tower(), features, features, CLASS_IDS, recipe, broken)
    again = _tower()
    tower_training.train_tower(again, features, features, CLASS_IDS, recipe, broken)
    for (name, a), b in zip(whole.state_dict().items(), again.state_dict().values(), strict=True):
        assert torch.equal(a, b), name


def test_a_run_with_other_settings_is_not_gone_on_with(
    features: tower_data.FeatureSet, tmp_path: Path
) -> None:
    recipe = tower_training.TowerRecipe(steps=1, batch_size=2, threads=1)
    run = _folder(tmp_path)
    tower_training.train_tower(_tower(), features, features, CLASS_IDS, recipe, run)
    other = tower_training.TowerRecipe(steps=2, batch_size=2, threads=1)
    with pytest.raises(InputError, match="other settings \\(steps\\)"):
        tower_training.train_tower(_tower(), features, features, CLASS_IDS, other, run)


def test_new_classes_start_beside_the_old_ones(tmp_path: Path) -> None:
    old = _tower()
    torch.save({"tower": old.state_dict()}, _folder(tmp_path) / "tower.pt")
    (tmp_path / "labels.json").write_text(json.dumps(LABELS))
    labels = ["apple", "basketball", "mug"]
    new = SpaceSGGTower(
        SpaceSGGTowerConfig(image_size=64, patch_size=16, neck_channels=8, num_classes=3)
    )
    fresh = new.head.classify.weight[1].clone()
    tower_training.adopt_weights(new, labels, tmp_path)
    assert torch.equal(new.head.classify.weight[2], old.head.classify.weight[2])
    assert torch.equal(new.head.classify.weight[1], fresh)
    assert torch.equal(new.head.measure.weight, old.head.measure.weight)


def test_unknown_settings_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="unknown settings of a tower recipe: minuts"):
        tower_training.run_recipe({"minuts": 3}, tmp_path)


def _folder(path: Path) -> Path:
    path.mkdir(exist_ok=True)
    return path


def test_a_saved_folder_loads_as_plain_llava(tower: SpaceSGGTower, tmp_path: Path) -> None:
    from transformers import AutoProcessor, LlavaForConditionalGeneration

    model, tokenizer = checkpoint.build_llava(tower, LABELS, tmp_path, hidden_size=64, layers=1)
    checkpoint.save_llava(model, tmp_path)
    again = LlavaForConditionalGeneration.from_pretrained(tmp_path, dtype=torch.float32)
    x = torch.randn(1, 3, 64, 64)
    ours = model.eval().half().float().model.vision_tower(x).last_hidden_state
    assert torch.allclose(again.eval().model.vision_tower(x).last_hidden_state, ours)
    assert again.config.text_config.vocab_size == tokenizer.get_vocab_size()
    from PIL import Image

    inputs = AutoProcessor.from_pretrained(tmp_path)(
        images=Image.new("RGB", (40, 30)),
        text="USER: <image>\nWrite the scene graph. ASSISTANT:",
        return_tensors="pt",
    )
    image_tokens = int((inputs["input_ids"] == again.config.image_token_id).sum())
    assert image_tokens == tower.config.num_tokens
    assert inputs["pixel_values"].shape == (1, 3, 64, 64)


def test_a_model_folder_is_a_start(tower: SpaceSGGTower, tmp_path: Path) -> None:
    llava, _ = checkpoint.build_llava(tower, LABELS, tmp_path, hidden_size=64, layers=1)
    checkpoint.save_llava(llava, tmp_path)
    other = _tower()
    with torch.no_grad():
        other.head.classify.bias += 1
    tower_training.adopt_weights(other, LABELS, tmp_path)
    assert torch.allclose(other.head.classify.bias, tower.head.classify.bias, atol=5e-3)  # fp16
    with pytest.raises(InputError, match="holds no tower"):
        tower_training.adopt_weights(other, LABELS, tmp_path / "nowhere")
