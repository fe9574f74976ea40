"""Depthwise convolutions that train fast on a CPU.

A CPU with bfloat16 matrix units (AMX) multiplies dense layers ten times faster in bfloat16 than
in float32, but PyTorch's depthwise convolutions are slow in both: they take most of a training
step of a mobile network. ``depthwise.cpp`` is compiled for the machine on first use; where there
is no compiler or the shape is another one, PyTorch's own convolution does the same, slower.
"""

from __future__ import annotations

import ctypes
import functools
import hashlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from spacesgg_ros.vlm.backbone import InvertedResidual
from spacesgg_ros.vlm.tower import SpaceSGGTower

_SOURCE = Path(__file__).with_name("depthwise.cpp")
_KERNELS = (3, 5)


@functools.cache
def load_library() -> ctypes.CDLL | None:
    """The compiled passes, or None where they cannot be compiled."""
    compiler = shutil.which("g++") or shutil.which("clang++")
    if compiler is None:
        return None
    # Not -ffast-math: a library linked so switches off subnormal numbers for the whole process.
    flags = ["-O3", "-march=native", "-ffp-contract=fast", "-fopenmp", "-shared", "-fPIC"]
    key = hashlib.sha256(
        _SOURCE.read_bytes() + " ".join(flags).encode() + _cpu_flags()
    ).hexdigest()[:16]
    folder = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "spacesgg"
    library = folder / f"depthwise-{key}.so"
    if not library.exists():
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder) as scratch:
            built = Path(scratch) / library.name
            done = subprocess.run(
                [compiler, *flags, "-o", str(built), str(_SOURCE)], capture_output=True, check=False
            )
            if done.returncode:
                return None
            built.replace(library)
    return ctypes.CDLL(str(library))


def _cpu_flags() -> bytes:
    """What "-march=native" depends on."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return b""
    return next((line for line in lines if line.startswith("flags")), "").encode()


class DepthwiseConv2d(torch.autograd.Function):
    """``(B, C, h, w)`` bfloat16, channels-last, to the same at ``h / stride``; weights float32.

    With ``clamped`` the input and the output go through ReLU6.
    """

    @staticmethod
    def forward(
        ctx: Any,
        x: torch.Tensor,
        weight: torch.Tensor,
        bias: torch.Tensor | None,
        stride: int,
        before: int,
        clamped: bool,
    ) -> torch.Tensor:
        x = x.contiguous(memory_format=torch.channels_last)
        weight = weight.contiguous()
        b, c, h, w = x.shape
        shape = (ctypes.c_int64 * 7)(b, h, w, c, stride, before, clamped)
        y = torch.empty(
            b, c, h // stride, w // stride, dtype=x.dtype, memory_format=torch.channels_last
        )
        library = load_library()
        assert library is not None
        library.depthwise_forward(
            shape, weight.shape[-1], _pointer(x), _pointer(weight), _pointer(bias), _pointer(y)
        )
        ctx.save_for_backward(x, weight, y)
        ctx.shape, ctx.has_bias = shape, bias is not None
        return y

    @staticmethod
    def backward(ctx: Any, *grads: torch.Tensor) -> Any:
        x, weight, y = ctx.saved_tensors
        gy = grads[0].contiguous(memory_format=torch.channels_last)
        gx = torch.empty_like(x) if ctx.needs_input_grad[0] else None
        gweight = torch.empty_like(weight, memory_format=torch.contiguous_format)
        gbias = torch.empty(weight.shape[0]) if ctx.has_bias else None
        library = load_library()
        assert library is not None
        library.depthwise_backward(
            ctx.shape,
            weight.shape[-1],
            _pointer(x),
            _pointer(weight),
            _pointer(y),
            _pointer(gy),
            _pointer(gx),
            _pointer(gweight),
            _pointer(gbias),
        )
        return gx, gweight, gbias, None, None, None


def _pointer(tensor: torch.Tensor | None) -> ctypes.c_void_p:
    return ctypes.c_void_p(None if tensor is None else tensor.data_ptr())


def convolve_depthwise(x: torch.Tensor, conv: nn.Conv2d, clamped: bool = False) -> torch.Tensor:
    """``conv(x)`` of a depthwise convolution with "same" padding, between ReLU6 if ``clamped``."""
    kernel, stride = conv.kernel_size[0], conv.stride[0]
    total = max(kernel - stride, 0)
    fits = kernel in _KERNELS and x.shape[2] % stride == 0 and x.shape[3] % stride == 0
    if x.dtype == torch.bfloat16 and fits and load_library() is not None:
        out: torch.Tensor = DepthwiseConv2d.apply(
            x, conv.weight, conv.bias, stride, total // 2, clamped
        )
        return out
    x = functional.relu6(x) if clamped else x
    padded = functional.pad(x, (total // 2, total - total // 2) * 2)
    y = functional.conv2d(padded, conv.weight, conv.bias, stride, 0, 1, conv.groups)
    return functional.relu6(y) if clamped else y


def speed_up(tower: SpaceSGGTower) -> None:
    """Let the tower's depthwise convolutions, and the ReLU6 around them, use the fast passes.

    They are used under ``torch.autocast("cpu", torch.bfloat16)``; weights and results stay.
    """
    for module in tower.modules():
        if isinstance(module, InvertedResidual) and len(module.layers) == 5:
            module.forward = functools.partial(_run_block, module)  # type: ignore[method-assign]
    for block in tower.head.blocks.modules():
        if isinstance(block, nn.Conv2d) and block.groups > 1:
            block.forward = functools.partial(  # type: ignore[method-assign]
                convolve_depthwise, conv=block
            )


def _run_block(block: InvertedResidual, x: torch.Tensor) -> torch.Tensor:
    expand, _, depthwise, _, project = block.layers
    assert isinstance(depthwise, nn.Conv2d)
    y: torch.Tensor = project(convolve_depthwise(expand(x), depthwise, clamped=True))
    return x + y if block.residual else y
