"""Teach the tower's relation head what a graph text says of each object (``data/targets.py``).

The rest of the tower is done by then, so its tokens are computed once.
"""

from __future__ import annotations

import itertools
import math
import shutil
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.progress import track
from torch.nn import functional

from spacesgg_ros.graph.boxes import box_iou
from spacesgg_ros.training.data.targets import (
    FrameRecord,
    known_relations,
    list_objects,
    target_graph,
)
from spacesgg_ros.training.engine.cached_tower import make_tower_runner
from spacesgg_ros.training.scenes.dataset import read_shards
from spacesgg_ros.vlm.folder import open_folder
from spacesgg_ros.vlm.relation_head import KINDS, PairScores
from spacesgg_ros.vlm.tower import SpaceSGGTower

from .tower_data import square_pixels

IGNORED = -100
"""Target of what is not learnt."""
_SAME_IOU = 0.5
_BATCH = 32
_PEAK_RATE = 2e-3
_WARMUP_STEPS = 100
_FINAL_RATE = 0.02
_KIND_OF = {p: (k, n) for k, names in enumerate(KINDS.values()) for n, p in enumerate(names)}


@dataclass(frozen=True)
class RelationTargets:
    """Of one frame's tokens.

    Attributes:
        pointers: ``(kinds, N)`` the token of the other object, ``N`` for no relation, or
            :data:`IGNORED`: of an object that is not told, or related to what was not found.
        predicates: ``(kinds, N, N)`` index of the predicate within its kind, or :data:`IGNORED`.
    """

    pointers: np.ndarray
    predicates: np.ndarray


def relation_targets(record: FrameRecord, box: np.ndarray, likely: np.ndarray) -> RelationTargets:
    """What the tokens should say of each other.

    Args:
        box: ``(N, 4)`` of the tokens, 0 to 1 over the square-padded picture.
        likely: ``(N,)`` bool, tokens that count as objects; each is matched with the true box it
            overlaps most, by IoU 0.5 at least.
    """
    count = len(box)
    pointers = np.full((len(KINDS), count), IGNORED)
    predicates = np.full((len(KINDS), count, count), IGNORED)
    objects = list_objects(record)
    pointers[:, likely] = count
    if not objects:
        return RelationTargets(pointers, predicates)
    longest = max(record["width"], record["height"])
    shift = [(longest - record["width"]) // 2, (longest - record["height"]) // 2] * 2
    true = (np.array([o["box_px"] for o in objects], float) + shift) / longest
    overlap = np.where(likely[:, None], box_iou(box, true), 0.0)
    token_of: dict[int, int] = {}
    taken: set[int] = set()
    for flat in np.argsort(-overlap, axis=None):
        token, place = divmod(int(flat), len(objects))
        if overlap[token, place] < _SAME_IOU:
            break
        if place not in token_of and token not in taken:
            token_of[place] = token
            taken.add(token)
    for relation in target_graph(record).relations:
        kind, _ = _KIND_OF[relation.predicate]
        if (subject := token_of.get(relation.subject)) is not None:
            pointers[kind, subject] = token_of.get(relation.object, IGNORED)
    place_of = {o["index"]: k for k, o in enumerate(objects)}
    for subject, predicate, target in known_relations(record, place_of):
        first, second = (token_of.get(place_of[i]) for i in (subject, target))
        if first is None or second is None:
            continue
        kind, index = _KIND_OF[predicate]
        # left, right, front and behind come before "next to", as in choose_relations
        if predicates[kind, first, second] == IGNORED or predicate != "next to":
            predicates[kind, first, second] = index
    return RelationTargets(pointers, predicates)


def relation_loss(
    scores: PairScores,
    pointers: torch.Tensor,
    predicates: torch.Tensor,
    weights: torch.Tensor | None = None,
) -> torch.Tensor:
    """Cross-entropy of the other object, and of the predicate of every related pair.

    Args:
        pointers, predicates: batched, as in :class:`RelationTargets`.
        weights: ``(predicates,)`` how much each predicate counts; all the same by default.
    """
    if weights is None:
        weights = torch.ones(scores.predicates.shape[-1])
    losses = [_mean_loss(scores.pointers.flatten(0, 2), pointers.flatten())]
    first = 0
    for kind, names in enumerate(KINDS.values()):
        span = slice(first, first + len(names))
        logits = scores.predicates[..., span].flatten(0, 2)
        losses.append(_mean_loss(logits, predicates[:, kind].flatten(), weights[span]))
        first = span.stop
    return losses[0] + sum(losses[1:]) / len(KINDS)


def _mean_loss(
    logits: torch.Tensor, targets: torch.Tensor, weights: torch.Tensor | None = None
) -> torch.Tensor:
    """Cross-entropy of what counts; 0 where nothing does."""
    total = functional.cross_entropy(
        logits, targets, weights, ignore_index=IGNORED, reduction="sum"
    )
    return total / (targets != IGNORED).sum().clamp(min=1)


@dataclass(frozen=True)
class RelatedFrames:
    """Tokens of many frames and what they should say of each other.

    Attributes:
        tokens: ``(frames, N, channels)`` float16, not yet related.
        pointers, predicates: stacked, as in :class:`RelationTargets`; int16 and int8.
    """

    tokens: np.ndarray
    pointers: np.ndarray
    predicates: np.ndarray

    @staticmethod
    def of(tower: SpaceSGGTower, seen: Iterable[tuple[FrameRecord, np.ndarray]]) -> RelatedFrames:
        """From frames and their ``(N, channels)`` tokens; those of relations are left out."""
        parts = tower.config.token_parts
        count, channels = tower.config.num_objects, parts["slot"].stop
        tokens, pointers, predicates = [], [], []
        for record, given in seen:
            token = given[:count, :channels]
            likely = token[:, parts["slot"]].sum(1) > 0
            targets = relation_targets(record, token[:, parts["box"]].astype(float), likely)
            tokens.append(token.astype(np.float16))
            pointers.append(targets.pointers.astype(np.int16))
            predicates.append(targets.predicates.astype(np.int8))
        return RelatedFrames(np.stack(tokens), np.stack(pointers), np.stack(predicates))

    def weights(self) -> torch.Tensor:
        """``(predicates,)``: the root of how rare each is within its kind, 1 on average, so that
        "next to" is not drowned by left, right, in front and behind."""
        weights = []
        for kind, names in enumerate(KINDS.values()):
            said = self.predicates[:, kind]
            counts = np.bincount(said[said != IGNORED].astype(int), minlength=len(names))
            rarity = 1 / np.sqrt(np.maximum(counts, 1))
            weights.append(rarity * counts.sum() / max(1e-9, float((rarity * counts).sum())))
        return torch.tensor(np.concatenate(weights), dtype=torch.float32)

    def batch(
        self, tower: SpaceSGGTower, indices: np.ndarray
    ) -> tuple[PairScores, torch.Tensor, torch.Tensor]:
        """The head's scores of some frames, and their targets."""
        tokens = torch.from_numpy(self.tokens[indices].astype(np.float32))
        targets = (x[indices].astype(np.int64) for x in (self.pointers, self.predicates))
        pointers, predicates = map(torch.from_numpy, targets)
        return tower.score_pairs(tokens), pointers, predicates


def teach_relations(
    folder: Path, llava: Any, data: Path, frames: int, steps: int, report: Callable[[dict], None]
) -> None:
    """Train the relation head of ``llava``'s tower on rendered frames, and evaluate it on ``val``.

    Args:
        folder: that ``llava`` was saved to; scratch files lie in it meanwhile.
        data: folder of shards.
        frames: of ``train``, at most; the first ones.
    """
    side = llava.config.vision_config.image_size
    scratch = folder.parent / "relations"
    run_tower = make_tower_runner(llava, open_folder(folder), scratch, frames)

    def see(split: str, most: int) -> Iterator[tuple[FrameRecord, np.ndarray]]:
        shards = read_shards(sorted(data.glob(f"{split}-*.tar")))
        for record, files in itertools.islice(shards, most):
            yield record, run_tower(square_pixels(files["jpg"], side)[None])[0]

    tower = llava.model.vision_tower
    seen = track(see("train", frames), "frames for the relation head", total=frames)
    train_relation_head(tower, RelatedFrames.of(tower, seen), steps, report=report)
    if any(data.glob("val-*.tar")):
        report(evaluate_relations(tower, RelatedFrames.of(tower, see("val", frames))))
    shutil.rmtree(scratch, ignore_errors=True)


def train_relation_head(
    tower: SpaceSGGTower,
    frames: RelatedFrames,
    steps: int,
    seed: int = 0,
    report: Callable[[dict], None] = lambda entry: None,
) -> None:
    """Train the head in place; nothing else of the tower changes."""
    generator = np.random.default_rng(seed)
    optimiser = torch.optim.AdamW(tower.relations.parameters(), lr=_PEAK_RATE, weight_decay=0.02)
    tower.relations.train().requires_grad_(True)  # a LLaVA freezes its tower
    weights, losses = frames.weights(), []
    for step in range(steps):
        falling = (1 + math.cos(math.pi * step / steps)) / 2
        rate = min(1, (step + 1) / _WARMUP_STEPS) * (_FINAL_RATE + (1 - _FINAL_RATE) * falling)
        optimiser.param_groups[0]["lr"] = _PEAK_RATE * rate
        size = min(_BATCH, len(frames.tokens))
        scores, *targets = frames.batch(tower, generator.choice(len(frames.tokens), size, False))
        loss = relation_loss(scores, *targets, weights)
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(tower.relations.parameters(), 1.0)
        optimiser.step()
        losses.append(float(loss.detach()))
        if (step + 1) % 100 == 0:
            report({"relation_step": step + 1, "loss": round(float(np.mean(losses[-100:])), 4)})
    tower.relations.eval().requires_grad_(False)


@torch.inference_mode()
def evaluate_relations(tower: SpaceSGGTower, frames: RelatedFrames) -> dict[str, Any]:
    """Of the relations to be told between found objects, the share found with object and
    predicate, by kind; and how often a relation is told of an object that has none."""
    right, wanted, made_up, free = (np.zeros(len(KINDS)) for _ in range(4))
    for start in range(0, len(frames.tokens), _BATCH):
        indices = np.arange(start, min(start + _BATCH, len(frames.tokens)))
        scores, pointers, predicates = frames.batch(tower, indices)
        guess, nothing, first = scores.pointers.argmax(-1), pointers.shape[-1], 0
        for kind, names in enumerate(KINDS.values()):
            said = scores.predicates[..., first : first + len(names)].argmax(-1)
            first += len(names)
            target = pointers[:, kind]
            frame, subject = ((target >= 0) & (target < nothing)).nonzero(as_tuple=True)
            other = target[frame, subject]
            hit = guess[frame, kind, subject] == other
            hit &= said[frame, subject, other] == predicates[frame, kind, subject, other]
            right[kind] += int(hit.sum())
            wanted[kind] += len(frame)
            alone = target == nothing
            made_up[kind] += int((guess[:, kind][alone] < nothing).sum())
            free[kind] += int(alone.sum())
    return {
        kind: {
            "recall": round(float(right[k] / max(1, wanted[k])), 4),
            "made_up": round(float(made_up[k] / max(1, free[k])), 4),
        }
        for k, kind in enumerate(KINDS)
    }
