"""Write rendered frames as WebDataset tar shards: reproducible from a seed, resumable.

A frame is five members of a shard: ``KEY.jpg`` (colour), ``KEY.depth.png`` (16-bit
millimetres, noise-free), ``KEY.holes.png`` (1-bit: glass, black and mirrors, of which a depth
camera gets no reading), ``KEY.instances.png`` (8-bit, 0 = surroundings, object index + 1) and
``KEY.json`` (camera, objects, relations; see :mod:`.truth`). A shard is written whole or not
at all, so an interrupted run goes on where it stopped.
"""

from __future__ import annotations

import functools
import io
import json
import multiprocessing
import os
import tarfile
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

import cv2
import numpy as np

from .assets import load_models, write_attribution
from .layout import SceneSampler, sample_table_camera
from .renderer import Camera, Renderer
from .rooms import RoomSampler, sample_room_camera
from .scene import Scene, sample_light
from .truth import Truth, derive_truth
from .variants import vary

SPLITS = ("train", "val", "test-seen", "demo", "test-unseen-models", "test-rooms")
"""In the order of their seeds: append only, or every split changes."""
TRAIN_SPLIT = "train"
"""The only one with :mod:`.variants` of the models."""
UNSEEN_SPLIT = "test-unseen-models"
SCENES_PER_SHARD = 50
_DISPARITY_STEP = 0.001
"""Inverse metres: a millimetre of depth at one metre, 16 at four."""


@dataclass(frozen=True)
class SceneSetConfig:
    """What to render. ``frames`` is rounded up to whole shards."""

    split: str
    frames: int
    seed: int = 0
    width: int = 320
    height: int = 240
    views_per_scene: int = 3
    supersample: int = 1

    def __post_init__(self) -> None:
        if self.split not in SPLITS:
            raise ValueError(f"unknown split {self.split!r}; one of {', '.join(SPLITS)}")
        if self.frames < 1:
            raise ValueError(f"frames must be at least 1, got {self.frames}")

    @property
    def frames_per_shard(self) -> int:
        return SCENES_PER_SHARD * self.views_per_scene

    @property
    def shards(self) -> int:
        return -(-self.frames // self.frames_per_shard)

    def shard_paths(self, out_dir: Path) -> list[Path]:
        """Where the shards lie, whether they exist or not."""
        return [out_dir / f"{self.split}-{k:05d}.tar" for k in range(self.shards)]

    def scene_rng(self, scene_index: int) -> np.random.Generator:
        """The generator of one scene. The split is part of the seed, so no two splits share
        a scene."""
        key = [self.seed, SPLITS.index(self.split), scene_index]
        return np.random.default_rng(np.random.SeedSequence(key))

    def kind(self, scene_index: int) -> str:
        """``tabletop`` or ``room``: two rooms in five scenes where a split mixes them."""
        if self.split in ("test-seen", "demo"):
            return "tabletop"
        if self.split == "test-rooms":
            return "room"
        return "room" if scene_index * 2 % 5 < 2 else "tabletop"


@dataclass(frozen=True)
class Frame:
    """One rendered view with its ground truth."""

    key: str
    rgb: np.ndarray
    depth_m: np.ndarray
    holes: np.ndarray
    """``(H, W)`` bool: where a depth camera would get no reading."""
    instances: np.ndarray
    scene: Scene
    camera: Camera
    truth: Truth
    jpeg_quality: int


def render_frames(config: SceneSetConfig, scene_indices: range, cache_dir: Path) -> Iterator[Frame]:
    """Frames of some scenes, rendered in this process."""
    studio = _studio(cache_dir, config.split, config.width, config.height, config.supersample)
    for scene_index in scene_indices:
        rng = config.scene_rng(scene_index)
        kind = config.kind(scene_index)
        scene = studio.samplers[kind].sample(rng)
        for view in range(config.views_per_scene):
            camera = _CAMERAS[kind](rng, scene, config.width, config.height)
            rgb, depth, ids, holes = studio.renderer.render(
                scene.drawables, camera, sample_light(rng), scene.centre, scene.radius_m
            )
            whole = functools.partial(_whole_pixels, studio.renderer, scene, camera)
            truth = derive_truth(scene, camera, depth, ids, whole)
            key = f"{config.split}-{scene_index:06d}-{view}"
            quality = int(rng.integers(60, 96))
            yield Frame(key, expose(rgb, rng), depth, holes, ids, scene, camera, truth, quality)


@dataclass(frozen=True)
class _Studio:
    samplers: dict[str, SceneSampler | RoomSampler]
    renderer: Renderer


_CAMERAS = {"tabletop": sample_table_camera, "room": sample_room_camera}


@functools.lru_cache(maxsize=2)
def _studio(cache_dir: Path, split: str, width: int, height: int, supersample: int) -> _Studio:
    """Models and renderer of this process: made once, since both are large."""
    models = [m for m in load_models(cache_dir) if m.unseen == (split == UNSEEN_SPLIT)]
    if split == TRAIN_SPLIT:
        models += vary(models)
    samplers: dict[str, SceneSampler | RoomSampler] = {
        "tabletop": SceneSampler(models),
        "room": RoomSampler(models),
    }
    return _Studio(samplers, Renderer(width, height, supersample))


def _whole_pixels(
    renderer: Renderer, scene: Scene, camera: Camera, instance: int
) -> tuple[int, int]:
    drawables = [d for d in scene.drawables if d.instance == instance]
    return renderer.amodal_pixels(drawables, camera)


def expose(rgb: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Lens blur, exposure, white balance, contrast and sensor noise of a small camera."""
    image: np.ndarray = rgb.astype(np.float32)
    if rng.random() < 0.6:
        image = cv2.GaussianBlur(image, (0, 0), float(rng.uniform(0.3, 0.9)))
    gain = rng.uniform(0.7, 1.3) * (1 + rng.uniform(-0.08, 0.08, 3))
    image = 255 * np.clip(image / 255 * gain, 0, 1) ** rng.uniform(0.85, 1.15)
    noise = rng.normal(size=image.shape) * rng.uniform(0, 5)
    return np.clip(image + noise, 0, 255).astype(np.uint8)


def add_depth_noise(
    depth_m: np.ndarray, rng: np.random.Generator, holes: np.ndarray | None = None
) -> np.ndarray:
    """Depth as a consumer RGB-D camera gives it, float32 metres, 0 = no reading.

    Axial noise ``1.2 mm + 1.9 mm (z - 0.4)^2`` (Nguyen et al. 2012); equal steps of disparity as
    a stereo camera has them, 1 mm at 1 m and growing with the square of the range, but never
    finer than a millimetre; most pixels at depth edges lost; nothing nearer than 0.2 m or
    beyond 6 m.

    Args:
        holes: ``(H, W)`` bool, glass, black and mirrors: most of it lost, in patches of 4 px.
    """
    z = depth_m.astype(np.float64)
    z = z + rng.normal(size=z.shape) * (0.0012 + 0.0019 * (z - 0.4) ** 2)
    disparity = np.round(1 / np.maximum(z, 0.01) / _DISPARITY_STEP) * _DISPARITY_STEP
    z = np.round(1 / np.maximum(disparity, _DISPARITY_STEP), 3)
    jump = np.zeros(z.shape, bool)
    for axis in (0, 1):
        step = np.abs(np.diff(depth_m, axis=axis)) > 0.02
        pad = [(0, 0), (0, 0)]
        pad[axis] = (0, 1)
        jump |= np.pad(step, pad)
        pad[axis] = (1, 0)
        jump |= np.pad(step, pad)
    lost = (jump & (rng.random(z.shape) < 0.75)) | (depth_m < 0.2) | (depth_m > 6.0)
    if holes is not None:
        height, width = depth_m.shape
        patches = rng.random((-(-height // 4), -(-width // 4))) < 0.8
        lost |= holes & patches.repeat(4, axis=0).repeat(4, axis=1)[:height, :width]
    return np.where(lost, 0, z).astype(np.float32)


def write_scenes(
    config: SceneSetConfig, out_dir: Path, cache_dir: Path, jobs: int = 2
) -> Iterator[Path]:
    """Render the missing shards of a split and yield each path as it is complete.

    Raises:
        ValueError: the folder holds shards of this split that were rendered otherwise.
    """
    out_dir.mkdir(parents=True, exist_ok=True)
    _check_same_kind(config, out_dir)
    models = load_models(cache_dir)
    write_attribution(models, out_dir / "ATTRIBUTION.md")
    (out_dir / f"{config.split}.json").write_text(json.dumps(asdict(config), indent=1) + "\n")
    shards = list(enumerate(config.shard_paths(out_dir)))
    missing = [(k, path) for k, path in shards if not path.exists()]
    yield from (path for _, path in shards if path.exists())
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(max(1, jobs), mp_context=context, initializer=_one_gl_thread) as pool:
        tasks = [pool.submit(_write_shard, config, k, path, cache_dir) for k, path in missing]
        for task in tasks:
            yield task.result()


def _check_same_kind(config: SceneSetConfig, out_dir: Path) -> None:
    """Shards of another seed or size would silently be taken for this run's."""
    note = out_dir / f"{config.split}.json"
    if not note.exists() or not any(path.exists() for path in config.shard_paths(out_dir)):
        return
    held, wanted = json.loads(note.read_text()), asdict(config)
    different = sorted(k for k in wanted if k != "frames" and held.get(k) != wanted[k])
    if different:
        was = ", ".join(f"{k}={held.get(k)} (now {wanted[k]})" for k in different)
        raise ValueError(
            f"{out_dir} holds {config.split} shards rendered with {was}: "
            "give another folder, or delete them"
        )


def _one_gl_thread() -> None:
    """One software-rasteriser thread a process: processes scale better than its threads."""
    os.environ["LP_NUM_THREADS"] = "1"


def _write_shard(config: SceneSetConfig, shard: int, path: Path, cache_dir: Path) -> Path:
    scenes = range(shard * SCENES_PER_SHARD, (shard + 1) * SCENES_PER_SHARD)
    temporary = path.with_suffix(".tmp")
    with tarfile.open(temporary, "w") as tar:
        for frame in render_frames(config, scenes, cache_dir):
            for suffix, payload in frame_members(frame):
                info = tarfile.TarInfo(f"{frame.key}.{suffix}")
                info.size = len(payload)
                tar.addfile(info, io.BytesIO(payload))
    temporary.replace(path)
    return path


def frame_members(frame: Frame) -> Iterator[tuple[str, bytes]]:
    """``(suffix, bytes)`` of a frame's files in a shard, the record last."""
    millimetres = np.clip(frame.depth_m * 1000, 0, 65535).round().astype(np.uint16)
    bgr = cv2.cvtColor(frame.rgb, cv2.COLOR_RGB2BGR)
    yield (
        "jpg",
        cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, frame.jpeg_quality])[1].tobytes(),
    )
    yield "depth.png", _png(millimetres)
    yield "holes.png", _png(frame.holes.astype(np.uint8) * 255, bilevel=True)
    yield "instances.png", _png(frame.instances.astype(np.uint8))
    yield "json", json.dumps(frame_record(frame), separators=(",", ":")).encode()


def _png(image: np.ndarray, bilevel: bool = False) -> bytes:
    options = [cv2.IMWRITE_PNG_COMPRESSION, 1, cv2.IMWRITE_PNG_BILEVEL, int(bilevel)]
    return cv2.imencode(".png", image, options)[1].tobytes()


def frame_record(frame: Frame) -> dict:
    """The JSON of a frame: camera, objects and relations in plain types."""
    k = frame.camera.intrinsics
    return {
        "key": frame.key,
        "kind": frame.scene.kind,
        "width": k.width,
        "height": k.height,
        "intrinsics": [k.fx, k.fy, k.cx, k.cy],
        "camera_to_world": np.round(frame.camera.pose, 6).tolist(),
        "objects": [asdict(o) for o in frame.truth.objects],
        "relations": [list(r) for r in frame.truth.relations],
        "ambiguous": [list(p) for p in frame.truth.ambiguous],
        "ignored": [asdict(o) for o in frame.truth.ignored],
    }


def read_shards(paths: list[Path], images: bool = True) -> Iterator[tuple[dict, dict[str, bytes]]]:
    """``(record, {suffix: bytes})`` of every frame, in order; bytes only if ``images``."""
    for path in paths:
        with tarfile.open(path) as tar:
            payloads: dict[str, bytes] = {}
            for member in tar:
                _, suffix = member.name.split(".", 1)
                file = tar.extractfile(member)
                if file is None or (suffix != "json" and not images):
                    continue
                payloads[suffix] = file.read()
                if suffix == "json":
                    yield json.loads(payloads.pop("json")), payloads
                    payloads = {}
