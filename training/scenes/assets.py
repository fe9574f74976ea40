"""Furniture models: Debian's ``sweethome3d-furniture`` catalogues to meshes in metres, z up.

A library is a zip with a Java properties catalogue and Wavefront OBJ/MTL models. Only the
models that ``labels.yaml`` names are read; the decoded set is cached as one pickle, because
parsing takes a minute and drawing does not.
"""

from __future__ import annotations

import functools
import hashlib
import io
import pickle
import posixpath
import re
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import yaml
from PIL import Image

LIBRARY_DIR = Path("/usr/share/sweethome3d/furniture")
LABELS_FILE = Path(__file__).with_name("labels.yaml")
MAX_FACES = 5_000
MAX_TEXTURE_PX = 256
CACHE_FORMAT = 6

_EDGE_AND_FACE_WEIGHTS = np.array(
    [[0.5, 0.5, 0], [0, 0.5, 0.5], [0.5, 0, 0.5], [0.25, 0.75, 0], [0.75, 0.25, 0],
     [0, 0.25, 0.75], [0, 0.75, 0.25], [0.25, 0, 0.75], [0.75, 0, 0.25], [1 / 3, 1 / 3, 1 / 3]]
)  # fmt: skip

LICENCES = {
    "BlendSwap-CC-0": "CC0 1.0",
    "BlendSwap-CC-BY": "CC BY 3.0",
    "KatorLegaz": "CC BY 3.0 US",
    "Reallusion": "CC BY 3.0 US",
    "Scopia": "CC BY 3.0",
}


class AssetError(RuntimeError):
    """Furniture that is missing or cannot be read; the message says how to get it."""


@dataclass
class Material:
    """The part of an MTL material that the renderer uses. Colours are sRGB 0..1."""

    diffuse: tuple[float, float, float] = (0.8, 0.8, 0.8)
    specular: float = 0.0
    shininess: float = 0.0
    opacity: float = 1.0
    texture: np.ndarray | None = None
    """``(h, w, 4)`` uint8 RGBA, first row on top."""


@dataclass
class MeshPart:
    """Triangles of one material: vertices ``(n, 3)`` m, normals, uv, faces ``(m, 3)``."""

    vertices: np.ndarray
    normals: np.ndarray
    uv: np.ndarray
    faces: np.ndarray
    material: Material


@dataclass
class Model:
    """A named mesh standing on z = 0, centred on the z axis, in metres.

    ``unseen``: kept from training. ``variant``: not of the catalogue, see :mod:`.variants`.
    """

    key: str
    label: str
    parts: list[MeshPart]
    size: np.ndarray
    holds: str = ""
    role: str = "object"
    rests: bool = False
    unseen: bool = False
    variant: bool = False
    creator: str = ""
    hulls: list[np.ndarray] = field(default_factory=list)
    """Convex collision hulls, each ``(k, 3)`` points."""

    def vertices(self) -> np.ndarray:
        """All vertices, ``(n, 3)``."""
        return np.concatenate([part.vertices for part in self.parts])

    @functools.cached_property
    def outline(self) -> np.ndarray:
        """Vertices of the convex hull, ``(n, 3)``: enough for every extent in any pose."""
        from scipy.spatial import ConvexHull, QhullError

        vertices = np.unique(self.vertices().astype(float), axis=0)
        try:
            return vertices[ConvexHull(vertices).vertices]
        except QhullError:  # flat, so there is no hull with volume
            return vertices

    @functools.cached_property
    def surface_points(self) -> np.ndarray:
        """``(n, 3)`` points on vertices, edges and faces, dense enough to tell what is free."""
        samples = [self.vertices()]
        for part in self.parts:
            corners = part.vertices[part.faces]
            for weights in _EDGE_AND_FACE_WEIGHTS:
                samples.append(np.einsum("c,ncd->nd", weights, corners))
        return np.concatenate(samples)

    def top_plane(self) -> tuple[float, float]:
        """Height (m) and area (m^2) of the largest level surface that faces up."""
        heights, areas = [], []
        for part in self.parts:
            corners = part.vertices[part.faces].astype(float)
            normal = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]) / 2
            area = np.linalg.norm(normal, axis=1)
            # winding is unreliable, so the vertex normals say which side is up
            up = part.normals[part.faces].mean(1)[:, 2] > 0.7
            level = up & (np.abs(normal[:, 2]) > 0.97 * area) & (area > 0)
            heights.append(corners[level].mean(1)[:, 2])
            areas.append(area[level])
        height, area = np.concatenate(heights), np.concatenate(areas)
        if not len(height):
            return 0.0, 0.0
        bins = np.round(height / 0.01).astype(int)
        summed = np.bincount(bins, weights=area)
        best = int(summed.argmax())
        return float(height[bins == best].max()), float(summed[best])


def load_models(cache_dir: Path, labels_file: Path = LABELS_FILE) -> list[Model]:
    """Every model of the label map, decoded once and cached under ``cache_dir``.

    Raises:
        AssetError: the Debian package is not installed or a named model is not in it.
    """
    digest = hashlib.sha256(labels_file.read_bytes() + bytes([CACHE_FORMAT])).hexdigest()[:12]
    cache = cache_dir / f"furniture-{digest}.pkl"
    if cache.exists():
        with cache.open("rb") as file:
            models: list[Model] = pickle.load(file)
        return models
    models = list(_read_labelled(yaml.safe_load(labels_file.read_text())))
    cache_dir.mkdir(parents=True, exist_ok=True)
    temporary = cache.with_suffix(".tmp")
    temporary.write_bytes(pickle.dumps(models, protocol=pickle.HIGHEST_PROTOCOL))
    temporary.replace(cache)
    return models


def write_attribution(models: Iterable[Model], path: Path) -> None:
    """One line a model with creator and licence, as CC BY asks."""
    lines = [
        "# Attribution",
        "",
        "Rendered scenes use 3D models of the Sweet Home 3D furniture libraries (Debian package",
        "`sweethome3d-furniture`), scaled, stretched, recoloured and decimated. Licence texts:",
        "<https://creativecommons.org/publicdomain/zero/1.0/>,",
        "<https://creativecommons.org/licenses/by/3.0/>,",
        "<https://creativecommons.org/licenses/by/3.0/us/>.",
        "",
        "| class | model | creator | licence |",
        "|---|---|---|---|",
    ]
    for model in sorted(models, key=lambda m: (m.label, m.key)):
        library = model.key.split("/")[0]
        lines.append(
            f"| {model.label} | {model.key} | {model.creator or library} | {LICENCES[library]} |"
        )
    path.write_text("\n".join(lines) + "\n")


def _read_labelled(label_map: dict[str, dict]) -> Iterable[Model]:
    if not LIBRARY_DIR.is_dir():
        raise AssetError(
            f"no furniture in {LIBRARY_DIR}: `apt-get install sweethome3d-furniture` brings it"
        )
    libraries: dict[str, tuple[zipfile.ZipFile, dict[str, dict[str, str]]]] = {}
    for label, entry in label_map.items():
        for key in entry["models"]:
            library, model_id = key.split("/", 1)
            if library not in libraries:
                archive = zipfile.ZipFile(LIBRARY_DIR / f"{library}.sh3f")
                libraries[library] = archive, _read_catalogue(archive)
            archive, catalogue = libraries[library]
            if model_id not in catalogue:
                raise AssetError(f"{LABELS_FILE.name}: no model {key!r} in {library}.sh3f")
            item = catalogue[model_id]
            parts, size = _read_model(archive, item)
            scale = float(entry.get("scale", 1.0))
            for part in parts:
                part.vertices = (part.vertices * scale).astype(np.float32)
            model = Model(
                key=key,
                label=label,
                parts=parts,
                size=size * scale,
                holds=entry.get("holds", ""),
                role=entry.get("role", "object"),
                rests=bool(entry.get("rests", False)),
                unseen=key in entry.get("unseen", []),
                creator=item.get("creator", ""),
            )
            model.hulls = collision_hulls(model)
            yield model


def _read_catalogue(archive: zipfile.ZipFile) -> dict[str, dict[str, str]]:
    text = archive.read("PluginFurnitureCatalog.properties").decode("latin-1")
    items: dict[str, dict[str, str]] = {}
    for name, number, value in re.findall(r"(?m)^(\w+)#(\d+)=(.*)$", text):
        items.setdefault(number, {})[name] = value.strip()
    return {item["id"].split("#")[1]: item for item in items.values()}


def _read_model(
    archive: zipfile.ZipFile, item: dict[str, str]
) -> tuple[list[MeshPart], np.ndarray]:
    parts = _read_obj(archive, item["model"].lstrip("/"))
    rotation = np.eye(3)
    if "modelRotation" in item:
        rotation = np.array([float(v) for v in item["modelRotation"].split()]).reshape(3, 3)
    y_up_to_z_up = np.array([[1, 0, 0], [0, 0, -1], [0, 1, 0]], float) @ rotation
    everything = np.concatenate([part.vertices for part in parts]) @ y_up_to_z_up.T
    low, high = everything.min(0), everything.max(0)
    size = np.array([float(item[k]) for k in ("width", "depth", "height")]) / 100
    scale = size / np.maximum(high - low, 1e-9)
    origin = np.array([(low[0] + high[0]) / 2, (low[1] + high[1]) / 2, low[2]])
    faces_in_all = sum(len(part.faces) for part in parts)
    for part in parts:
        part.vertices = ((part.vertices @ y_up_to_z_up.T - origin) * scale).astype(np.float32)
        normals = (part.normals @ y_up_to_z_up.T) / scale
        length = np.linalg.norm(normals, axis=1, keepdims=True)
        part.normals = (normals / np.maximum(length, 1e-9)).astype(np.float32)
    if faces_in_all > MAX_FACES:
        _decimate(parts, size, MAX_FACES)
    return parts, size


def _read_obj(archive: zipfile.ZipFile, name: str) -> list[MeshPart]:
    """Fan-triangulated parts of a Wavefront OBJ, one a material."""
    positions: list[list[str]] = []
    texcoords: list[list[str]] = []
    normals: list[list[str]] = []
    materials: dict[str, Material] = {}
    faces: dict[str, list[list[tuple[int, int, int]]]] = {}
    current = ""
    for line in archive.read(name).decode("latin-1").splitlines():
        keyword, _, rest = line.strip().partition(" ")
        if keyword == "v":
            positions.append(rest.split()[:3])
        elif keyword == "vt":
            texcoords.append(rest.split()[:2])
        elif keyword == "vn":
            normals.append(rest.split()[:3])
        elif keyword == "mtllib":
            materials |= _read_mtl(archive, posixpath.join(posixpath.dirname(name), rest.strip()))
        elif keyword == "usemtl":
            current = rest.strip()
        elif keyword == "f":
            counts = (len(positions), len(texcoords), len(normals))
            corners = [_corner(token, counts) for token in rest.split()]
            triangles = faces.setdefault(current, [])
            for i in range(1, len(corners) - 1):
                triangles.append([corners[0], corners[i], corners[i + 1]])
    arrays = [
        np.array(rows, np.float32) if rows else np.zeros((1, width), np.float32)
        for rows, width in ((positions, 3), (texcoords, 2), (normals, 3))
    ]
    return [
        _indexed_part(np.array(triangles), *arrays, materials.get(material, Material()))
        for material, triangles in faces.items()
    ]


def _corner(token: str, counts: tuple[int, int, int]) -> tuple[int, int, int]:
    """Zero-based (position, uv, normal) indices of ``v/vt/vn``; -1 where absent."""
    indices = [-1, -1, -1]
    for axis, text in enumerate(token.split("/")[:3]):
        if text:
            value = int(text)
            indices[axis] = value - 1 if value > 0 else counts[axis] + value
    return indices[0], indices[1], indices[2]


def _indexed_part(
    triangles: np.ndarray,
    positions: np.ndarray,
    texcoords: np.ndarray,
    normals: np.ndarray,
    material: Material,
) -> MeshPart:
    corners, inverse = np.unique(triangles.reshape(-1, 3), axis=0, return_inverse=True)
    faces = inverse.reshape(-1, 3)
    vertices = positions[corners[:, 0]]
    uv = np.where(corners[:, 1:2] >= 0, texcoords[np.maximum(corners[:, 1], 0)], 0)
    given = np.where(corners[:, 2:3] >= 0, normals[np.maximum(corners[:, 2], 0)], 0)
    missing = np.linalg.norm(given, axis=1) < 1e-6
    if missing.any():
        given = given.copy()
        given[missing] = _vertex_normals(vertices, faces)[missing]
    return MeshPart(vertices, given, uv, faces, material)


def _vertex_normals(vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:
    edge_a = vertices[faces[:, 1]] - vertices[faces[:, 0]]
    edge_b = vertices[faces[:, 2]] - vertices[faces[:, 0]]
    face_normals = np.cross(edge_a, edge_b)
    summed = np.zeros_like(vertices)
    for corner in range(3):
        np.add.at(summed, faces[:, corner], face_normals)
    return summed / np.maximum(np.linalg.norm(summed, axis=1, keepdims=True), 1e-12)


def _read_mtl(archive: zipfile.ZipFile, name: str) -> dict[str, Material]:
    materials: dict[str, Material] = {}
    if name not in archive.namelist():
        return materials
    current = Material()
    for line in archive.read(name).decode("latin-1").splitlines():
        keyword, _, rest = line.strip().partition(" ")
        keyword, values = keyword.lower(), rest.split()
        if keyword == "newmtl":
            current = materials.setdefault(rest.strip(), Material())
        elif keyword == "kd":
            current.diffuse = (float(values[0]), float(values[1]), float(values[2]))
        elif keyword == "ks":
            current.specular = float(np.mean([float(v) for v in values[:3]]))
        elif keyword == "ns":
            current.shininess = float(values[0])
        elif keyword == "d":
            current.opacity = float(values[-1])
        elif keyword == "map_kd":
            path = posixpath.normpath(
                posixpath.join(posixpath.dirname(name), rest.strip().replace("\\", "/"))
            )
            if path in archive.namelist():
                image = Image.open(io.BytesIO(archive.read(path))).convert("RGBA")
                image.thumbnail((MAX_TEXTURE_PX, MAX_TEXTURE_PX))
                current.texture = np.asarray(image)
    return materials


def _decimate(parts: list[MeshPart], size: np.ndarray, max_faces: int) -> None:
    """Merge vertices on a growing grid until the model has at most ``max_faces`` faces.

    Clustering keeps normals and uv of a representative vertex, which is good enough for
    objects of some hundred pixels and cannot fail on broken topology.
    """
    cell = float(size.max()) / 96
    while sum(len(part.faces) for part in parts) > max_faces:
        for part in parts:
            keys = np.round(part.vertices / cell).astype(np.int64)
            facing = np.round(part.normals).astype(np.int64)
            _, first, inverse = np.unique(
                np.hstack([keys, facing]), axis=0, return_index=True, return_inverse=True
            )
            faces = inverse.reshape(-1)[part.faces]
            keep = (
                (faces[:, 0] != faces[:, 1])
                & (faces[:, 1] != faces[:, 2])
                & (faces[:, 0] != faces[:, 2])
            )
            part.vertices, part.normals = part.vertices[first], part.normals[first]
            part.uv, part.faces = part.uv[first], np.unique(faces[keep], axis=0)
        cell *= 1.25
    parts[:] = [part for part in parts if len(part.faces)]


def collision_hulls(model: Model, max_points: int = 48) -> list[np.ndarray]:
    """Convex hulls for physics: one, or a floor and a ring of wall wedges for a container."""
    vertices = model.vertices().astype(float)
    if model.holds != "container":
        return [_hull_points(vertices, max_points)]
    hulls = []
    height = vertices[:, 2].max()
    azimuth = np.arctan2(vertices[:, 1], vertices[:, 0])
    radius = np.hypot(vertices[:, 0], vertices[:, 1])
    floor = vertices[vertices[:, 2] < 0.25 * height]
    if len(floor) > 8:
        hulls.append(_hull_points(floor, max_points))
    wedges = 10
    for k in range(wedges):
        start = -np.pi + 2 * np.pi * k / wedges
        inside = (azimuth >= start - 0.05) & (azimuth <= start + 2 * np.pi / wedges + 0.05)
        wall = vertices[inside & (radius > 0.55 * radius.max())]
        if len(wall) > 6 and np.ptp(wall, axis=0).min() > 1e-4:
            hulls.append(_hull_points(wall, 24))
    return hulls or [_hull_points(vertices, max_points)]


def _hull_points(points: np.ndarray, max_points: int) -> np.ndarray:
    """At most ``max_points`` well-spread vertices of the convex hull (farthest-point order)."""
    from scipy.spatial import ConvexHull, QhullError

    points = np.unique(np.round(points, 4), axis=0)
    centred = points - points.mean(0)
    axis = np.linalg.svd(centred[:: len(points) // 4000 + 1], full_matrices=False)[2][-1]
    if np.ptp(centred @ axis) < 0.004:  # a sheet has no volume: give it 4 mm
        points = np.concatenate([points + 0.002 * axis, points - 0.002 * axis])
    try:
        points = points[ConvexHull(points).vertices]
    except QhullError:
        low, high = points.min(0) - 0.002, points.max(0) + 0.002
        corners = np.stack(np.meshgrid(*zip(low, high, strict=True)), -1)
        return corners.reshape(-1, 3)
    if len(points) <= max_points:
        return points
    chosen = [int(points[:, 0].argmax())]
    distance = np.full(len(points), np.inf)
    for _ in range(max_points - 1):
        distance = np.minimum(distance, ((points - points[chosen[-1]]) ** 2).sum(1))
        chosen.append(int(distance.argmax()))
    return points[chosen]
