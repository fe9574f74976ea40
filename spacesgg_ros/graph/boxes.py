"""Box codec of the model's text and box arithmetic.

The model writes boxes as integers 0..999 over the *square-padded* image (ASMv2): the image is
centred in a square of side ``max(width, height)``.
"""

from __future__ import annotations

import numpy as np

from spacesgg_ros.graph.types import BoxNorm, BoxPx, GraphError

BOX_SCALE = 999
"""Largest coordinate; the factor ASMv2's evaluator uses."""


def _padding(width: int, height: int) -> tuple[int, int, int]:
    """Side of the padded square and the pixels added on the left and on the top."""
    if width <= 0 or height <= 0:
        raise GraphError(f"a box needs an image of positive size; got {width}x{height}")
    side = max(width, height)
    return side, (side - width) // 2, (side - height) // 2


def encode_box(box_px: BoxPx, width: int, height: int) -> BoxNorm:
    """Pixels to 0..999 over the square-padded image, rounded, clipped to the range.

    Raises:
        GraphError: the image is empty or a coordinate is not finite.
    """
    side, left, top = _padding(width, height)
    if not np.isfinite(box_px).all():
        raise GraphError(f"a box needs four finite coordinates; got {box_px}")
    x0, y0, x1, y1 = (
        min(max(round((value + pad) / side * BOX_SCALE), 0), BOX_SCALE)
        for value, pad in zip(box_px, (left, top, left, top), strict=True)
    )
    return (x0, y0, x1, y1)


def decode_box(box: BoxNorm, width: int, height: int) -> BoxPx:
    """Inverse of :func:`encode_box`; not clipped, so a box in the padding lies outside the image.

    Raises:
        GraphError: the image is empty.
    """
    side, left, top = _padding(width, height)
    scale = side / BOX_SCALE
    x0, y0, x1, y1 = box
    return (x0 * scale - left, y0 * scale - top, x1 * scale - left, y1 * scale - top)


def clip_box(box_px: BoxPx, width: int, height: int) -> BoxPx:
    """The part of a box inside the image; of zero size where it lies outside."""
    x0, y0, x1, y1 = box_px
    return (
        float(min(max(x0, 0.0), width)),
        float(min(max(y0, 0.0), height)),
        float(min(max(x1, 0.0), width)),
        float(min(max(y1, 0.0), height)),
    )


def box_area(boxes: np.ndarray) -> np.ndarray:
    """Areas of ``(N, 4)`` boxes, 0 for inverted ones. Returns ``(N,)`` float64."""
    boxes = np.asarray(boxes, dtype=np.float64).reshape(-1, 4)
    return np.prod(np.maximum(boxes[:, 2:] - boxes[:, :2], 0.0), axis=1)


def box_iou(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Intersection over union of every pair, 0 where both are empty.

    Args:
        a: ``(N, 4)`` boxes ``x_min, y_min, x_max, y_max``, any unit.
        b: ``(M, 4)`` boxes of the same unit.

    Returns:
        ``(N, M)`` float64 in 0..1.
    """
    a = np.asarray(a, dtype=np.float64).reshape(-1, 4)
    b = np.asarray(b, dtype=np.float64).reshape(-1, 4)
    low = np.maximum(a[:, None, :2], b[None, :, :2])
    high = np.minimum(a[:, None, 2:], b[None, :, 2:])
    inter = np.prod(np.maximum(high - low, 0.0), axis=2)
    union = box_area(a)[:, None] + box_area(b)[None, :] - inter
    return np.divide(inter, union, out=np.zeros_like(inter), where=union > 0)
