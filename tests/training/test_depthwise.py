"""The fast depthwise passes give what PyTorch's convolution gives."""

from __future__ import annotations

import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")

import torch
from torch import nn
from torch.nn import functional

from spacesgg_ros.training.model import depthwise
from spacesgg_ros.vlm.tower import SpaceSGGTower, SpaceSGGTowerConfig

SHAPES = [  # channels, kernel, stride, rows, columns
    pytest.param(16, 3, 1, 6, 5, id="one block"),
    pytest.param(40, 5, 1, 7, 9, id="channels left over"),
    pytest.param(32, 3, 2, 8, 6, id="stride 2, padded behind"),
    pytest.param(24, 5, 2, 8, 4, id="stride 2, padded on both sides"),
    pytest.param(3, 5, 1, 2, 2, id="kernel larger than the picture"),
]

needs_compiler = pytest.mark.skipif(depthwise.load_library() is None, reason="no C++ compiler here")


def _same_conv(x: torch.Tensor, conv: nn.Conv2d) -> torch.Tensor:
    """TensorFlow's "same" padding, spelt out."""
    total = conv.kernel_size[0] - conv.stride[0]
    padded = functional.pad(x, (total // 2, total - total // 2) * 2)
    return functional.conv2d(padded, conv.weight, conv.bias, conv.stride, 0, 1, conv.groups)


def _relative_error(a: torch.Tensor, b: torch.Tensor) -> float:
    return float(((a.float() - b.float()).norm() / b.float().norm()).detach())


@needs_compiler
@pytest.mark.parametrize("clamped", [False, True])
@pytest.mark.parametrize(("channels", "kernel", "stride", "rows", "columns"), SHAPES)
def test_values_and_gradients_are_those_of_torch(
    channels: int, kernel: int, stride: int, rows: int, columns: int, clamped: bool
) -> None:
    torch.manual_seed(0)
    conv = nn.Conv2d(channels, channels, kernel, stride, groups=channels)
    x = (4 * torch.randn(3, channels, rows, columns)).bfloat16().requires_grad_()
    wide = x.detach().float().requires_grad_()
    y = depthwise.convolve_depthwise(x, conv, clamped)
    expected = _same_conv(functional.relu6(wide) if clamped else wide, conv)
    expected = functional.relu6(expected) if clamped else expected
    assert y.dtype == torch.bfloat16
    assert _relative_error(y, expected) < 0.01

    # where ReLU6 is at its corner, rounding decides which side is which
    grad = torch.randn_like(expected).bfloat16()
    inside = (expected > 0.05) & (expected < 5.95)
    grad = torch.where(inside, grad, 0) if clamped else grad
    got = torch.autograd.grad(y, [x, conv.weight, conv.bias], grad)
    want = torch.autograd.grad(expected, [wide, conv.weight, conv.bias], grad.float())
    for a, b in zip(got, want, strict=True):
        assert _relative_error(a, b) < 0.01


@needs_compiler
def test_the_tower_says_the_same_sped_up() -> None:
    torch.manual_seed(0)
    config = SpaceSGGTowerConfig(image_size=64, patch_size=16, neck_channels=16, num_classes=3)
    tower = SpaceSGGTower(config).eval()
    pixels = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        before = tower.detect(pixels)
        depthwise.speed_up(tower)
        exact = tower.detect(pixels)
        with torch.autocast("cpu", torch.bfloat16):
            fast = tower.detect(pixels)
    assert torch.allclose(exact.class_logits, before.class_logits, atol=1e-4)
    assert fast.class_logits.dtype == torch.bfloat16
    assert _relative_error(fast.box_sides, before.box_sides) < 0.03


def test_without_a_compiler_torch_does_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(depthwise, "load_library", lambda: None)
    conv = nn.Conv2d(8, 8, 3, padding=1, groups=8)
    x = torch.randn(1, 8, 4, 4)
    assert torch.allclose(depthwise.convolve_depthwise(x, conv), conv(x), atol=1e-6)
    with torch.autocast("cpu", torch.bfloat16):
        y = depthwise.convolve_depthwise(x.bfloat16(), conv)
    assert _relative_error(y, conv(x)) < 0.02
