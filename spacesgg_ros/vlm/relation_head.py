"""What the object-token tower says of pairs: what carries a thing, what is over it, its neighbour.

A graph text tells, of each object, at most one relation of each of three kinds
(``training/data/targets.py``). This head finds the other object of each kind among the tower's
tokens, by a score of every pair, and the predicate. Each relation becomes a token of its own
(``tower``), and the graph of a picture takes it over (``proposals``).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn

from spacesgg_ros.graph.predicates import TOLD_KINDS as KINDS
from spacesgg_ros.graph.predicates import TOLD_PREDICATES as PREDICATES

_GEOMETRY = 20
_FAR = -30.0
"""Logit of what cannot be."""


@dataclass
class PairScores:
    """Raw scores of a batch, of tokens ``i`` (subject) and ``j`` (object).

    Attributes:
        pointers: ``(B, kinds, N, N + 1)`` logits over ``j``; the last is "no such relation".
        predicates: ``(B, N, N, predicates)`` logits, comparable within a kind.
    """

    pointers: torch.Tensor
    predicates: torch.Tensor


class RelationHead(nn.Module):
    """Object tokens to their pairs' relations.

    Args:
        inputs: channels of a token.
        width: of the pair's hidden layers.
    """

    def __init__(self, inputs: int, width: int) -> None:
        super().__init__()
        self.subject = nn.Linear(inputs, width)
        self.target = nn.Linear(inputs, width)
        self.geometry = nn.Linear(_GEOMETRY, width)
        self.pair = nn.Sequential(nn.ReLU(), nn.Linear(width, width), nn.ReLU())
        self.resting = nn.Linear(width, 2)
        self.told = nn.Linear(width, len(PREDICATES))
        self.beside = nn.Sequential(
            nn.Linear(width + 5, width // 2), nn.ReLU(), nn.Linear(width // 2, 1)
        )
        self.nothing = nn.Linear(inputs, len(KINDS))

    def forward(
        self,
        tokens: torch.Tensor,
        box: torch.Tensor,
        log_distance: torch.Tensor,
        likely: torch.Tensor,
    ) -> PairScores:
        """Scores of all pairs.

        Args:
            tokens: ``(B, N, inputs)``.
            box: ``(B, N, 4)`` left, top, right, bottom, 0 to 1.
            log_distance: ``(B, N, 1)``.
            likely: ``(B, N)`` bool, which count as objects.
        """
        count = tokens.shape[1]
        itself = torch.eye(count, dtype=torch.bool, device=tokens.device)
        possible = likely[:, None, :] & ~itself  # (B, 1, N) & (N, N)
        geometry, distance = _compare(box, log_distance)
        hidden = self.pair(
            self.subject(tokens)[:, :, None]
            + self.target(tokens)[:, None]
            + self.geometry(geometry)
        )
        nothing = self.nothing(tokens)

        def with_nothing(logits: torch.Tensor, kind: int) -> torch.Tensor:
            logits = logits.masked_fill(~possible, _FAR)
            return torch.cat([logits, nothing[:, :, kind, None]], dim=-1)

        resting = self.resting(hidden)
        support, overhead = (with_nothing(resting[..., kind], kind) for kind in range(2))
        carried, covered = (s.softmax(-1) for s in (support, overhead))
        same = carried @ carried.transpose(1, 2)
        settled = carried[..., :-1] + covered[..., :-1]
        settled = (settled + settled.transpose(1, 2)).clamp(0, 1)
        eligible = same * (1 - settled)
        candidates = possible & (eligible > 0.5)
        reach = torch.where(candidates, distance, torch.full_like(distance, 4.0))
        nearest = reach.amin(-1, keepdim=True)
        excess = ((reach + 0.01) / (nearest + 0.01)).log()
        near = torch.stack([same, settled, eligible, excess, (-8 * excess).exp()], dim=-1)
        neighbour = self.beside(torch.cat([hidden, near], dim=-1)).squeeze(-1)
        pointers = torch.stack([support, overhead, with_nothing(neighbour, 2)], dim=1)
        return PairScores(pointers, self.told(hidden))


@dataclass
class ToldRelations:
    """The relations of a picture, in the order of a graph text: by kind, then by subject.

    Attributes:
        present: ``(B, R, 1)`` 1 for a relation, 0 for a place left over.
        subject, object: ``(B, R)`` tokens.
        predicate: ``(B, R, predicates)`` how likely each is; 0 but for those of its kind.
    """

    present: torch.Tensor
    subject: torch.Tensor
    object: torch.Tensor
    predicate: torch.Tensor


def list_relations(scores: PairScores, likely: torch.Tensor, count: int) -> ToldRelations:
    """What is more likely said than not; at most one relation of a kind a subject.

    Args:
        likely: ``(B, N)`` bool, which tokens count as objects.
        count: places, R. What does not fit is left out.
    """
    tokens = likely.shape[1]
    chances = scores.pointers.softmax(-1)
    best = chances[..., :-1].argmax(-1)  # (B, kinds, N)
    said = (chances[..., -1] < 0.5) & likely[:, None]
    rank = torch.arange(len(KINDS) * tokens, device=said.device)
    rank = rank + torch.where(said.flatten(1), 0, len(KINDS) * tokens)
    first = rank.topk(count, dim=1, largest=False).indices
    told, begin = [], 0
    for kind, predicates in enumerate(KINDS.values()):
        end = begin + len(predicates)
        index = best[:, kind, :, None, None].expand(-1, -1, 1, len(predicates))
        of_best = scores.predicates[..., begin:end].gather(2, index).squeeze(2).softmax(-1)
        told.append(nn.functional.pad(of_best, (begin, len(PREDICATES) - end)))
        begin = end
    predicate = torch.cat(told, dim=1).gather(1, first[..., None].expand(-1, -1, len(PREDICATES)))
    present = said.flatten(1).gather(1, first)[..., None].float()
    other = best.flatten(1).gather(1, first)
    return ToldRelations(present, first % tokens, other, present * predicate)


def _compare(box: torch.Tensor, log_distance: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """``(B, N, N, geometry)`` how subject and object lie, and the distance of their centres."""
    low, high = box[..., :2], box[..., 2:]
    centre, size = (low + high) / 2, (high - low).clamp(min=1e-3)
    a, b = (lambda x: x[:, :, None]), (lambda x: x[:, None])
    offset = b(centre) - a(centre)
    distance = (offset.square().sum(-1) + 1e-8).sqrt()
    shared = (torch.minimum(a(high), b(high)) - torch.maximum(a(low), b(low))).clamp(min=0)
    within = (shared / a(size)).prod(-1, keepdim=True), (shared / b(size)).prod(-1, keepdim=True)
    gap = torch.maximum(b(low) - a(high), a(low) - b(high)).clamp(min=0)
    ratio = (b(size) / a(size)).log()
    deeper = b(log_distance) - a(log_distance)
    # sideways offset in metres, up to the focal length
    metric = b(centre * log_distance.exp()) - a(centre * log_distance.exp())
    parts = [
        4 * offset,
        (offset / (a(size) + b(size))).clamp(-4, 4),
        4 * (b(low) - a(low)),
        4 * (b(high) - a(high)),
        4 * gap,
        ratio,
        shared / a(size),
        *within,
        4 * deeper,
        metric,
        4 * distance[..., None],
    ]
    return torch.cat([p.expand(*distance.shape, -1) for p in parts], dim=-1), distance
