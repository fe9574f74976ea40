"""Teach the tower boxes, names and distances (focal, IoU and L1 losses of CenterNet).

Everything runs channels-last: depthwise convolutions train six times faster so on a CPU.

The first stages keep their ImageNet weights and their maps are cached, so that the whole
budget of a small machine goes into the stages that matter here.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional

from spacesgg_ros.graph.boxes import box_iou
from spacesgg_ros.vlm.tower import STRIDE, DenseDetections, SpaceSGGTower

from .tower_data import FROZEN_STAGES, FeatureSet, boxes_of, dense_targets


@dataclass(frozen=True)
class TowerRecipe:
    """Hyper-parameters. ``minutes``: wall time; the learning rate falls to zero over it."""

    minutes: float = 20
    batch_size: int = 32
    learning_rate: float = 2e-3
    backbone_learning_rate: float = 5e-4
    weight_decay: float = 0.02
    seed: int = 0


def run_head(tower: SpaceSGGTower, c3: torch.Tensor, c4: torch.Tensor) -> DenseDetections:
    """The trainable stages and the head, from the cached maps."""
    x = c4
    for stage in tower.backbone.stages[FROZEN_STAGES:]:
        x = stage(x)
    return tower.head([c3, c4, x])


def detection_loss(
    maps: DenseDetections, heat: torch.Tensor, measure: torch.Tensor, weight: torch.Tensor
) -> torch.Tensor:
    """Penalty-reduced focal loss + 2 x IoU loss + 0.5 x L1 of log distance."""
    logits = maps.class_logits
    centre = heat == 1
    count = max(1, int(centre.sum()))
    p = logits.sigmoid()
    background = ((1 - heat) ** 4 * p**2 * functional.softplus(logits)).sum()
    at = logits[centre]
    foreground = ((1 - at.sigmoid()) ** 2 * functional.softplus(-at)).sum()
    focal = (background + foreground) / count
    sides, true = maps.box_sides, measure[:, :4].clamp(min=0)
    smaller = torch.minimum(sides, true)
    overlap = (smaller[:, 0] + smaller[:, 2]) * (smaller[:, 1] + smaller[:, 3])
    area = (sides[:, 0] + sides[:, 2]) * (sides[:, 1] + sides[:, 3])
    true_area = (true[:, 0] + true[:, 2]) * (true[:, 1] + true[:, 3])
    iou = overlap / (area + true_area - overlap).clamp(min=1e-6)
    total = weight.sum().clamp(min=1)
    box = ((1 - iou) * weight).sum() / total
    distance = ((maps.log_distance[:, 0] - measure[:, 4]).abs() * weight).sum() / total
    return focal + 2 * box + 0.5 * distance


def train_tower(
    tower: SpaceSGGTower,
    train: FeatureSet,
    val: FeatureSet,
    class_ids: dict[str, int],
    recipe: TowerRecipe,
    log: Callable[[dict], None],
    checkpoint: Path,
) -> None:
    """Train in place; log every 50 steps, evaluate and save every few minutes."""
    torch.manual_seed(recipe.seed)
    rng = np.random.default_rng(recipe.seed)
    side, cells = tower.config.image_size, tower.config.image_size // STRIDE
    top = [p for s in tower.backbone.stages[FROZEN_STAGES:] for p in s.parameters()]
    optimiser = torch.optim.AdamW(
        [
            {"params": list(tower.head.parameters()), "peak": recipe.learning_rate},
            {"params": top, "peak": recipe.backbone_learning_rate},
        ],
        weight_decay=recipe.weight_decay,
    )
    tower.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    tower.train()
    start = evaluated = time.monotonic()
    losses: list[float] = []
    for step, indices in enumerate(train.batches(recipe.batch_size, rng), start=1):
        done = (time.monotonic() - start) / (60 * recipe.minutes)
        if done >= 1:
            break
        for group in optimiser.param_groups:
            group["lr"] = group["peak"] * min(1, step / 100) * 0.5 * (1 + math.cos(math.pi * done))
        truth = [
            dense_targets(boxes_of(train.records[i], class_ids, side), len(class_ids), cells)
            for i in indices
        ]
        heat, measure, weight = (torch.from_numpy(np.stack(t)) for t in zip(*truth, strict=True))
        c3, c4 = train.maps(indices)
        if rng.random() < 0.5:
            c3, c4 = (t.flip(-1).contiguous(memory_format=torch.channels_last) for t in (c3, c4))
            heat, weight = heat.flip(-1), weight.flip(-1)
            measure = measure.flip(-1)[:, [2, 1, 0, 3, 4]]
        loss = detection_loss(run_head(tower, c3, c4), heat, measure, weight)
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(tower.parameters(), 5.0)
        optimiser.step()
        losses.append(float(loss.detach()))
        if step % 50 == 0:
            seconds = time.monotonic() - start
            log(
                {
                    "step": step,
                    "minutes": round(seconds / 60, 2),
                    "loss": round(float(np.mean(losses[-50:])), 4),
                    "samples_per_s": round(step * recipe.batch_size / seconds, 1),
                }
            )
        if time.monotonic() - evaluated > 240:
            log({"step": step} | evaluate_tower(tower, val, class_ids))
            torch.save(tower.state_dict(), checkpoint)
            evaluated = time.monotonic()
    log({"final": True} | evaluate_tower(tower, val, class_ids))
    torch.save(tower.state_dict(), checkpoint)


@torch.inference_mode()
def evaluate_tower(
    tower: SpaceSGGTower, val: FeatureSet, class_ids: dict[str, int], threshold: float = 0.3
) -> dict[str, float]:
    """Recall and precision of the head's peaks: label right and IoU >= 0.5, one to one."""
    tower.eval()
    side = tower.config.image_size
    hits = found = wanted = 0
    for start in range(0, len(val.records), 30):
        indices = np.arange(start, min(start + 30, len(val.records)))
        maps = run_head(tower, *val.maps(indices))
        scores = maps.class_logits.sigmoid()
        peaks = (functional.max_pool2d(scores, 3, 1, 1) == scores) & (scores > threshold)
        for k, i in enumerate(indices):
            truth = boxes_of(val.records[i], class_ids, side)
            labels, rows, columns = peaks[k].nonzero(as_tuple=True)
            order = scores[k, labels, rows, columns].argsort(descending=True)[:20]
            labels, rows, columns = labels[order], rows[order], columns[order]
            sides = maps.box_sides[k, :, rows, columns].T.numpy()
            centres = torch.stack([columns, rows], 1).numpy() + 0.5
            boxes = np.hstack([centres - sides[:, :2], centres + sides[:, 2:]]) * STRIDE
            overlap = box_iou(boxes.reshape(-1, 4), truth.boxes)
            free = np.ones(len(truth.labels), bool)
            for j, label in enumerate(labels.tolist()):
                match = np.flatnonzero(free & (truth.labels == label) & (overlap[j] >= 0.5))
                if len(match):
                    free[match[0]] = False
                    hits += 1
            found += len(labels)
            wanted += len(truth.labels)
    tower.train()
    return {
        "recall": round(hits / max(1, wanted), 4),
        "precision": round(hits / max(1, found), 4),
    }
