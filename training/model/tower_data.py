"""Rendered frames as tensors for the tower: pixels, cached features and dense targets."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import nn

from spacesgg_ros.training.scenes.dataset import read_shards
from spacesgg_ros.vlm.tower import STRIDE, Backbone

IMAGE_MEAN = 127 / 255
IMAGE_STD = 128 / 255
FROZEN_STAGES = 5
"""The first stages of the backbone stay as ImageNet taught them; the rest is tuned."""


@dataclass(frozen=True)
class Boxes:
    """Objects of a frame: ``labels`` (n,) class ids, ``boxes`` (n, 4) px, ``distance_m`` (n,)."""

    labels: np.ndarray
    boxes: np.ndarray
    distance_m: np.ndarray


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


def boxes_of(record: dict, class_ids: dict[str, int], side: int) -> Boxes:
    """Boxes of a frame record in pixels of the padded, resized square."""
    longest = max(record["width"], record["height"])
    dx = (longest - record["width"]) // 2
    dy = (longest - record["height"]) // 2
    objects = [o for o in record["objects"] if o["label"] in class_ids]
    boxes = np.array([o["box_px"] for o in objects], np.float32).reshape(-1, 4)
    boxes = (boxes + np.array([dx, dy, dx, dy], np.float32)) * (side / longest)
    labels = np.array([class_ids[o["label"]] for o in objects], np.int64)
    return Boxes(labels, boxes, np.array([o["depth_m"][1] for o in objects], np.float32))


class FrozenStages(nn.Module):
    """The frozen part of the backbone: the stride-8 map and the last frozen map."""

    def __init__(self, backbone: Backbone) -> None:
        super().__init__()
        self.backbone = backbone

    def forward(self, pixel_values: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        x = self.backbone.stem(pixel_values)
        taps = []
        for stage in self.backbone.stages[:FROZEN_STAGES]:
            x = stage(x)
            taps.append(x)
        return taps[2], x


def cache_features(backbone: Backbone, shards: list[Path], out_dir: Path, side: int) -> None:
    """Write the frozen maps of each shard as ``NAME.c3.npy``, ``NAME.c4.npy`` (float16).

    Runs on ONNX Runtime, which is several times faster here than eager torch on a CPU.
    Shards already done are skipped.
    """
    import onnxruntime as ort

    out_dir.mkdir(parents=True, exist_ok=True)
    onnx_file = out_dir / "frozen_stages.onnx"
    torch.onnx.export(
        FrozenStages(backbone).eval(),
        (torch.zeros(2, 3, side, side),),
        str(onnx_file),
        input_names=["pixel_values"],
        output_names=["c3", "c4"],
        dynamic_axes={n: {0: "batch"} for n in ("pixel_values", "c3", "c4")},
        opset_version=17,
        dynamo=False,
    )
    session = ort.InferenceSession(str(onnx_file), providers=["CPUExecutionProvider"])
    for shard in shards:
        done = out_dir / f"{shard.stem}.json"
        if done.exists():
            continue
        frames = list(read_shards([shard]))
        maps: list[list[np.ndarray]] = []
        for start in range(0, len(frames), 10):
            pixels = [square_pixels(p["jpg"], side) for _, p in frames[start : start + 10]]
            maps.append(session.run(None, {"pixel_values": np.stack(pixels)}))
        for k, name in enumerate(("c3", "c4")):
            joined = np.concatenate([m[k] for m in maps]).astype(np.float16)
            np.save(out_dir / f"{shard.stem}.{name}.npy", joined)
        done.write_text(json.dumps([r for r, _ in frames]))


@dataclass
class FeatureSet:
    """Cached maps and records of many frames, memory-mapped."""

    c3: list[np.ndarray]
    c4: list[np.ndarray]
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
            [np.load(f.with_suffix(".c4.npy"), mmap_mode="r") for f in files],
            [record for shard in shards for record in shard],
            [(k, i) for k, shard in enumerate(shards) for i in range(len(shard))],
        )

    def maps(self, indices: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
        """``(c3, c4)`` float32 of some frames."""
        places = [self.where[i] for i in indices]
        return tuple(  # type: ignore[return-value]
            torch.from_numpy(np.stack([files[k][i] for k, i in places]))
            .float()
            .contiguous(memory_format=torch.channels_last)
            for files in (self.c3, self.c4)
        )

    def batches(self, size: int, rng: np.random.Generator) -> Iterator[np.ndarray]:
        """Shuffled indices, for ever."""
        while True:
            order = rng.permutation(len(self.records))
            for start in range(0, len(order) - size + 1, size):
                yield order[start : start + size]


def dense_targets(
    boxes: Boxes, num_classes: int, cells: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """CenterNet targets: class heat map, ``(5,)`` measures and their weight a cell.

    Returns:
        ``(classes, cells, cells)`` heat, ``(5, cells, cells)`` box sides in cells (left, top,
        right, bottom) and log distance, ``(cells, cells)`` weight, which sums to one an object:
        else the large ones would own the box loss.
    """
    heat = np.zeros((num_classes, cells, cells), np.float32)
    measure = np.zeros((5, cells, cells), np.float32)
    weight = np.zeros((cells, cells), np.float32)
    y, x = np.mgrid[0:cells, 0:cells]
    area = (boxes.boxes[:, 2] - boxes.boxes[:, 0]) * (boxes.boxes[:, 3] - boxes.boxes[:, 1])
    for i in np.argsort(-area):  # small objects overwrite large ones
        x0, y0, x1, y1 = boxes.boxes[i] / STRIDE
        cx = min(cells - 1, int((x0 + x1) / 2))
        cy = min(cells - 1, int((y0 + y1) / 2))
        sx, sy = max((x1 - x0) * 0.15, 0.5), max((y1 - y0) * 0.15, 0.5)
        bump = np.exp(-((x - cx) ** 2 / (2 * sx * sx) + (y - cy) ** 2 / (2 * sy * sy)))
        bump[bump < 0.05] = 0
        label = boxes.labels[i]
        heat[label] = np.maximum(heat[label], bump)
        heat[label, cy, cx] = 1
        near = bump > 0.3
        sides = np.stack([x + 0.5 - x0, y + 0.5 - y0, x1 - x - 0.5, y1 - y - 0.5])
        measure[:4, near] = sides[:, near]
        measure[4, near] = np.log(boxes.distance_m[i])
        weight[near] = bump[near] / bump[near].sum()
    return heat, measure, weight
