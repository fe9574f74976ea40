"""Depth layers of a grounded image, near to far."""

from __future__ import annotations

import numpy as np

from spacesgg_ros.graph.layers import assign_layers


def group_layers(depth: np.ndarray) -> tuple[tuple[int, ...], ...]:
    """Objects by layer, nearest layer first; each in one layer at most.

    The rule is :func:`spacesgg_ros.graph.layers.assign_layers`. Within a layer objects go by
    their median depth, then by index.

    Args:
        depth: ``(k, 3)`` near end, median, far end; NaN where there is no depth. Such objects
            are in no layer.
    """
    numbers = assign_layers(depth[:, [0, 2]])
    order = np.lexsort((np.arange(len(depth)), depth[:, 1]))
    layers: list[list[int]] = [[] for _ in range(int(numbers.max(initial=0)))]
    for index in order.tolist():
        if numbers[index]:
            layers[numbers[index] - 1].append(index)
    return tuple(tuple(layer) for layer in layers)
