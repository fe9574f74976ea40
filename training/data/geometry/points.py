"""Depth to coloured point clouds, and clouds to files that other programs read.

SpaceSGG stage 1 projects ``x = (u - cx) z / fx``, ``y = (v - cy) z / fy`` and moves the points by
the camera's pose. Here the whole image at once, in two layouts: *structured* keeps the image's
grid (``H x W x 3``, NaN where there is no reading), *unstructured* lists the readings only.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from spacesgg_ros.graph.types import Intrinsics
from spacesgg_ros.training.data.grounded import GroundedImage
from spacesgg_ros.training.data.sources.files import load_image

from .depth_reading import read_depth
from .errors import GeometryError

ASSUMED_FOV_DEG = 60.0
"""Horizontal field of view of a camera that nobody described."""

_VERTEX = np.dtype([("xyz", "V12"), ("rgb", "V3")])
"""Three floats and three bytes, moved as they are: several times faster than one by one."""
_PROPERTIES = (
    *(f"property float {axis}" for axis in "xyz"),
    *(f"property uchar {colour}" for colour in ("red", "green", "blue")),
)


@dataclass(frozen=True)
class Cloud:
    """Points and their colours.

    Attributes:
        xyz: ``(H, W, 3)`` structured, NaN for no reading, or ``(N, 3)`` readings only; float32.
        rgb: uint8 of the same shape, red first.
    """

    xyz: np.ndarray
    rgb: np.ndarray

    def __iter__(self) -> Iterator[np.ndarray]:
        return iter((self.xyz, self.rgb))

    def readings(self) -> Cloud:
        """The unstructured cloud: points that were read, row by row."""
        if self.xyz.ndim == 2:
            return self
        known = ~np.isnan(self.xyz[..., 2]).ravel()
        return Cloud(*(_whole(part)[known].view(part.dtype).reshape(-1, 3) for part in self))


def assume_camera(width: int, height: int, fov_deg: float = ASSUMED_FOV_DEG) -> Intrinsics:
    """Intrinsics of a camera with this horizontal field of view and square, centred pixels."""
    focal = 0.5 * width / math.tan(math.radians(0.5 * fov_deg))
    return Intrinsics(focal, focal, 0.5 * (width - 1), 0.5 * (height - 1), width, height)


def back_project(
    depth: np.ndarray, camera: Intrinsics, camera_to_world: np.ndarray | None = None
) -> np.ndarray:
    """Every pixel's point.

    Args:
        depth: ``(H, W)`` distance along the optical axis, NaN for no reading.
        camera: intrinsics; brought to the depth's resolution if that is another.
        camera_to_world: ``(4, 4)`` rigid pose; None leaves the points in the optical frame
            (x right, y down, z forward).

    Returns:
        ``(H, W, 3)`` float32 in the unit of ``depth``, all NaN where there is no reading.
    """
    rows, columns = depth.shape
    at = camera.scaled_to(columns, rows)
    across = ((np.arange(columns) - at.cx) / at.fx).astype(np.float32)
    down = ((np.arange(rows) - at.cy) / at.fy).astype(np.float32)
    points = np.empty((rows, columns, 3), np.float32)
    pose = np.eye(4) if camera_to_world is None else camera_to_world
    for axis, (a, b, c, shift) in enumerate(np.asarray(pose, np.float32)[:3]):
        # R (x, y, 1) z + t, where x is the same down a column and y along a row.
        points[..., axis] = (a * across + (b * down + c)[:, None]) * depth + shift
    return points


def pose_matrix(image: GroundedImage) -> np.ndarray:
    """``camera_to_world`` as ``(4, 4)`` float64.

    Raises:
        GeometryError: there is none, it is not 4 x 4, or its rotation is not orthonormal.
    """
    if image.camera_to_world is None:
        raise GeometryError("no pose", f"{image.id} has no camera_to_world")
    try:
        pose = np.array(image.camera_to_world, np.float64)
    except (TypeError, ValueError):
        pose = np.empty(0)
    if pose.shape != (4, 4) or not np.allclose(pose[:3, :3] @ pose[:3, :3].T, np.eye(3), atol=1e-3):
        raise GeometryError(
            "bad pose", f"camera_to_world must be a 4 x 4 pose; got {image.camera_to_world}"
        )
    return pose


def make_cloud(image: GroundedImage, root: Path, world: bool = False) -> Cloud:
    """The structured cloud of an image, in the optical frame or the world's.

    Without intrinsics the camera is :func:`assume_camera`'s, as where objects are measured.

    Raises:
        GeometryError: no pose for the world's frame, or unusable depth.
        FileError: the picture cannot be read.
    """
    camera = image.camera or assume_camera(image.width, image.height)
    pose = pose_matrix(image) if world else None
    xyz = back_project(read_depth(image, root), camera, pose)
    return Cloud(xyz, load_image(root, image))


def write_ply(path: Path, cloud: Cloud) -> int:
    """Binary little-endian PLY: x y z float, red green blue uchar. Returns the vertices written.

    A structured cloud keeps all its vertices, missing ones as NaN, and says its grid in
    ``obj_info num_cols`` and ``num_rows``, as range scans do.
    """
    lines = ["ply", "format binary_little_endian 1.0"]
    if cloud.xyz.ndim == 3:
        rows, columns = cloud.xyz.shape[:2]
        lines += [f"obj_info num_cols {columns}", f"obj_info num_rows {rows}"]
    vertices = np.empty(cloud.xyz.size // 3, _VERTEX)
    vertices["xyz"], vertices["rgb"] = map(_whole, cloud)
    lines += [f"element vertex {len(vertices)}", *_PROPERTIES, "end_header"]
    with Path(path).open("wb") as file:
        file.write(("\n".join(lines) + "\n").encode("ascii"))
        file.write(vertices.data)
    return len(vertices)


def _whole(triples: np.ndarray) -> np.ndarray:
    """``(..., 3)`` as ``(N,)`` opaque items of three values, little endian."""
    plain = np.ascontiguousarray(triples, triples.dtype.newbyteorder("<"))
    return plain.reshape(-1, 3).view(f"V{3 * plain.itemsize}")[:, 0]


def write_npz(path: Path, cloud: Cloud) -> int:
    """NPZ with ``xyz`` float32 and ``rgb`` uint8 of the cloud's shape. Returns its points."""
    with Path(path).open("wb") as file:
        np.savez(file, xyz=cloud.xyz, rgb=cloud.rgb)
    return cloud.xyz.size // 3
