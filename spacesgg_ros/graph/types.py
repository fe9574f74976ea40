"""Values that travel: camera frames, parsed model text and scene graphs.

All lengths are metres, all image coordinates pixels of the full-resolution colour image
(``x`` right, ``y`` down), all 3D coordinates in the camera's optical frame unless said
otherwise (REP 103: x right, y down, z forward), all times nanoseconds of the ROS clock.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, field

import numpy as np

BoxPx = tuple[float, float, float, float]
"""``(x_min, y_min, x_max, y_max)`` in pixels, max exclusive."""

BoxNorm = tuple[int, int, int, int]
"""``(x_min, y_min, x_max, y_max)``, integers 0..999 over the square-padded image (ASMv2)."""

Vector3 = tuple[float, float, float]


class GraphError(ValueError):
    """A value that cannot describe a frame or a graph; the message says what was expected."""


@dataclass(frozen=True)
class Intrinsics:
    """Pinhole intrinsics in pixels for an image of ``width`` x ``height`` (REP 104, ``K``).

    Raises:
        GraphError: a value is not finite or a focal length or size is not positive.
    """

    fx: float
    fy: float
    cx: float
    cy: float
    width: int
    height: int

    def __post_init__(self) -> None:
        values = (self.fx, self.fy, self.cx, self.cy)
        if not np.isfinite(values).all() or self.fx <= 0 or self.fy <= 0:
            raise GraphError(f"intrinsics need finite fx, fy, cx, cy and fx, fy > 0; got {values}")
        if self.width <= 0 or self.height <= 0:
            raise GraphError(f"intrinsics need a positive size; got {self.width}x{self.height}")

    def scaled_to(self, width: int, height: int) -> Intrinsics:
        """The same camera sampled at ``width`` x ``height`` pixels (pixel centres at .5)."""
        sx, sy = width / self.width, height / self.height
        return Intrinsics(
            self.fx * sx,
            self.fy * sy,
            (self.cx + 0.5) * sx - 0.5,
            (self.cy + 0.5) * sy - 0.5,
            width,
            height,
        )


@dataclass(frozen=True)
class RGBDFrame:
    """One camera frame.

    Attributes:
        stamp_ns: acquisition time.
        frame_id: TF name of the optical frame.
        rgb: ``(H, W, 3)`` uint8, RGB order.
        depth_m: ``(h, w)`` float32 metres along z, NaN where there is no reading
            (REP 117, 118); aligned with ``rgb``, maybe at another resolution. None: 2D only.
        intrinsics: of ``rgb``'s resolution; None: 2D only.
    """

    stamp_ns: int
    frame_id: str
    rgb: np.ndarray
    depth_m: np.ndarray | None = None
    intrinsics: Intrinsics | None = None


class TextIssueKind(enum.Enum):
    """What was wrong with a piece of model text."""

    BROKEN_BOX = "broken box"  # <box> content is not a JSON list of 4-number lists
    BOX_OUT_OF_RANGE = "box out of range"  # a coordinate outside 0..999
    EMPTY_BOX = "empty box"  # x_max <= x_min or y_max <= y_min
    UNKNOWN_BOX = "unknown box"  # a <pred> box that no <ref> named
    ODD_BOX_COUNT = "odd box count"  # a predicate with a subject list and no object list
    UNEQUAL_BOX_LISTS = "unequal box lists"  # n subjects against m objects, neither 1
    UNCLOSED_TAG = "unclosed tag"
    UNKNOWN_TAG = "unknown tag"
    BOX_WITHOUT_NAME = "box without name"  # <box> before any <ref> or <pred>
    REF_WITHOUT_BOX = "ref without box"
    EMPTY_NAME = "empty name"
    PRED_WITHOUT_BOX = "pred without box"


@dataclass(frozen=True)
class TextIssue:
    """One defect of a model text, at character ``offset``."""

    kind: TextIssueKind
    offset: int
    detail: str = ""


@dataclass(frozen=True)
class TextObject:
    """A named box of a model text. ``names``: every name the box was given, in order of use."""

    names: tuple[str, ...]
    box: BoxNorm
    layer: int = 0
    """The "Layer N:" the box first stood in (1 = nearest); 0 where the text has no layers."""

    @property
    def label(self) -> str:
        return self.names[0]


@dataclass(frozen=True)
class TextRelation:
    """A predicate between two objects, by their index in :attr:`TextGraph.objects`."""

    subject: int
    predicate: str
    object: int


@dataclass(frozen=True)
class TextGraph:
    """What a model text says: objects, relations and everything that was wrong with it."""

    objects: tuple[TextObject, ...] = ()
    relations: tuple[TextRelation, ...] = ()
    issues: tuple[TextIssue, ...] = ()


class RelationSource(enum.IntEnum):
    """What a relation rests on. Values equal ``SceneRelation.msg``'s constants."""

    MODEL = 1
    GEOMETRY = 2
    BOTH = 3
    CONTRADICTED = 4


class Viewpoint(enum.Enum):
    """From where left/right/front/behind are seen (``QueryRelations.srv``)."""

    CAMERA = "camera"
    LEFT = "left"
    RIGHT = "right"
    BACK = "back"


@dataclass(frozen=True)
class GroundExtent:
    """An object's intervals along gravity-aligned axes, from its depth pixels.

    The axes start at the camera: ``right`` and ``forward`` are the camera's x and z projected
    on the ground plane, ``up`` is the given unit vector (graph frame). A tilted camera makes
    the axis-aligned box of :class:`Extent3D` too tall to tell what rests on what; these
    intervals do not suffer from the tilt.

    Attributes:
        up: unit vector, camera optical frame.
        right, forward, height: ``(min, max)`` along the three axes, metres.
    """

    up: Vector3
    right: tuple[float, float]
    forward: tuple[float, float]
    height: tuple[float, float]


@dataclass(frozen=True)
class Extent3D:
    """Where an object is, from the depth pixels of its foreground.

    Attributes:
        position: centre, metres, in the frame the graph is expressed in.
        size: axis-aligned size along the same axes, metres.
        depth_min_m, depth_median_m, depth_max_m: robust near-cluster interval along z.
        spread_m: robust standard deviation (1.4826 MAD) of the near cluster's depth.
        valid_px: depth pixels the numbers rest on.
        ground: the same object along gravity-aligned axes; None where "up" is unknown.
    """

    position: Vector3
    size: Vector3
    depth_min_m: float
    depth_median_m: float
    depth_max_m: float
    spread_m: float
    valid_px: int
    ground: GroundExtent | None = None


@dataclass(frozen=True)
class SceneObject:
    """A node of the scene graph.

    Attributes:
        id: stable over the object's life, never reused, from 1.
        layer: depth layer, 1 = nearest; 0 = unknown (no depth, no layered text).
        extent: None where there is no valid depth: the object stays in the graph as 2D.
        confirmed_stamp_ns: image in which the model last named it.
    """

    id: int
    label: str
    box_px: BoxPx
    score: float = 1.0
    layer: int = 0
    extent: Extent3D | None = None
    confirmed_stamp_ns: int = 0


@dataclass(frozen=True)
class SceneRelation:
    """An edge of the scene graph with its evidence.

    Attributes:
        offset: subject centre minus object centre, metres, the graph's frame; None without depth.
        distance_m: gap between the two extents (0 when they touch or overlap); None without depth.
    """

    subject_id: int
    predicate: str
    object_id: int
    source: RelationSource
    score: float = 1.0
    offset: Vector3 | None = None
    distance_m: float | None = None


@dataclass(frozen=True)
class SceneGraph:
    """Objects and relations of one image.

    Attributes:
        keyframe_stamp_ns: image the model last read, 0: none yet.
        stage_ms: wall time of each stage, milliseconds.
        up: unit vector against gravity in the graph's frame, given or fitted; None: unknown.
    """

    stamp_ns: int
    frame_id: str
    width: int
    height: int
    objects: tuple[SceneObject, ...] = ()
    relations: tuple[SceneRelation, ...] = ()
    sequence: int = 0
    keyframe_stamp_ns: int = 0
    model_id: str = ""
    stage_ms: dict[str, float] = field(default_factory=dict)
    up: Vector3 | None = None

    def object_by_id(self, object_id: int) -> SceneObject | None:
        """The object with this id, or None."""
        return next((o for o in self.objects if o.id == object_id), None)
