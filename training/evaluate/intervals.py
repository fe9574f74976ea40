"""95 % intervals of proportions."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

RESAMPLES = 1000
_Z = 1.959964


def wilson(hits: int, total: int) -> list[float]:
    """95 % Wilson score interval of a proportion (Wilson 1927), as if trials were independent."""
    if not total:
        return [0.0, 1.0]
    p = hits / total
    middle = (p + _Z * _Z / (2 * total)) / (1 + _Z * _Z / total)
    half = _Z * np.sqrt(p * (1 - p) / total + _Z * _Z / (4 * total * total))
    half /= 1 + _Z * _Z / total
    low, high = max(0.0, middle - half), min(1.0, middle + half)
    return [round(float(low), 4), round(float(high), 4)]


def bootstrap(
    hits: np.ndarray, totals: np.ndarray, groups: Sequence[str], resamples: int = RESAMPLES
) -> list[float]:
    """95 % percentile interval of ``hits.sum() / totals.sum()`` under resampling of groups.

    What lies in one picture, or in several views of one scene, stands and falls together; so
    whole groups are drawn again, with replacement (Efron 1979). Always the same draws.

    Args:
        hits, totals: ``(n,)``, or ``(n, k)`` for the mean over ``k`` classes of the ratios
            (classes that a draw does not hold are left out of that draw's mean).
        groups: name of the group of each of the ``n`` rows.
    """
    if not np.any(totals):
        return [0.0, 1.0]
    hits = np.asarray(hits, dtype=np.float64).reshape(len(groups), -1)
    totals = np.asarray(totals, dtype=np.float64).reshape(len(groups), -1)
    names, member = np.unique(np.asarray(groups), return_inverse=True)
    summed = np.zeros((2, len(names), hits.shape[1]))
    np.add.at(summed[0], member, hits)
    np.add.at(summed[1], member, totals)
    rng = np.random.default_rng(0)
    weights = rng.multinomial(len(names), np.full(len(names), 1 / len(names)), size=resamples)
    drawn_hits, drawn_totals = weights @ summed[0], weights @ summed[1]
    present = drawn_totals > 0
    ratios = np.divide(drawn_hits, drawn_totals, out=np.zeros_like(drawn_hits), where=present)
    means = ratios.sum(1) / np.maximum(present.sum(1), 1)
    low, high = np.percentile(means, [2.5, 97.5])
    return [round(float(low), 4), round(float(high), 4)]
