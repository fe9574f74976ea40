"""The object-token tower: padding, tokens, registration."""

from __future__ import annotations

import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")

import torch

from spacesgg_ros.graph.types import TextGraph, TextObject
from spacesgg_ros.vlm.backbone import Backbone, _SameConv2d
from spacesgg_ros.vlm.proposals import read_proposals, snap_boxes
from spacesgg_ros.vlm.tower import DenseDetections, SpaceSGGTower, SpaceSGGTowerConfig


@pytest.fixture(scope="module")
def tower() -> SpaceSGGTower:
    torch.manual_seed(0)
    config = SpaceSGGTowerConfig(image_size=64, patch_size=16, neck_channels=8, num_classes=3)
    return SpaceSGGTower(config).eval()


def test_same_padding_puts_the_odd_pixel_last() -> None:
    conv = _SameConv2d(1, 1, 3, 2, bias=False)
    torch.nn.init.constant_(conv.weight, 1.0)
    x = torch.zeros(1, 1, 4, 4)
    x[0, 0, 0, 0] = 1
    # TensorFlow pads 0 before and 1 after, so only the first window sees pixel (0, 0)
    assert conv(x)[0, 0].tolist() == [[1, 0], [0, 0]]


def test_tokens_are_the_peaks_near_to_far_with_their_box_and_slot(tower: SpaceSGGTower) -> None:
    cells = 8
    logits = torch.full((1, 3, cells, cells), -9.0)
    logits[0, 1, 2, 5] = 4.0
    logits[0, 2, 6, 1] = 2.0
    sides = torch.ones(1, 4, cells, cells)
    distance = torch.full((1, 1, cells, cells), 0.5)
    distance[0, 0, 2, 5], distance[0, 0, 6, 1] = 0.25, 0.125
    maps = DenseDetections(torch.zeros(1, 8, cells, cells), logits, sides, distance)
    tokens = tower.tokens(tower.peaks(maps))
    assert tokens.shape == (1, tower.config.num_tokens, tower.config.hidden_size)
    scores = tokens[0, :, 16:19] / 4
    box_and_distance = tokens[0, :, 19:24]
    assert scores[0].argmax() == 2 and scores[1].argmax() == 1  # the weaker peak is nearer
    # cell (2, 5): centre (5.5, 2.5), one cell to each side, of 8
    assert box_and_distance[1].tolist() == pytest.approx([4.5 / 8, 1.5 / 8, 6.5 / 8, 3.5 / 8, 0.25])
    assert scores[2:].max() < 0.01
    slots = tokens[0, :, -20:]
    assert slots[:2].argmax(1).tolist() == [0, 1]
    assert slots.sum() == 2  # what is no likely object has no slot
    # The weaker one's centre is (1.5, 6.5).
    proposals = read_proposals(tokens[0].numpy(), tower.config.to_dict())
    assert proposals == [(62, 687, 312, 937), (562, 187, 812, 437)]
    assert read_proposals(tokens[0].numpy(), {"model_type": "clip_vision_model"}) == []


def test_boxes_snap_to_what_the_tower_measured() -> None:
    mug, far = TextObject(("mug",), (60, 690, 320, 930)), TextObject(("cup",), (0, 0, 9, 9))
    snapped = snap_boxes(TextGraph((mug, far)), [(62, 687, 312, 937), (562, 187, 812, 437)])
    assert [o.box for o in snapped.objects] == [(62, 687, 312, 937), (0, 0, 9, 9)]


def test_forward_gives_what_llava_asks_for(tower: SpaceSGGTower) -> None:
    out = tower(torch.zeros(2, 3, 64, 64), output_hidden_states=True)
    assert out.hidden_states[-1] is out.last_hidden_state
    assert out.last_hidden_state.shape == (2, 16, tower.config.hidden_size)
    assert torch.isfinite(out.last_hidden_state).all()


def test_auto_classes_know_the_tower(tower: SpaceSGGTower, tmp_path) -> None:  # type: ignore[no-untyped-def]
    from transformers import AutoModel

    tower.save_pretrained(tmp_path)
    again = AutoModel.from_pretrained(tmp_path).eval()
    x = torch.randn(1, 3, 64, 64)
    assert torch.equal(again(x).last_hidden_state, tower(x).last_hidden_state)


def test_foreign_weights_are_refused(tower: SpaceSGGTower) -> None:
    with pytest.raises(ValueError, match="not EfficientNet-lite0"):
        tower.backbone.load_efficientnet_lite0({"a": torch.zeros(1)})


def test_image_size_must_fit_the_stride() -> None:
    with pytest.raises(ValueError, match="multiple of 32"):
        SpaceSGGTowerConfig(image_size=300)


def test_normalisation_is_folded_into_the_convolutions() -> None:
    """A convolution and its normalisation, as published, equal our convolution with bias."""
    backbone = Backbone().eval()
    generator = torch.Generator().manual_seed(0)
    state: dict[str, torch.Tensor] = {}
    for k, conv in enumerate(m for m in backbone.modules() if isinstance(m, torch.nn.Conv2d)):
        outputs = conv.out_channels
        state[f"{k}.kernel"] = torch.randn(conv.weight.shape, generator=generator) * 0.1
        for name in ("gain", "shift", "mean", "variance"):
            state[f"{k}.{name}"] = torch.rand(outputs, generator=generator) + 0.5
        state[f"{k}.count"] = torch.tensor(1)
    backbone.load_efficientnet_lite0(state)
    x = torch.randn(1, 3, 64, 64, generator=generator)
    first = backbone.stem[0]
    plain = torch.nn.functional.conv2d(
        torch.nn.functional.pad(x, (0, 1, 0, 1)), state["0.kernel"], None, 2
    )
    normalised = torch.nn.functional.batch_norm(
        plain,
        state["0.mean"],
        state["0.variance"],
        state["0.gain"],
        state["0.shift"],
        training=False,
        eps=1e-3,
    )
    assert torch.allclose(first(x), normalised, atol=1e-5)


def test_a_repeated_box_has_no_slot(tower: SpaceSGGTower) -> None:
    cells = 8
    logits = torch.full((1, 3, cells, cells), -9.0)
    logits[0, 1, 2, 2], logits[0, 2, 2, 4], logits[0, 0, 6, 6] = 4.0, 2.0, 2.0
    sides = torch.full((1, 4, cells, cells), 1.0)
    sides[0, :, 2, 2] = torch.tensor([2.0, 2, 3, 2])  # cells 0.5 to 5.5
    sides[0, :, 2, 4] = torch.tensor([4.0, 2, 1, 2])  # the same box seen from its right
    distance = torch.zeros(1, 1, cells, cells)
    maps = DenseDetections(torch.zeros(1, 8, cells, cells), logits, sides, distance)
    tokens = tower.tokens(tower.peaks(maps))
    assert tokens[0, :, -20:].sum() == 2
