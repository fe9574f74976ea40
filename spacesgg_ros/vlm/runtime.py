"""What a decode loop needs of a model, whatever executes it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np


@dataclass(frozen=True)
class RuntimeInfo:
    """What executes the model, as found out after loading, not as asked for.

    Attributes:
        runtime: "onnx" or "torch".
        provider_requested, provider_used: "cpu", "cuda" or "tensorrt".
        precision: "fp32", "fp16" or "int8", of the weights.
        threads: CPU threads in use.
        notes: whatever differs from what was asked, in whole sentences.
    """

    runtime: str
    provider_requested: str
    provider_used: str
    precision: str
    threads: int = 0
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class EncodedImage:
    """What the decoder reads of an image, and what the tower made of it.

    Attributes:
        tokens: ``(tokens, hidden)`` float32, projected.
        features: ``(tokens, channels)`` float32, before the projector.
    """

    tokens: np.ndarray
    features: np.ndarray


class Runtime(Protocol):
    """A vision tower with projector, and a decoder with a cache for one sequence.

    Not thread-safe: one owner. All arrays are float32 numpy.
    """

    @property
    def info(self) -> RuntimeInfo: ...

    @property
    def length(self) -> int:
        """Positions in the cache."""
        ...

    def encode_image(self, pixel_values: np.ndarray) -> EncodedImage:
        """Of pixels ``(1, 3, height, width)``."""
        ...

    def prefill(self, embeddings: np.ndarray, reserve: int) -> np.ndarray:
        """Start a sequence with ``(S, hidden)``; logits ``(vocabulary,)`` after its last one.

        Args:
            reserve: how many more positions the sequence may get.
        """
        ...

    def step(self, embeddings: np.ndarray) -> np.ndarray:
        """Append ``(S, hidden)``; logits ``(vocabulary,)`` after the last one."""
        ...

    def rollback(self, length: int) -> None:
        """Forget everything after the first ``length`` positions."""
        ...


def count_physical_cores() -> int:
    """Physical cores this process may run on (two hyperthreads count once)."""
    siblings = set()
    for cpu in os.sched_getaffinity(0):
        file = Path(f"/sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list")
        siblings.add(file.read_text().strip() if file.is_file() else str(cpu))
    return max(1, len(siblings))
