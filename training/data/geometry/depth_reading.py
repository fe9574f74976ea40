"""Depth files of any origin, as one thing: distances that grow away from the camera.

Sensors store millimetres, estimators metres, relative distances or disparities. Everything after
this module sees float32 along the optical axis, NaN where nothing was read, and the nearest is
the smallest, whatever the file held.
"""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import cv2
import numpy as np

from spacesgg_ros.graph.depth import align_depth
from spacesgg_ros.graph.types import GraphError
from spacesgg_ros.training.data.grounded import DepthFile, GroundedImage
from spacesgg_ros.training.data.sources.files import FileError, read_bytes

from .errors import GeometryError

MAX_DEPTH_M = 100.0
"""Metric readings from here on are none (SpaceSGG's point clouds keep 0 < z < 100)."""

_NPZ_KEY = "depth"


def read_depth(image: GroundedImage, root: Path, max_depth_m: float = MAX_DEPTH_M) -> np.ndarray:
    """Distances on the image's grid.

    Depth of another resolution is sampled by the nearest pixel if it has the image's aspect
    ratio (to a percent); otherwise nothing says how the two relate, and it is refused.

    Returns:
        ``(height, width)`` float32 that grows with distance, NaN for no reading; metres where
        ``image.depth.kind`` is metric.

    Raises:
        GeometryError: there is no depth file, it cannot be read, does not fit, or holds no reading.
    """
    if image.depth is None:
        raise GeometryError("no depth", f"{image.id} has no depth file; give one or estimate it")
    try:
        stored = decode_stored(read_bytes(root, image.depth.path), image.depth.path)
    except FileError as error:
        raise GeometryError("depth file missing", str(error)) from error
    depth = to_distance(stored, image.depth, max_depth_m)
    if not (depth > 0).any():
        raise GeometryError(
            "no depth reading",
            f"{image.depth.path} has no reading within reach; stored values are "
            f"{_range(stored)}, kind {image.depth.kind}, scale {image.depth.scale_m:g}",
        )
    try:
        return align_depth(depth, image.width, image.height)
    except GraphError as error:
        raise GeometryError(
            "depth does not fit the image", f"{image.depth.path}: {error}"
        ) from error


def decode_stored(data: bytes, name: str) -> np.ndarray:
    """The values a depth file holds, ``(h, w)``, unchanged.

    Args:
        data: the file's content.
        name: its name; the ending tells NPY and NPZ (member "depth", or the only one) from
            pictures (PNG of 8 or 16 bit, TIFF of floats or integers).

    Raises:
        GeometryError: the content is not what the name says, or not one channel of real numbers.
    """
    ending = Path(name).suffix.lower()
    try:
        if ending == ".npy":
            stored = np.load(io.BytesIO(data), allow_pickle=False)
        elif ending == ".npz":
            stored = _load_npz(data)
        else:
            buffer = np.frombuffer(data, np.uint8)
            picture = cv2.imdecode(buffer, cv2.IMREAD_UNCHANGED) if buffer.size else None
            if picture is None:
                raise ValueError("not a picture that OpenCV reads")
            stored = picture
    except (ValueError, KeyError, EOFError, OSError, zipfile.BadZipFile) as error:
        raise GeometryError("depth file unreadable", f"{name}: {error}") from error
    stored = stored[..., 0] if stored.ndim == 3 and stored.shape[2] == 1 else stored
    if stored.ndim != 2 or stored.dtype.kind not in "uif" or not stored.size:
        raise GeometryError(
            "depth is not one channel",
            f"{name} holds {stored.dtype} of shape {stored.shape}; expected one channel of "
            "numbers (a coloured rendering of depth cannot be read back)",
        )
    return stored


def to_distance(
    stored: np.ndarray, file: DepthFile, max_depth_m: float = MAX_DEPTH_M
) -> np.ndarray:
    """Stored values to distances: ``scale * v``, or ``1 / (scale * v)`` for inverse depth.

    Zero, negative and non-finite values are no reading in every kind, as are metric ones from
    ``max_depth_m`` on. An estimator's relative or inverse depth fixes order and ratios up to an
    unknown scale (and shift), so its unit means nothing across images.

    Args:
        stored: ``(h, w)``, any real type.
        file: kind and scale.

    Returns:
        ``(h, w)`` float32, a new array, NaN for no reading.
    """
    values = np.multiply(stored, np.float32(file.scale_m), dtype=np.float32)
    top = np.float32(max_depth_m if file.kind == "metric" else np.inf)
    # Written so that a NaN compares false.
    values[~((values > 0) & (values < top))] = np.nan
    if file.kind == "inverse":
        np.reciprocal(values, out=values)
    return values


def _load_npz(data: bytes) -> np.ndarray:
    with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
        names = arrays.files
        if _NPZ_KEY not in names and len(names) != 1:
            raise KeyError(f"expected an array '{_NPZ_KEY}' or only one; got {names}")
        stored: np.ndarray = arrays[_NPZ_KEY if _NPZ_KEY in names else names[0]]
        return stored


def _range(stored: np.ndarray) -> str:
    known = stored[np.isfinite(stored)]
    return f"{known.min():g} to {known.max():g}" if known.size else "not finite"
