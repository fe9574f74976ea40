"""Depth from one picture, for images that no sensor has measured.

An estimator is anything with ``name``, ``kind`` and ``estimate``. What it returns becomes a 16-bit
PNG beside the set and a :class:`DepthFile` of its kind, so that later stages do not care who made
the depth. Models run on ``transformers``; nothing is ever downloaded here.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import cv2
import numpy as np

from spacesgg_ros.extras import require
from spacesgg_ros.training.data.grounded import (
    DEPTH_KINDS,
    DepthFile,
    GroundedError,
    GroundedImage,
)
from spacesgg_ros.training.data.rejected import Rejected
from spacesgg_ros.training.data.sources.files import FileError, load_image

from .errors import GeometryError

STAGE = "estimate"
STUB = "stub"
"""The name that asks for :class:`PictureHeightStub`."""

_LEVELS = 65535
_LEAST_STEP_M = 0.001
_FLOOR_SHARE = 0.01
_ROBUST_TOP = 0.995
_METRIC_TYPES = frozenset({"depth_pro", "glpn", "zoedepth", "prompt_depth_anything"})


class DepthEstimator(Protocol):
    """Depth of pictures.

    Attributes:
        name: for the provenance.
        kind: of what is returned, one of ``DEPTH_KINDS``.
    """

    name: str
    kind: str

    def estimate(self, pictures: Sequence[np.ndarray]) -> list[np.ndarray]:
        """``(H, W)`` float32 for each ``(H, W, 3)`` uint8 RGB picture, at its resolution."""


class TransformersEstimator:
    """A depth-estimation model of ``transformers``: Depth Anything, DPT, ZoeDepth, Depth Pro, ...

    The kind follows from the model's configuration: ``depth_estimation_type`` where it has one
    (Depth Anything: "relative" means disparity, so *inverse*; "metric" metres), metric for the
    model types that only have metric checkpoints, and inverse for the rest (DPT, MiDaS). A
    fine-tuned DPT may be metric without saying so: give ``kind`` then.
    """

    def __init__(self, model: str, kind: str | None = None, device: str = "cpu") -> None:
        """Load a model folder, or a hub id from the local cache.

        Raises:
            GeometryError: it is neither, or no depth-estimation model.
            MissingExtraError: torch or transformers is not installed.
        """
        if kind is not None and kind not in DEPTH_KINDS:
            raise GeometryError(
                "no such depth kind", f"depth is {', '.join(DEPTH_KINDS)}; got {kind!r}"
            )
        self._torch = require("torch", "torch")
        transformers = require("transformers", "torch")
        try:
            self._processor = transformers.AutoImageProcessor.from_pretrained(
                model, local_files_only=True
            )
            self._model = transformers.AutoModelForDepthEstimation.from_pretrained(
                model, local_files_only=True
            )
        except (OSError, ValueError) as error:
            raise GeometryError(
                "no depth model",
                f"no depth model at {model!r}: give a folder, or a hub id that is in the local "
                f"cache (`hf download {model}` puts it there); {error}",
            ) from error
        self._model.to(device).eval()
        self._device = device
        self.name = f"transformers: {Path(model).name if Path(model).exists() else model}"
        self.kind = kind or kind_of_model(self._model.config)

    def estimate(self, pictures: Sequence[np.ndarray]) -> list[np.ndarray]:
        """See :class:`DepthEstimator`. Pictures of one size go through the model together."""
        depths: list[np.ndarray] = [np.empty(0)] * len(pictures)
        for places in _group_by_shape(pictures).values():
            batch = self._estimate_equal([pictures[i] for i in places])
            for place, depth in zip(places, batch, strict=True):
                depths[place] = depth
        return depths

    def _estimate_equal(self, pictures: Sequence[np.ndarray]) -> list[np.ndarray]:
        inputs = self._processor(images=list(pictures), return_tensors="pt").to(self._device)
        with self._torch.inference_mode():
            outputs = self._model(**inputs)
        sizes = [picture.shape[:2] for picture in pictures]
        found = self._processor.post_process_depth_estimation(outputs, target_sizes=sizes)
        return [one["predicted_depth"].float().cpu().numpy() for one in found]


class PictureHeightStub:
    """No model: takes what is lower in the picture for nearer, as a floor would be.

    For runs that must go through where no depth model can be had. Its name, which goes into the
    provenance of every image, says so; nothing measured with it is a measurement.
    """

    name = "stub: lower in the picture is nearer (no depth model)"
    kind = "inverse"

    def estimate(self, pictures: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Disparity that grows from 0.1 in the top row to 1 in the bottom row."""
        return [
            np.repeat(
                np.linspace(0.1, 1.0, picture.shape[0], dtype=np.float32)[:, None],
                picture.shape[1],
                axis=1,
            )
            for picture in pictures
        ]


def kind_of_model(config: Any) -> str:
    """What a ``transformers`` depth model returns, by its configuration."""
    stated = getattr(config, "depth_estimation_type", None)
    if stated is not None:
        return "metric" if stated == "metric" else "inverse"
    return "metric" if getattr(config, "model_type", "") in _METRIC_TYPES else "inverse"


def load_estimator(spec: str, kind: str | None = None, device: str = "cpu") -> DepthEstimator:
    """``"stub"``, a model folder or a cached hub id.

    Raises:
        GeometryError, MissingExtraError: see :class:`TransformersEstimator`.
    """
    if spec == STUB:
        return PictureHeightStub()
    return TransformersEstimator(spec, kind, device)


def encode_depth(depth: np.ndarray, kind: str) -> tuple[bytes, float]:
    """An estimate as a 16-bit PNG and its scale; 0 is left for "no reading".

    Relative and inverse estimates have an unknown offset and may touch or cross 0, where
    distance ends (sky has disparity 0): they are raised to a hundredth of their largest value.
    Metric depth is stored in millimetres, coarser where it exceeds 65 m; what is not positive
    was not seen.

    Raises:
        GeometryError: not one finite positive value.
    """
    values = np.where(np.isfinite(depth), depth, 0.0).astype(np.float64)
    top = float(values.max(initial=0.0))
    if top <= 0:
        raise GeometryError("no estimate", "the estimate has no positive value")
    if kind == "metric":
        scale = max(_LEAST_STEP_M, top / _LEVELS)
    else:
        bright = float(np.quantile(values[values > 0], _ROBUST_TOP))
        values = np.where(np.isfinite(depth), np.maximum(values, _FLOOR_SHARE * bright), 0.0)
        scale = top / _LEVELS
    steps = np.clip(np.rint(values / scale), 0, _LEVELS).astype(np.uint16)
    done, data = cv2.imencode(".png", steps)
    if not done:
        raise GeometryError(
            "no estimate", f"cannot store an estimate of shape {depth.shape} as PNG"
        )
    return data.tobytes(), scale


@dataclass(frozen=True)
class EstimateStage:
    """Adds estimated depth to a batch of JSON records; what it cannot use comes out as a
    :class:`Rejected`.

    Attributes:
        root: of the set.
        folder: relative to ``root``, where the PNGs go.
        estimator: loaded once a worker, see :func:`make_estimate_stage`.
        again: estimate where there is depth already, too.
    """

    root: Path
    folder: str
    estimator: DepthEstimator
    again: bool = False

    def __call__(self, batch: Sequence[Mapping[str, Any]]) -> list[dict[str, Any] | Rejected]:
        """One out for each one in, in order."""
        out: list[Any] = [None] * len(batch)
        waiting: list[tuple[int, GroundedImage, np.ndarray]] = []
        for place, record in enumerate(batch):
            key = str(record.get("id", ""))
            try:
                image = GroundedImage.from_dict(record)
                if image.depth is not None and not self.again:
                    out[place] = dict(record)
                    continue
                waiting.append((place, image, load_image(self.root, image)))
            except FileError as error:
                out[place] = Rejected(key, STAGE, "no usable picture", str(error))
            except GroundedError as error:
                out[place] = Rejected(key, STAGE, "not a grounded image", str(error))
        if waiting:
            depths = self.estimator.estimate([picture for _, _, picture in waiting])
            for (place, image, _), depth in zip(waiting, depths, strict=True):
                out[place] = self._keep(image, depth)
        return out

    def _keep(self, image: GroundedImage, depth: np.ndarray) -> dict[str, Any] | Rejected:
        try:
            data, scale = encode_depth(depth, self.estimator.kind)
        except GeometryError as error:
            return Rejected(image.id, STAGE, error.reason, str(error))
        name = f"{self.folder}/{safe_name(image.id)}.png"
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        told = {**(image.provenance or {}), STAGE: self.estimator.name}
        file = DepthFile(name, self.estimator.kind, scale)
        return replace(image, depth=file, provenance=told).to_dict()


def make_estimate_stage(
    root: Path, folder: str, spec: str, kind: str | None = None, device: str = "cpu"
) -> EstimateStage:
    """The stage with its model loaded; a worker calls this once (:func:`load_estimator`)."""
    return EstimateStage(root, folder, load_estimator(spec, kind, device))


def tell_estimated(image: GroundedImage) -> dict[str, Any]:
    """What the provenance of a row says of where the image's depth is from.

    Returns:
        ``{"estimate": NAME}`` where an estimator or the stub made it, nothing where a sensor did.
    """
    told = image.provenance or {}
    return {STAGE: told[STAGE]} if STAGE in told else {}


def safe_name(key: str) -> str:
    """A file name for an id; ids that differ get names that differ."""
    plain = re.sub(r"[^A-Za-z0-9._-]", "_", key).lstrip(".")[:100]
    if plain == key:
        return plain
    return f"{plain}-{hashlib.sha256(key.encode()).hexdigest()[:8]}"


def _group_by_shape(pictures: Sequence[np.ndarray]) -> dict[tuple[int, ...], list[int]]:
    groups: dict[tuple[int, ...], list[int]] = {}
    for place, picture in enumerate(pictures):
        groups.setdefault(picture.shape, []).append(place)
    return groups
