"""Which rows make up which batch: a pure function of the seed and the batch's number.

Nothing is drawn ahead and nothing is kept, so a run that goes on at step n sees the rows that an
uninterrupted one would. Tasks get exactly their share, every row of a task comes once before any
comes twice, and rows of similar length share a batch.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

_CHUNK_GROUPS = 16
"""Groups of batches sorted by length together: more saves padding, fewer mixes better."""


@dataclass(frozen=True)
class Pool:
    """Rows that are drawn alike. ``rows``: dataset indices; ``weight``: share of all samples."""

    rows: np.ndarray
    weight: float


class BatchPlan:
    """A batch sampler of ``batches`` lists of dataset indices.

    Batch ``n`` goes to process ``n % processes``, as ``accelerate`` deals them; the batches that
    are processed at the same time have similar lengths, so that no process waits for another.

    Attributes:
        pools: those that rows are drawn from. batch_size: rows a batch.
    """

    def __init__(
        self,
        pools: Sequence[Pool],
        lengths: np.ndarray,
        size: int,
        batches: int,
        seed: int,
        processes: int = 1,
        by_length: bool = True,
    ) -> None:
        """Args: lengths: ``(rows,)`` tokens a dataset row; size: rows a batch."""
        self.pools = [p for p in pools if p.weight > 0 and len(p.rows)]
        if not self.pools:
            raise ValueError("no pool has rows and a weight above 0")
        total = sum(p.weight for p in self.pools)
        self._shares = np.array([p.weight / total for p in self.pools])
        self._lengths = lengths
        self.batch_size = size
        self._batches = batches
        self._seed = seed
        self._processes = processes
        self._by_length = by_length
        self._chunk = _CHUNK_GROUPS * processes
        self._orders: dict[int, tuple[int, np.ndarray]] = {}

    def __len__(self) -> int:
        return self._batches

    def __iter__(self) -> Iterator[list[int]]:
        for chunk in range(-(-self._batches // self._chunk)):
            left = self._batches - chunk * self._chunk
            yield from self._plan_chunk(chunk)[:left]

    def batch(self, number: int) -> list[int]:
        """The rows of batch ``number``, whatever was asked before."""
        return self._plan_chunk(number // self._chunk)[number % self._chunk]

    def _plan_chunk(self, chunk: int) -> list[list[int]]:
        rng = np.random.default_rng([self._seed, 1, chunk])
        samples = self._chunk * self.batch_size
        drawn = np.concatenate(
            [
                self._draw(k, *span)
                for k, span in enumerate(self._spans(chunk * samples, (chunk + 1) * samples))
            ]
        )
        rng.shuffle(drawn)
        if self._by_length:
            drawn = drawn[np.argsort(self._lengths[drawn], kind="stable")]
        groups = drawn.reshape(_CHUNK_GROUPS, self._processes, self.batch_size)
        rng.shuffle(groups)
        return [rows.tolist() for group in groups for rows in group]

    def _spans(self, begin: int, end: int) -> list[tuple[int, int]]:
        """Positions in each pool's stream that samples ``begin`` to ``end`` take up."""
        ends = np.rint(np.cumsum(self._shares)[:, None] * [begin, end]).astype(np.int64)
        counts = np.diff(ends, axis=0, prepend=0)
        return [(int(a), int(b)) for a, b in counts]

    def _draw(self, pool: int, begin: int, end: int) -> np.ndarray:
        """Positions ``begin`` to ``end`` of a pool's endless stream of shuffled passes."""
        rows = self.pools[pool].rows
        parts = []
        while begin < end:
            lap, at = divmod(begin, len(rows))
            stop = min(len(rows), at + end - begin)
            parts.append(rows[self._order(pool, lap)[at:stop]])
            begin += stop - at
        return np.concatenate(parts) if parts else rows[:0]

    def _order(self, pool: int, lap: int) -> np.ndarray:
        kept = self._orders.get(pool)
        if kept is None or kept[0] != lap:
            rng = np.random.default_rng([self._seed, 0, pool, lap])
            kept = (lap, rng.permutation(len(self.pools[pool].rows)))
            self._orders[pool] = kept
        return kept[1]
