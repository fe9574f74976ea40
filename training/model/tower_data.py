"""Rendered frames as tensors for the tower: cached features and dense targets."""

from __future__ import annotations

import io
import json
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import nn

from spacesgg_ros.training.scenes.dataset import read_shards
from spacesgg_ros.vlm.backbone import Backbone
from spacesgg_ros.vlm.tower import STRIDE

IMAGE_MEAN = 127 / 255
IMAGE_STD = 128 / 255
FROZEN_STAGES = 3
"""The first stages of the backbone stay as ImageNet taught them; the rest is tuned."""
_COARSEST = 32
"""Pixels of a cell of the backbone's coarsest map."""


@dataclass(frozen=True)
class Boxes:
    """Objects of a frame.

    Attributes:
        labels: ``(n,)`` class ids. boxes: ``(n, 4)`` px. distance_m: ``(n,)``.
        ignored: ``(m, 4)`` px, things that are neither taught nor wrong to find.
    """

    labels: np.ndarray
    boxes: np.ndarray
    distance_m: np.ndarray
    ignored: np.ndarray


def load_labels(shard_dir: Path) -> list[str]:
    """Every label of a rendered set, sorted: the class ids of the tower."""
    shards = sorted(shard_dir.glob("train-*.tar"))
    records = (r for r, _ in read_shards(shards, images=False))
    return sorted({o["label"] for r in records for o in r["objects"]})


def square_pixels(jpeg: bytes, side: int) -> np.ndarray:
    """``(3, side, side)`` float32, padded to a square with the mean colour and normalised."""
    image = Image.open(io.BytesIO(jpeg)).convert("RGB")
    longest = max(image.size)
    canvas = Image.new("RGB", (longest, longest), (127, 127, 127))
    canvas.paste(image, ((longest - image.width) // 2, (longest - image.height) // 2))
    if longest != side:
        canvas = canvas.resize((side, side), Image.Resampling.BICUBIC)
    pixels = np.asarray(canvas, np.float32) / 255
    return ((pixels - IMAGE_MEAN) / IMAGE_STD).transpose(2, 0, 1)


@dataclass(frozen=True)
class Window:
    """The part of the padded square that holds the picture, in whole cells of every map, px."""

    left: int
    top: int
    right: int
    bottom: int

    @staticmethod
    def of(width: int, height: int, side: int) -> Window:
        """For pictures of ``width`` x ``height`` padded to a square and resized to ``side``."""
        longest = max(width, height)
        start_x, start_y = ((longest - n) // 2 * side / longest for n in (width, height))
        left, top = (int(v // _COARSEST) * _COARSEST for v in (start_x, start_y))
        return Window(left, top, side - left, side - top)

    @property
    def slices(self) -> tuple[slice, slice]:
        """Rows and columns of the window in the stride-8 maps of the whole square."""
        return (
            slice(self.top // STRIDE, self.bottom // STRIDE),
            slice(self.left // STRIDE, self.right // STRIDE),
        )


def boxes_of(record: dict, class_ids: dict[str, int], side: int) -> Boxes:
    """Objects of a frame record, boxes in pixels of the window of its padded, resized square."""
    longest = max(record["width"], record["height"])
    window = Window.of(record["width"], record["height"], side)
    dx = (longest - record["width"]) // 2
    dy = (longest - record["height"]) // 2

    def place(boxes_px: list) -> np.ndarray:
        boxes = np.array(boxes_px, np.float32).reshape(-1, 4)
        boxes = (boxes + np.array([dx, dy, dx, dy], np.float32)) * (side / longest)
        return boxes - np.array([window.left, window.top] * 2, np.float32)

    objects = [o for o in record["objects"] if o["label"] in class_ids]
    return Boxes(
        np.array([class_ids[o["label"]] for o in objects], np.int64),
        place([o["box_px"] for o in objects]),
        np.array([o["depth_m"][1] for o in objects], np.float32),
        place([o["box_px"] for o in record.get("ignored", ())]),
    )


class FrozenStages(nn.Module):
    """The frozen part of the backbone: its stride-8 map."""

    def __init__(self, backbone: Backbone) -> None:
        super().__init__()
        self.backbone = backbone

    def forward(self, pixel_values: torch.Tensor) -> torch.Tensor:
        x = self.backbone.stem(pixel_values)
        for stage in self.backbone.stages[:FROZEN_STAGES]:
            x = stage(x)
        return x


def open_frozen_stages(
    backbone: Backbone, onnx_file: Path, side: int
) -> Callable[[np.ndarray], np.ndarray]:
    """A function from ``(B, 3, side, side)`` pixels to the frozen stride-8 map.

    It runs on ONNX Runtime (``onnx_file`` is written), which is several times faster here than
    eager torch on a CPU.
    """
    import onnxruntime as ort

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the exporter's about its own internals
        torch.onnx.export(
            FrozenStages(backbone).eval(),
            (torch.zeros(2, 3, side, side),),
            str(onnx_file),
            input_names=["pixel_values"],
            output_names=["c3"],
            dynamic_axes={n: {0: "batch"} for n in ("pixel_values", "c3")},
            opset_version=17,
            dynamo=False,
        )
    options = ort.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    session = ort.InferenceSession(str(onnx_file), options, providers=["CPUExecutionProvider"])

    def run(pixels: np.ndarray) -> np.ndarray:
        c3: np.ndarray = session.run(None, {"pixel_values": np.ascontiguousarray(pixels)})[0]
        return c3

    return run


def cache_features(
    backbone: Backbone, shards: list[Path], out_dir: Path, side: int
) -> Iterator[Path]:
    """Write the frozen map of each shard's frames as ``NAME.c3.npy`` (float16), one by one.

    Only the window with the picture is kept. Shards already done are skipped.

    Raises:
        ValueError: frames of one shard differ in size.
    """
    out_dir.mkdir(parents=True, exist_ok=True)
    run_frozen = open_frozen_stages(backbone, out_dir / "frozen_stages.onnx", side)
    for shard in shards:
        done = out_dir / f"{shard.stem}.json"
        if not done.exists():
            frames = list(read_shards([shard]))
            sizes = {(r["width"], r["height"]) for r, _ in frames}
            if len(sizes) != 1:
                raise ValueError(f"{shard}: frames of one size are needed, found {sorted(sizes)}")
            rows, columns = Window.of(*sizes.pop(), side).slices
            maps = []
            for start in range(0, len(frames), 10):
                pixels = [square_pixels(p["jpg"], side) for _, p in frames[start : start + 10]]
                maps.append(run_frozen(np.stack(pixels))[:, :, rows, columns].astype(np.float16))
            np.save(out_dir / f"{shard.stem}.c3.npy", np.concatenate(maps))
            done.write_text(json.dumps([r for r, _ in frames]))
        yield shard


@dataclass
class FeatureSet:
    """Cached maps and records of many frames, memory-mapped."""

    c3: list[np.ndarray]
    records: list[dict]
    where: list[tuple[int, int]]

    @staticmethod
    def load(feature_dir: Path, split: str) -> FeatureSet:
        """All shards of ``split`` whose features are complete."""
        files = sorted(feature_dir.glob(f"{split}-*.json"))
        if not files:
            raise FileNotFoundError(f"no cached features of split {split!r} in {feature_dir}")
        shards = [json.loads(f.read_text()) for f in files]
        return FeatureSet(
            [np.load(f.with_suffix(".c3.npy"), mmap_mode="r") for f in files],
            [record for shard in shards for record in shard],
            [(k, i) for k, shard in enumerate(shards) for i in range(len(shard))],
        )

    def maps(self, indices: np.ndarray) -> torch.Tensor:
        """``(n, channels, rows, columns)`` float32 stride-8 maps of some frames."""
        stacked = np.stack([self.c3[k][i] for k, i in (self.where[j] for j in indices)])
        return torch.from_numpy(stacked).float().contiguous(memory_format=torch.channels_last)


@dataclass(frozen=True)
class DenseTargets:
    """What the head should say in every cell.

    Attributes:
        heat: ``(classes, rows, columns)`` 1 at an object's centre, a bump around it.
        measure: ``(5, rows, columns)`` box sides in cells (left, top, right, bottom), log distance.
        weight: ``(rows, columns)`` of ``measure``; sums to one an object, else the large ones
            would own the box loss.
        counted: ``(rows, columns)`` 0 where background is not learnt, else 1.
    """

    heat: np.ndarray
    measure: np.ndarray
    weight: np.ndarray
    counted: np.ndarray


def dense_targets(boxes: Boxes, num_classes: int, cells: tuple[int, int]) -> DenseTargets:
    """CenterNet targets (arXiv 1904.07850) of one frame over ``cells`` rows and columns."""
    rows, columns = cells
    heat = np.zeros((num_classes, rows, columns), np.float32)
    measure = np.zeros((5, rows, columns), np.float32)
    weight = np.zeros((rows, columns), np.float32)
    counted = np.ones((rows, columns), np.float32)
    y, x = np.mgrid[0:rows, 0:columns]

    def bump_of(box: np.ndarray) -> tuple[np.ndarray, int, int]:
        x0, y0, x1, y1 = box / STRIDE
        cx = min(columns - 1, int((x0 + x1) / 2))
        cy = min(rows - 1, int((y0 + y1) / 2))
        sx, sy = max((x1 - x0) * 0.15, 0.5), max((y1 - y0) * 0.15, 0.5)
        bump = np.exp(-((x - cx) ** 2 / (2 * sx * sx) + (y - cy) ** 2 / (2 * sy * sy)))
        return np.where(bump < 0.05, 0, bump), cy, cx

    for box in boxes.ignored:
        counted[bump_of(box)[0] > 0.1] = 0
    area = (boxes.boxes[:, 2] - boxes.boxes[:, 0]) * (boxes.boxes[:, 3] - boxes.boxes[:, 1])
    for i in np.argsort(-area):  # small objects overwrite large ones
        x0, y0, x1, y1 = boxes.boxes[i] / STRIDE
        bump, cy, cx = bump_of(boxes.boxes[i])
        label = boxes.labels[i]
        heat[label] = np.maximum(heat[label], bump)
        heat[label, cy, cx] = 1
        near = bump > 0.3
        sides = np.stack([x + 0.5 - x0, y + 0.5 - y0, x1 - x - 0.5, y1 - y - 0.5])
        measure[:4, near] = sides[:, near]
        measure[4, near] = np.log(boxes.distance_m[i])
        weight[near] = bump[near] / bump[near].sum()
        counted[near] = 1
    return DenseTargets(heat, measure, weight, counted)
