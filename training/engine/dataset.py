"""Encoded rows with their images, as a ``torch`` dataset."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

import numpy as np
import torch
from torch.utils.data import Dataset

from spacesgg_ros.cli.console import InputError
from spacesgg_ros.training.data.rows import TASKS, Row, RowError, load_image
from spacesgg_ros.vlm.preprocess import ImagePreprocessor

from .batches import Pool
from .encoding import EncodedRows
from .recipe import DataSource


class Example(NamedTuple):
    """One row.

    Attributes:
        ids, learnt: see ``Encoded``.
        vision: pixel values ``(3, height, width)`` float32, or what a frozen tower made of them,
            ``(tokens, channels)`` float16.
    """

    ids: np.ndarray
    learnt: np.ndarray
    vision: np.ndarray


class VisionSource(Protocol):
    """Gives a row's image in the form that the model's tower, or what stands for it, takes."""

    def read(self, source: int, index: int) -> np.ndarray:
        """The image of row ``index`` of rows file ``source``."""


class PixelSource:
    """Pixels, read and preprocessed when they are needed, exactly as inference does."""

    def __init__(self, rows: Sequence[EncodedRows], preprocessor: ImagePreprocessor) -> None:
        self._rows = rows
        self._preprocessor = preprocessor

    def read(self, source: int, index: int) -> np.ndarray:
        rows = self._rows[source]
        return load_pixels(rows.row(index), rows, self._preprocessor)


def load_pixels(row: Row, rows: EncodedRows, preprocessor: ImagePreprocessor) -> np.ndarray:
    """``(3, height, width)`` float32 of a row's image.

    Raises:
        InputError: it cannot be read.
    """
    try:
        return preprocessor(load_image(row, rows.root))[0]
    except RowError as error:
        raise InputError(f"{rows.file}, row {row.id}: {error}") from error


class RowDataset(Dataset):  # type: ignore[type-arg]
    """All rows of a recipe; row ``i`` counts through its files in order."""

    def __init__(self, rows: Sequence[EncodedRows], vision: VisionSource) -> None:
        self._rows = rows
        self._vision = vision
        self._begins = np.cumsum([0, *map(len, rows)])

    def __len__(self) -> int:
        return int(self._begins[-1])

    def __getitem__(self, index: int) -> Example:
        source = int(np.searchsorted(self._begins, index, side="right")) - 1
        place = index - int(self._begins[source])
        encoded = self._rows[source].conversation(place)
        return Example(*encoded, self._vision.read(source, place))


def make_pools(
    rows: Sequence[EncodedRows],
    sources: Sequence[DataSource],
    image_tokens: int,
    max_length: int,
) -> tuple[list[Pool], np.ndarray, int]:
    """What batches are drawn from.

    Returns:
        The pools; ``(rows,)`` int64 tokens a row, its image included; how many rows of the
        tasks in use are longer than ``max_length`` and left out.

    Raises:
        InputError: a task with a weight has no row, or no row is short enough.
    """
    lengths = np.concatenate([r.lengths for r in rows]) + (image_tokens - 1)
    tasks = np.concatenate([r.tasks for r in rows])
    file_of = np.repeat(np.arange(len(rows)), [len(r) for r in rows])
    fits = lengths <= max_length
    pools, too_long = [], 0
    for number, source in enumerate(sources):
        chosen = {t: w for t, w in source.weights.items() if w > 0} or {"": 0.0}
        if source.weights and not any(source.weights.values()):
            continue
        for task, weight in chosen.items():
            mine = file_of == number
            if task:
                mine &= tasks == TASKS.index(task)
            if not mine.any():
                raise InputError(f"{source.rows} has no row of task {task!r}, which has a weight")
            too_long += int((mine & ~fits).sum())
            kept = np.flatnonzero(mine & fits)
            pools.append(Pool(kept, weight or float(len(kept))))
    if not any(len(pool.rows) for pool in pools):
        raise InputError(
            f"every row is longer than batch.max_length ({max_length} tokens); the shortest has "
            f"{int(lengths.min())}"
        )
    return pools, lengths, too_long


class Collator:
    """Examples to right-padded tensors.

    There is no attention mask: padding comes after everything that is learnt, and the decoder
    is causal, so nothing that matters can see it.
    """

    def __init__(self, image_token_id: int, image_tokens: int, pad_token_id: int) -> None:
        self._image = image_token_id
        self._spread = image_tokens
        self._pad = pad_token_id

    def __call__(self, examples: Sequence[Example]) -> dict[str, torch.Tensor]:
        """``input_ids``, ``labels`` ``(B, T)`` int64 (-100: not learnt), ``pixel_values``."""
        spread = [self._expand(example) for example in examples]
        longest = max(len(ids) for ids, _ in spread)
        input_ids = np.full((len(spread), longest), self._pad, np.int64)
        labels = np.full((len(spread), longest), -100, np.int64)
        for k, (ids, learnt) in enumerate(spread):
            input_ids[k, : len(ids)] = ids
            labels[k, : len(ids)][learnt] = ids[learnt]
        vision = np.stack([example.vision for example in examples]).astype(np.float32)
        return {
            "input_ids": torch.from_numpy(input_ids),
            "labels": torch.from_numpy(labels),
            "pixel_values": torch.from_numpy(vision),
        }

    def _expand(self, example: Example) -> tuple[np.ndarray, np.ndarray]:
        """Ids and what is learnt, with one id an image token."""
        repeats = np.where(example.ids == self._image, self._spread, 1)
        return np.repeat(example.ids, repeats), np.repeat(example.learnt, repeats)
