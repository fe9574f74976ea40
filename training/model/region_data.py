"""What the tower finds in rendered frames, cut out and named by their truth."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from spacesgg_ros.graph.boxes import box_iou
from spacesgg_ros.training.data.targets import FrameRecord
from spacesgg_ros.training.scenes.dataset import read_shards
from spacesgg_ros.vlm.region_classifier import crop_boxes
from spacesgg_ros.vlm.tower import SpaceSGGTowerConfig

from .tower_data import square_pixels

_LEAST_SCORE = 0.1
"""Of peaks that are cut out: below it the tower has seen nothing."""
_SAME_OBJECT_IOU = 0.6
_FOUND_IOU = 0.5
_LOOSE_BOX = 0.05
"""Noise of the box of a thing that the tower missed, in sides of it."""
_LEVELS = (127.0, 128.0)
"""A normalised pixel is (level - the first) / the second (``tower_data``)."""


@dataclass(frozen=True)
class Regions:
    """Crops with what they show.

    Attributes:
        crops: ``(n, 3, S, S)`` uint8.
        labels: ``(n,)`` class ids; the number of classes for "no object".
        place: ``(n, 5)`` box, 0 to 1 over the square-padded picture, and log distance.
        scores: ``(n, classes)`` of the dense head; 0 where it has not found the thing.
    """

    crops: np.ndarray
    labels: np.ndarray
    place: np.ndarray
    scores: np.ndarray

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def is_found(self) -> np.ndarray:
        """``(n,)`` bool: the dense head has found it."""
        found: np.ndarray = self.scores.any(1)
        return found

    @staticmethod
    def join(parts: list[Regions]) -> Regions:
        """All of some, in their order."""
        return Regions(
            *(
                np.concatenate([getattr(part, name) for part in parts])
                for name in ("crops", "labels", "place", "scores")
            )
        )


def match_regions(
    record: FrameRecord,
    place: np.ndarray,
    scores: np.ndarray,
    class_ids: Mapping[str, int],
    rng: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What to cut out of a frame: labels, places and scores, as in :class:`Regions`.

    A peak shows the free true object that its box overlaps most, by IoU 0.5 at least, the likeliest
    peak first. Second boxes of an object, and boxes of things that are neither taught nor wrong to
    find, are left out. True objects that no peak shows come last, with a loose box.

    Args:
        place, scores: of the frame's peaks.
    """
    best = scores.max(1)
    overlap = box_iou(place[:, :4], place[:, :4])
    repeated = ((overlap > _SAME_OBJECT_IOU) & (best[None, :] > best[:, None])).any(1)
    kept = np.flatnonzero((best > _LEAST_SCORE) & ~repeated)
    kept = kept[np.argsort(-best[kept], kind="stable")]
    longest = max(record["width"], record["height"])
    shift = [(longest - record["width"]) // 2, (longest - record["height"]) // 2] * 2

    def relative(boxes_px: list) -> np.ndarray:
        return (np.array(boxes_px, float).reshape(-1, 4) + shift) / longest

    objects = [o for o in record["objects"] if o["label"] in class_ids]
    true = relative([o["box_px"] for o in objects])
    on_true = box_iou(place[kept, :4], true)
    ignored = relative([o["box_px"] for o in record.get("ignored", ())])
    on_ignored = (box_iou(place[kept, :4], ignored) >= _FOUND_IOU).any(1)
    labels, places, told = [], [], []
    free = np.ones(len(true), bool)
    for k, peak in enumerate(kept):
        candidates = np.where(free, on_true[k], 0.0)
        label = len(class_ids)
        if candidates.max(initial=0.0) >= _FOUND_IOU:
            match = int(candidates.argmax())
            free[match] = False
            label = class_ids[objects[match]["label"]]
        elif on_true[k].max(initial=0.0) >= _FOUND_IOU or on_ignored[k]:
            continue
        labels.append(label)
        places.append(place[peak])
        told.append(scores[peak])
    for missed in np.flatnonzero(free):
        sides = np.tile(true[missed, 2:] - true[missed, :2], 2)
        box = true[missed] + rng.normal(0, _LOOSE_BOX, 4) * sides
        labels.append(class_ids[objects[missed]["label"]])
        places.append(np.append(box, math.log(objects[missed]["depth_m"][1])))
        told.append(np.zeros(len(class_ids)))
    return (
        np.array(labels, np.int64),
        np.array(places, np.float32).reshape(-1, 5),
        np.array(told, np.float16).reshape(-1, len(class_ids)),
    )


def cut_regions(
    shards: list[Path],
    run_tower: Callable[[np.ndarray], np.ndarray],
    config: SpaceSGGTowerConfig,
    class_ids: Mapping[str, int],
    out_dir: Path,
) -> Iterator[Regions]:
    """Regions of each shard, kept in ``out_dir``; shards already cut are read back.

    Args:
        run_tower: ``(1, 3, S, S)`` to the tokens of a tower that does not look again.
    """
    out_dir.mkdir(parents=True, exist_ok=True)
    parts = config.token_parts
    for shard in shards:
        crops_file, rest_file = (out_dir / f"{shard.stem}.{n}" for n in ("crops.npy", "npz"))
        if not rest_file.exists():
            cut: list[Regions] = []
            for number, (record, files) in enumerate(read_shards([shard])):
                pixels = square_pixels(files["jpg"], config.image_size)[None]
                peaks = run_tower(pixels)[0, : config.num_objects]
                place = np.hstack([peaks[:, parts["box"]], peaks[:, parts["log_distance"]]])
                rng = np.random.default_rng([number, *shard.stem.encode()])
                labels, place, scores = match_regions(
                    record, place, peaks[:, parts["scores"]] / 4, class_ids, rng
                )
                box = torch.from_numpy(place[None, :, :4])
                crops = crop_boxes(torch.from_numpy(pixels), box, config.region_size).numpy()
                levels = (crops * _LEVELS[1] + _LEVELS[0]).round().clip(0, 255).astype(np.uint8)
                cut.append(Regions(levels, labels, place, scores))
            whole = Regions.join(cut)
            np.save(crops_file, whole.crops)
            temporary = rest_file.with_suffix(".tmp.npz")
            np.savez(temporary, labels=whole.labels, place=whole.place, scores=whole.scores)
            temporary.replace(rest_file)
        rest = np.load(rest_file)
        crops = np.load(crops_file, mmap_mode="r")
        yield Regions(crops, *(rest[name] for name in ("labels", "place", "scores")))


def normalise_crops(crops: np.ndarray) -> torch.Tensor:
    """``(n, 3, S, S)`` uint8 to what the tower's pixels are."""
    return (torch.from_numpy(crops).float() - _LEVELS[0]) / _LEVELS[1]


def vary_crops(crops: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
    """Crops in other colours, mirrored, and with a part missing: one model stands for many.

    Args:
        crops: ``(n, 3, S, S)`` normalised.
    """
    count, size = len(crops), crops.shape[-1]

    def draw(values: np.ndarray) -> torch.Tensor:
        return torch.from_numpy(np.asarray(values, np.float32))

    if rng.random() < 0.5:
        crops = crops.flip(-1)
    # A rotation about the grey axis turns the hue; its length across that axis is the saturation.
    anywhere = rng.random(count) < 0.15
    hue = draw(np.where(anywhere, rng.uniform(-np.pi, np.pi, count), rng.normal(0, 0.35, count)))
    grey = rng.random(count) < 0.1
    saturation = draw(np.where(grey, 0.0, rng.uniform(0.3, 1.5, count)))
    along = torch.full((3, 3), 1 / 3)
    turn = torch.tensor([[0.0, -1, 1], [1, 0, -1], [-1, 1, 0]]) / math.sqrt(3)
    across = (hue.cos() * saturation)[:, None, None] * (torch.eye(3) - along)
    colours = along + across + (hue.sin() * saturation)[:, None, None] * turn
    gain = draw(np.exp(rng.normal(0, 0.08, (count, 3)) + rng.normal(0, 0.2, (count, 1))))
    shift = draw(rng.normal(0, 0.1, (count, 1, 1, 1)))
    crops = torch.einsum("nij,njhw->nihw", gain[:, :, None] * colours, crops) + shift
    for k in np.flatnonzero(rng.random(count) < 0.25):
        width, height = rng.integers(size // 6, size // 2, 2)
        left, top = rng.integers(0, size - width), rng.integers(0, size - height)
        crops[k, :, top : top + height, left : left + width] = float(rng.normal(0, 0.5))
    return crops.clamp(-1.2, 1.2)
