"""The measuring stage: depth in, measured objects, layers and orders out (SpaceSGG, stage 1)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from spacesgg_ros.graph.ground import ground_axes
from spacesgg_ros.graph.types import Vector3
from spacesgg_ros.training.data.grounded import (
    GroundedError,
    GroundedImage,
    GroundedObject,
    Measured,
)
from spacesgg_ros.training.data.rejected import Rejected
from spacesgg_ros.training.data.sources.masks import MaskError

from .depth_reading import MAX_DEPTH_M, read_depth
from .errors import GeometryError
from .intervals import Spans, measure_spans, sample_objects
from .layers import group_layers
from .orders import find_gaps, pair_neighbours, tell_orders
from .points import ASSUMED_FOV_DEG, assume_camera, pose_matrix

STAGE = "measure"
_SIGNIFICANT = 5


@dataclass(frozen=True)
class MeasureConfig:
    """How objects are measured and ordered.

    Attributes:
        samples: readings used of an object at most.
        least_readings: an object with fewer has no measure.
        tail: share of an object's readings beyond each end of its intervals.
        dead_band_m: metric depth only: gaps up to this order nothing, metres.
        dead_band_share: in any unit: nor do gaps up to this share of the objects' distance.
        neighbours: an object is ordered against so many nearest ones.
        max_depth_m: metric depth from here on is no reading.
        assumed_fov_deg: horizontal field of view where an image has no intrinsics. It scales
            left, right, up and down against depth and changes no order's direction.
        world_up: against gravity in the frame of ``camera_to_world`` (REP 103: z).
    """

    samples: int = 512
    least_readings: int = 8
    tail: float = 0.05
    dead_band_m: float = 0.03
    dead_band_share: float = 0.02
    neighbours: int = 12
    max_depth_m: float = MAX_DEPTH_M
    assumed_fov_deg: float = ASSUMED_FOV_DEG
    world_up: Vector3 = (0.0, 0.0, 1.0)

    def __post_init__(self) -> None:
        if not 1 <= self.least_readings <= self.samples or self.neighbours < 1:
            raise ValueError(
                "measuring needs 1 <= least_readings <= samples and neighbours >= 1; got "
                f"{self.least_readings}, {self.samples}, {self.neighbours}"
            )
        if not 0 <= self.tail < 0.5 or not 0 < self.assumed_fov_deg < 180:
            raise ValueError(
                "measuring needs 0 <= tail < 0.5 and 0 < assumed_fov_deg < 180; got "
                f"{self.tail}, {self.assumed_fov_deg}"
            )
        if min(self.dead_band_m, self.dead_band_share) < 0 or self.max_depth_m <= 0:
            raise ValueError("measuring needs dead bands >= 0 and max_depth_m > 0")


DEFAULT_MEASURE = MeasureConfig()


def measure_image(
    image: GroundedImage, root: Path, config: MeasureConfig = DEFAULT_MEASURE
) -> GroundedImage:
    """The image with ``objects[].measured``, ``layers`` and ``orders`` filled in.

    "Up" comes from ``camera_to_world`` where there is one, else from the picture. Without
    intrinsics orders rest on an assumed field of view and objects have no position; the
    provenance says which it was. Objects without enough readings stay, unmeasured.

    Raises:
        GeometryError: its depth or a mask cannot be used; says why.
    """
    return measure_depth(image, read_depth(image, root, config.max_depth_m), config)


def measure_depth(
    image: GroundedImage, depth: np.ndarray, config: MeasureConfig = DEFAULT_MEASURE
) -> GroundedImage:
    """:func:`measure_image` with the depth already read.

    Args:
        depth: ``(height, width)`` distances, NaN for no reading.

    Raises:
        GeometryError: a mask cannot be used, or the pose is none.
    """
    camera = image.camera or assume_camera(image.width, image.height, config.assumed_fov_deg)
    try:
        samples = sample_objects(
            depth, image.objects, camera.scaled_to(image.width, image.height), config.samples
        )
    except MaskError as error:
        raise GeometryError("bad mask", str(error)) from error
    spans = measure_spans(samples, view_axes(image, config), config.least_readings, config.tail)
    metric = image.depth is not None and image.depth.kind == "metric"
    decimals = _decimals(spans.depth[:, 1])
    band = config.dead_band_share * spans.depth[:, 1]
    if metric:
        band = np.maximum(band, config.dead_band_m)
    pairs = pair_neighbours(spans.position, config.neighbours)
    gaps = find_gaps(spans.seen_low, spans.seen_high, band, pairs)
    return replace(
        image,
        objects=_with_measures(image, spans, decimals),
        layers=group_layers(spans.depth),
        orders=tell_orders(gaps, decimals),
        provenance={**(image.provenance or {}), STAGE: _provenance(image, spans, config)},
    )


def view_axes(image: GroundedImage, config: MeasureConfig = DEFAULT_MEASURE) -> np.ndarray:
    """Rows right, forward, up in the optical frame: on the ground if the pose is known.

    Raises:
        GeometryError: the pose is not 4 x 4 or its rotation not orthonormal.
    """
    if image.camera_to_world is None:
        return ground_axes(None)
    return ground_axes(up_in_camera(pose_matrix(image), config.world_up))


def up_in_camera(pose: np.ndarray, world_up: Vector3) -> Vector3:
    """The world's up as the camera's optical frame sees it."""
    x, y, z = (float(v) for v in pose[:3, :3].T @ np.array(world_up))
    return (x, y, z)


def _with_measures(image: GroundedImage, spans: Spans, decimals: int) -> tuple[GroundedObject, ...]:
    columns = (spans.depth, spans.position, spans.low, spans.high)
    depth, position, low, high = (np.round(c, decimals).tolist() for c in columns)
    placed = image.camera is not None
    things = []
    for i, thing in enumerate(image.objects):
        measured = None
        if spans.known[i]:
            measured = Measured(
                depth=tuple(depth[i]),
                position=tuple(position[i]) if placed else None,
                low=tuple(low[i]) if placed else None,
                high=tuple(high[i]) if placed else None,
                readings=int(spans.readings[i]),
            )
        things.append(replace(thing, measured=measured))
    return tuple(things)


def _decimals(depth: np.ndarray) -> int:
    """Decimals that keep five digits of the median distance: 0.1 mm at a metre."""
    known = depth[np.isfinite(depth)]
    if not known.size:
        return 0
    return _SIGNIFICANT - 1 - math.floor(math.log10(float(np.median(known))))


def _provenance(image: GroundedImage, spans: Spans, config: MeasureConfig) -> dict[str, Any]:
    return {
        "depth": image.depth.kind if image.depth else "metric",
        "up": "pose" if image.camera_to_world is not None else "camera",
        "camera": "given" if image.camera else f"assumed {config.assumed_fov_deg:g} deg wide",
        "unmeasured": int((~spans.known).sum()),
    }


@dataclass(frozen=True)
class MeasureStage:
    """:func:`measure_image` over a batch of JSON records; what it cannot measure comes out
    as a :class:`Rejected`."""

    root: Path
    config: MeasureConfig = field(default_factory=MeasureConfig)

    def __call__(self, batch: Sequence[Mapping[str, Any]]) -> list[dict[str, Any] | Rejected]:
        """One out for each one in, in order."""
        return [self._measure(record) for record in batch]

    def _measure(self, record: Mapping[str, Any]) -> dict[str, Any] | Rejected:
        key = str(record.get("id", ""))
        try:
            image = GroundedImage.from_dict(record)
            return measure_image(image, self.root, self.config).to_dict()
        except GeometryError as error:
            return Rejected(key, STAGE, error.reason, str(error))
        except GroundedError as error:
            return Rejected(key, STAGE, "not a grounded image", str(error))
