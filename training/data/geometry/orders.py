"""Which object is left of, in front of or above which, seen from the four sides of a scene.

Two objects are ordered along an axis where their intervals do not meet and the gap between them
exceeds a dead band. Looking from another side turns the cloud about the vertical by quarters, which
exchanges axes and their signs (``turn_view``): right and forward become forward and right,
up stays. So the intervals are measured once, and nothing differs from rotating the points.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import repeat

import numpy as np

from spacesgg_ros.graph.types import Viewpoint
from spacesgg_ros.training.data.grounded import Order
from spacesgg_ros.training.data.spatial_text import turn_view

AXIS_PREDICATES = (
    ("to the left of", "to the right of"),
    ("in front of", "behind"),
    ("under", "above"),
)
"""For right, forward and up: what the object with the smaller and with the larger values is."""

_TURNED = {
    view: np.array(
        [[turn_view(predicate, view) for predicate in pair] for pair in AXIS_PREDICATES], object
    )
    for view in Viewpoint
}


@dataclass(frozen=True)
class Gaps:
    """Ordered pairs in the camera's view: ``subject < target``, once an axis.

    Attributes:
        subject, target: ``(m,)`` indices.
        axis: ``(m,)`` 0 right, 1 forward, 2 up.
        larger: ``(m,)`` 1 where the subject has the larger values, else 0.
        gap: ``(m,)`` between the two intervals.
    """

    subject: np.ndarray
    target: np.ndarray
    axis: np.ndarray
    larger: np.ndarray
    gap: np.ndarray


def find_gaps(low: np.ndarray, high: np.ndarray, band: np.ndarray, pairs: np.ndarray) -> Gaps:
    """Pairs whose intervals are further apart than the dead band.

    Args:
        low, high: ``(k, 3)`` ends along right, forward, up; NaN orders nothing.
        band: ``(k,)`` dead band of each object; of a pair the wider counts.
        pairs: ``(m, 2)`` indices, the smaller first.
    """
    first, second = pairs[:, 0], pairs[:, 1]
    before, after = low[second] - high[first], low[first] - high[second]
    gap = np.maximum(before, after)
    row, axis = np.nonzero(gap > np.maximum(band[first], band[second])[:, None])
    larger = (after > before)[row, axis].astype(np.intp)
    return Gaps(first[row], second[row], axis, larger, gap[row, axis])


def pair_neighbours(position: np.ndarray, most: int) -> np.ndarray:
    """Pairs of each object and the ``most`` nearest to it, each once, the smaller index first.

    All pairs of ``k`` objects grow with k squared, and nobody asks how the mug in one corner
    stands to the ninth book in the other; with up to ``most + 1`` objects these are all.

    Args:
        position: ``(k, 3)``, NaN for objects that take no part.

    Returns:
        ``(m, 2)`` sorted.
    """
    known = np.flatnonzero(np.isfinite(position).all(axis=1))
    at = position[known]
    count = len(known)
    if count < 2:
        return np.empty((0, 2), np.intp)
    if count <= most + 1:
        first, second = np.triu_indices(count, 1)
    else:
        square = ((at[:, None] - at[None]) ** 2).sum(axis=2)
        np.fill_diagonal(square, np.inf)
        nearest = np.argsort(square, axis=1, kind="stable")[:, :most]
        near = np.zeros((count, count), bool)
        np.put_along_axis(near, nearest, True, axis=1)
        first, second = np.nonzero(np.triu(near | near.T))
    return np.stack([known[first], known[second]], axis=1)


def tell_orders(gaps: Gaps, decimals: int) -> tuple[Order, ...]:
    """What the gaps say in each view, every pair once a view and axis.

    Sorted by view (camera, left, right, back), subject, target, then right, forward, up of the
    camera. ``decimals``: that gaps are rounded to.
    """
    subjects, targets = gaps.subject.tolist(), gaps.target.tolist()
    widths = np.round(gaps.gap, decimals).tolist()
    orders: list[Order] = []
    for view in Viewpoint:
        predicates = _TURNED[view][gaps.axis, gaps.larger].tolist()
        orders += map(Order, repeat(view.value), subjects, predicates, targets, widths)
    return tuple(orders)
