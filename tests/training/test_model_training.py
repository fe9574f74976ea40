"""Targets and losses of the training, and that both trainings learn."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")

import torch

from spacesgg_ros.graph import parse_graph
from spacesgg_ros.training.model import checkpoint, llava_training, tower_data, tower_training
from spacesgg_ros.training.model.targets import spatial_questions
from spacesgg_ros.vlm.tower import DenseDetections, SpaceSGGTower, SpaceSGGTowerConfig

LABELS = ["apple", "bowl", "mug", "spoon", "table"]


@pytest.fixture(scope="module")
def tower() -> SpaceSGGTower:
    torch.manual_seed(0)
    config = SpaceSGGTowerConfig(
        image_size=64, patch_size=16, neck_channels=8, num_classes=len(LABELS)
    )
    return SpaceSGGTower(config)


def test_dense_targets_mark_the_centre_and_measure_the_box() -> None:
    boxes = tower_data.Boxes(
        np.array([2]), np.array([[16, 8, 48, 40]], np.float32), np.array([1.5], np.float32)
    )
    heat, measure, weight = tower_data.dense_targets(boxes, 3, 8)
    assert np.argwhere(heat == 1).tolist() == [[2, 3, 4]]  # centre (32, 24) px
    # cell (3, 4) has its centre at (36, 28) px: 20, 20 to left and top, 12, 12 to the others
    assert (measure[:4, 3, 4] * 8).tolist() == [20, 20, 12, 12]
    assert measure[4, 3, 4] == pytest.approx(np.log(1.5))
    assert weight.sum() == pytest.approx(1) and weight[0, 0] == 0


def test_detection_loss_is_near_zero_for_the_truth_and_not_elsewhere() -> None:
    heat = torch.zeros(1, 2, 4, 4)
    heat[0, 1, 2, 2] = 1
    measure, weight = torch.ones(1, 5, 4, 4), heat[:, 1]

    def loss(peak_class: int, side: float) -> float:
        logits = torch.full((1, 2, 4, 4), -9.0)
        logits[0, peak_class, 2, 2] = 9.0
        sides = torch.full((1, 4, 4, 4), side)
        maps = DenseDetections(logits, logits, sides, torch.ones(1, 1, 4, 4))
        return float(tower_training.detection_loss(maps, heat, measure, weight))

    assert loss(1, 1.0) < 0.01
    assert loss(0, 1.0) > 5
    assert loss(1, 2.0) == pytest.approx(2 * (1 - 4 / 16), abs=0.01)


def test_coordinate_loss_prefers_near_misses(tmp_path: Path) -> None:
    from spacesgg_ros.vlm.text_tokenizer import build_tokenizer

    tokenizer = build_tokenizer(["mug"])
    loss = llava_training.CoordinateLoss(tokenizer)

    def cost(said: str, target: str) -> float:
        logits = torch.zeros(1, tokenizer.get_vocab_size())
        logits[0, tokenizer.token_to_id(said)] = 10
        return float(loss(logits, torch.tensor([tokenizer.token_to_id(target)])))

    assert cost("412", "412") < cost("414", "412") < cost("600", "412")
    assert cost("mug", "mug") < 1 < cost("412", "mug")


def test_bucketed_batches_visit_every_frame_once_an_epoch() -> None:
    examples = [llava_training.Example(k, 0, [0] * (1 + k % 7), 0) for k in range(100)]
    batches = llava_training.bucketed_batches(examples, 8, np.random.default_rng(0))
    seen: list[int] = []
    spread = []
    while len(seen) < 100:
        batch = next(batches)
        seen += [e.frame for e in batch]
        lengths = [len(e.ids) for e in batch]
        spread.append(max(lengths) - min(lengths))
    assert sorted(seen) == list(range(100))
    assert max(spread) <= 1


def test_answers_alone_carry_loss_and_a_tiny_llava_learns_its_scene(
    tower: SpaceSGGTower, record: dict, tmp_path: Path
) -> None:
    torch.manual_seed(0)
    model, tokenizer = checkpoint.build_llava(tower, LABELS, tmp_path, hidden_size=64, layers=1)
    texts = llava_training.TextSet.build([record], tokenizer)
    plain = texts.graphs[0]
    learnt = tokenizer.decode(plain.ids[plain.learn_from :], skip_special_tokens=False)
    assert learnt.endswith("</s>")
    assert len(parse_graph(learnt.removesuffix("</s>")).relations) == 4
    answers = {tokenizer.decode(q.ids[q.learn_from :]) for q in texts.questions if not q.mirrored}
    known = {answer for _, answer in spatial_questions(record)}
    assert answers <= known and len(answers) > 2
    tokens = np.random.default_rng(0).normal(size=(1, 2, 16, tower.config.hidden_size))
    loss_of = llava_training.CoordinateLoss(tokenizer)
    optimiser = torch.optim.AdamW(model.parameters(), lr=5e-3)
    costs = []
    for _ in range(25):
        loss = llava_training.batch_loss(model, texts.before, tokens, [plain], loss_of)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        costs.append(loss.item())
    assert costs[-1] < 0.6 * costs[0]


def test_training_runs_both_stages_logs_and_saves(
    tower: SpaceSGGTower, record: dict, tmp_path: Path
) -> None:
    model, tokenizer = checkpoint.build_llava(tower, LABELS, tmp_path, hidden_size=64, layers=1)
    texts = llava_training.TextSet.build([record], tokenizer)
    tokens = np.zeros((1, 2, 16, tower.config.hidden_size), np.float16)
    before = [p.clone() for p in model.model.language_model.parameters()]
    saved: list[bool] = []
    recipe = llava_training.LlavaRecipe(align_minutes=0.01, tune_minutes=0.01, batch_size=2)
    llava_training.train_llava(
        model, tokenizer, tokens, texts, recipe, lambda entry: None, lambda: saved.append(True)
    )
    after = list(model.model.language_model.parameters())
    assert any(not torch.equal(a, b) for a, b in zip(before, after, strict=True))
    assert saved == [True]


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
