"""Masks as COCO writes them: run lengths, polygons, and panoptic pictures of segment ids.

Run lengths go down the columns and start with a run of zeros: ``{"size": [h, w], "counts": ...}``
with the runs as a list, or as COCO's text (the difference to the run two before, five bits a
character). A mask is ``(h, w)`` bool.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import cv2
import numpy as np

from spacesgg_ros.training.data.grounded import BoxPx, GroundedError

Rle = Mapping[str, Any]

_FIRST_CHARACTER = 48
_BITS = 5
_MORE, _SIGN, _VALUE = 0x20, 0x10, 0x1F
_LONGEST = 6
"""Characters of a number: 30 bits, more pixels than OpenCV reads."""

_FARTHEST_PX = 1e6


class MaskError(GroundedError):
    """A mask that cannot be read: what was seen, what was expected."""


def encode_mask(mask: np.ndarray) -> dict[str, Any]:
    """The run lengths of ``(h, w)``, anything but 0 inside, as COCO's text."""
    flat = np.asarray(mask).astype(bool).T.ravel()
    changes = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    start = [0] if flat.size and flat[0] else []
    counts = np.diff(np.concatenate([[0], start, changes, [flat.size]]).astype(np.int64))
    return _rle(counts, mask.shape)


def encode_labels(labels: np.ndarray) -> dict[int, dict[str, Any]]:
    """The run lengths of every value in ``(h, w)`` integers, in one pass over the pixels."""
    flat = np.asarray(labels).T.ravel()
    if not flat.size:
        return {}
    starts = np.concatenate([[0], np.flatnonzero(flat[1:] != flat[:-1]) + 1])
    ends = np.append(starts[1:], flat.size)
    values = flat[starts]
    order = np.argsort(values, kind="stable")
    found, first = np.unique(values[order], return_index=True)
    masks = {}
    for value, runs in zip(found, np.split(order, first[1:]), strict=True):
        edges = np.stack([starts[runs], ends[runs]], axis=1).ravel()
        if edges[-1] != flat.size:
            edges = np.append(edges, flat.size)
        masks[int(value)] = _rle(np.diff(edges, prepend=0), labels.shape)
    return masks


def _rle(counts: np.ndarray, shape: tuple[int, ...]) -> dict[str, Any]:
    return {"size": [int(shape[0]), int(shape[1])], "counts": _write_counts(counts)}


def decode_mask(rle: Rle) -> np.ndarray:
    """``(h, w)`` bool.

    Raises:
        MaskError: the runs do not fill the size, or are no runs.
    """
    counts = read_counts(rle)
    height, width = rle["size"]
    inside = np.arange(len(counts)) % 2 == 1
    return np.repeat(inside, counts).reshape(width, height).T


def mask_area(rle: Rle) -> int:
    """Pixels inside. Raises :class:`MaskError` as :func:`decode_mask` does."""
    return int(read_counts(rle)[1::2].sum())


def mask_box(rle: Rle) -> BoxPx | None:
    """The tightest box of the pixels inside, from the runs alone; None where there are none.

    Raises:
        MaskError: as :func:`decode_mask`.
    """
    counts = read_counts(rle)
    height = rle["size"][0]
    ends = np.cumsum(counts)
    starts = ends - counts
    starts, last = starts[1::2], ends[1::2] - 1
    starts, last = starts[counts[1::2] > 0], last[counts[1::2] > 0]
    if not len(starts):
        return None
    x0, x1 = starts[0] // height, last[-1] // height + 1
    if (starts // height != last // height).any():  # a run that goes on in the next column
        return (float(x0), 0.0, float(x1), float(height))
    return (float(x0), float((starts % height).min()), float(x1), float((last % height).max() + 1))


def read_counts(rle: Rle) -> np.ndarray:
    """The runs as ``(n,)`` int64, outside first.

    Raises:
        MaskError: no runs, or runs that do not fill the size.
    """
    try:
        height, width = (int(side) for side in rle["size"])
        counts = rle["counts"]
        if isinstance(counts, (str, bytes)):
            runs = _read_text(counts)
        else:
            runs = np.asarray(counts, dtype=np.int64).reshape(-1)
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise MaskError(f"not run lengths: {type(error).__name__}: {error}") from error
    if (runs < 0).any() or (runs > height * width).any():
        raise MaskError(f"a run is negative or longer than {width}x{height} pixels")
    total = int(runs.sum())
    if height < 1 or width < 1 or total != height * width:
        raise MaskError(f"runs of {total} pixels do not fill {width}x{height}")
    return runs


def _write_counts(counts: np.ndarray) -> str:
    left = counts.astype(np.int64).copy()
    left[3:] -= counts[1:-2]
    columns, shown = [], []
    active = np.ones(len(left), dtype=bool)
    while active.any():
        low = left & _VALUE
        left = left >> _BITS
        more = left != np.where(low & _SIGN, -1, 0)
        columns.append(low + np.where(more, _MORE, 0) + _FIRST_CHARACTER)
        shown.append(active)
        active = active & more
    characters = np.stack(columns, axis=1)[np.stack(shown, axis=1)]
    return characters.astype(np.uint8).tobytes().decode("ascii")


def _read_text(text: str | bytes) -> np.ndarray:
    raw = text.encode("ascii") if isinstance(text, str) else text
    codes = np.frombuffer(raw, np.uint8).astype(np.int64) - _FIRST_CHARACTER
    if not len(codes) or codes.min() < 0 or codes.max() >= 2 * _MORE or codes[-1] & _MORE:
        raise MaskError("the text of the run lengths is cut off or has foreign characters")
    last = np.flatnonzero((codes & _MORE) == 0)
    first = np.concatenate([[0], last[:-1] + 1])
    length = last - first + 1
    if length.max() > _LONGEST:
        raise MaskError("the text of the run lengths has a number over 30 bits")
    place = np.arange(len(codes)) - np.repeat(first, length)
    values = np.add.reduceat((codes & _VALUE) << (_BITS * place), first)
    values -= np.where(codes[last] & _SIGN, 1 << (_BITS * length), 0)
    # Each run but the first three was written as its difference to the run two before.
    values[1::2] = np.cumsum(values[1::2])
    values[2::2] = np.cumsum(values[2::2])
    return values


def fill_polygons(polygons: Sequence[Sequence[float]], width: int, height: int) -> np.ndarray:
    """The union of polygons ``x, y, x, y, ...`` in pixels, ``(height, width)`` bool.

    A pixel is inside where its centre is; pixel (0, 0) reaches from 0 to 1. A corner outside
    the picture is allowed.

    Raises:
        MaskError: no polygon, or one with fewer than three corners or a coordinate that is no
            finite number.
    """
    if not polygons:
        raise MaskError("no polygon")
    mask = np.zeros((height, width), dtype=bool)
    for polygon in polygons:
        try:
            points = np.asarray(polygon, dtype=np.float64)
        except (TypeError, ValueError, OverflowError) as error:
            raise MaskError(f"not a polygon: {error}") from error
        if points.ndim != 1 or len(points) < 6 or len(points) % 2:
            raise MaskError("a polygon needs three corners or more, x and y of each")
        if not (np.abs(points) < _FARTHEST_PX).all():
            raise MaskError(f"a polygon has a coordinate that is no number below {_FARTHEST_PX:g}")
        _fill(mask, points.reshape(-1, 2))
    return mask


def _fill(mask: np.ndarray, corners: np.ndarray) -> None:
    """Even-odd rule along the rows of pixel centres, inside the polygon's own box."""
    height, width = mask.shape
    left, top = np.clip(np.floor(corners.min(axis=0)), 0, (width, height)).astype(int)
    right, bottom = np.clip(np.ceil(corners.max(axis=0)), 0, (width, height)).astype(int)
    if right <= left or bottom <= top:
        return
    (x0, y0), (x1, y1) = corners.T, np.roll(corners, -1, axis=0).T
    y = np.arange(top, bottom)[:, None] + 0.5
    rows, edges = np.nonzero((y0 <= y) != (y1 <= y))
    share = (rows + top + 0.5 - y0[edges]) / (y1[edges] - y0[edges])
    x = x0[edges] + share * (x1[edges] - x0[edges])
    # An edge left of a pixel's centre turns it over: count them along the row.
    columns = np.clip(np.ceil(x - 0.5) - left, 0, right - left).astype(np.intp)
    turns = np.zeros((bottom - top, right - left + 1), dtype=np.int32)
    np.add.at(turns, (rows, columns), 1)
    mask[top:bottom, left:right] |= np.cumsum(turns[:, :-1], axis=1) % 2 == 1


def read_segmentation(segmentation: Any, width: int, height: int) -> dict[str, Any]:
    """COCO's ``segmentation`` (polygons, or run lengths as a list or text) as run lengths.

    Raises:
        MaskError: none of these, or of another size than the picture.
    """
    if isinstance(segmentation, Mapping):
        counts = read_counts(segmentation)
        if list(segmentation["size"]) != [height, width]:
            raise MaskError(f"mask of size {segmentation['size']}; expected [{height}, {width}]")
        return _rle(counts, (height, width))
    if not isinstance(segmentation, list):
        raise MaskError(f"neither polygons nor run lengths: {type(segmentation).__name__}")
    return encode_mask(fill_polygons(segmentation, width, height))


def read_segment_ids(png: bytes) -> np.ndarray:
    """``(h, w)`` int32 segment ids of a panoptic picture: red + 256 green + 65536 blue.

    Raises:
        MaskError: not a colour picture.
    """
    data = np.frombuffer(png, np.uint8)
    bgr = cv2.imdecode(data, cv2.IMREAD_UNCHANGED) if data.size else None
    if bgr is None or bgr.ndim != 3 or bgr.dtype != np.uint8:
        raise MaskError("not an 8-bit colour picture of segment ids")
    blue, green, red = (bgr[..., k].astype(np.int32) for k in range(3))
    return red + 256 * green + 65536 * blue


def read_instances(png: bytes) -> np.ndarray:
    """``(h, w)`` integers of a one-channel picture of instance numbers, 8 or 16 bits.

    Raises:
        MaskError: not such a picture.
    """
    data = np.frombuffer(png, np.uint8)
    picture = cv2.imdecode(data, cv2.IMREAD_UNCHANGED) if data.size else None
    if picture is None or picture.ndim != 2:
        raise MaskError("not a one-channel picture of instance numbers")
    return picture
