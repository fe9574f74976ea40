"""A second look at what the tower found: each object in a crop of its own, to name it.

The dense head names a thing by what one cell of a map knows, and it learns a class from whole
pictures, of which a small machine sees few. A crop shows the thing at one size, whatever its
distance, to a network that starts from ImageNet's weights: names of models it has never seen come
out better, and what is no object is told from what is (region proposals and their classifier, as
in R-CNN, arXiv 1311.2524).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional

from .backbone import WIDE, Backbone, WideFeatures

_MARGIN = 1.2
"""Side of a crop, in longer sides of the box."""
_LEAST_SIDE = 1 / 28
"""Of a crop, in sides of the picture: 16 of 448 pixels."""
_OVERSAMPLED = 2
"""Samples a pixel of the crop, each way: large things are shrunk, and must not alias."""
_PLACE = 32
_TINY = 1e-4


def crop_boxes(pixel_values: torch.Tensor, box: torch.Tensor, size: int) -> torch.Tensor:
    """Square crops around boxes, what lies outside the picture in the mean colour (0).

    Args:
        pixel_values: ``(B, 3, S, S)`` normalised.
        box: ``(B, n, 4)`` left, top, right, bottom, 0 to 1 over the picture.
        size: pixels of a side of a crop.

    Returns:
        ``(B * n, 3, size, size)``.
    """
    batch, count = box.shape[:2]
    samples = size * _OVERSAMPLED
    centre = (box[..., :2] + box[..., 2:]) / 2
    side = (box[..., 2:] - box[..., :2]).amax(-1, keepdim=True) * _MARGIN
    step = (torch.arange(samples, dtype=torch.float32, device=box.device) + 0.5) / samples - 0.5
    at = 2 * (centre[..., None] + side.clamp(min=_LEAST_SIDE)[..., None] * step) - 1
    x = at[:, :, 0, None, :].expand(-1, -1, samples, -1)
    y = at[:, :, 1, :, None].expand(-1, -1, -1, samples)
    grid = torch.stack([x, y], dim=-1).flatten(1, 2)  # (B, n * samples, samples, 2)
    crops = functional.grid_sample(pixel_values, grid, align_corners=False)
    crops = crops.reshape(batch, 3, count, samples, samples).transpose(1, 2).flatten(0, 1)
    return functional.avg_pool2d(crops, _OVERSAMPLED)


@dataclass
class Refined:
    """Class scores ``(B, n, num_classes)`` and the certainty ``(B, n, 1)`` they sum to."""

    scores: torch.Tensor
    certainty: torch.Tensor


class RegionClassifier(nn.Module):
    """Crops of boxes to class logits, the last of which is "no object".

    Args:
        num_classes: of the dense head.
        size: pixels of a side of a crop, a multiple of 32.
    """

    def __init__(self, num_classes: int, size: int) -> None:
        super().__init__()
        self.size = size
        self.backbone = Backbone()
        self.wide = WideFeatures()
        self.place = nn.Linear(5, _PLACE)
        self.classify = nn.Linear(WIDE + _PLACE, num_classes + 1)
        self.certainty: torch.Tensor  # weights of a constant, the head's evidence and the crop's
        self.register_buffer("certainty", torch.tensor([0.0, 1.0, 0.0]))

    def forward(
        self, pixel_values: torch.Tensor, box: torch.Tensor, log_distance: torch.Tensor
    ) -> torch.Tensor:
        """``(B, n, num_classes + 1)`` logits of boxes; arguments as of :func:`crop_boxes`, and
        ``(B, n, 1)`` the natural logarithm of the distance in metres."""
        crops = crop_boxes(pixel_values, box, self.size)
        place = torch.cat([box, log_distance], dim=-1).flatten(0, 1)
        logits = self.name(self.backbone(crops)[-1], place)
        return logits.unflatten(0, box.shape[:2])

    def name(self, features: torch.Tensor, place: torch.Tensor) -> torch.Tensor:
        """``(n, num_classes + 1)`` logits from the backbone's last map of each crop and ``(n, 5)``
        box and log distance, which tell a mug from a barrel."""
        pooled = functional.dropout(self.wide(features).mean((2, 3)), 0.2, self.training)
        size = (place[:, 2:4] - place[:, :2]).clamp(min=1e-3).log() + 2
        distance = place[:, 4:]
        geometry = torch.cat([size, distance, size + distance], dim=-1)
        return self.classify(torch.cat([pooled, self.place(geometry).relu()], dim=-1))

    def refine(self, scores: torch.Tensor, logits: torch.Tensor) -> Refined:
        """What the dense head said, after the second look.

        How likely there is an object at all is a logistic regression of what both say of it, and
        shared out among the classes by the product of their opinions of its name.

        Args:
            scores: ``(B, n, num_classes)`` of the head, 0 to 1.
            logits: of :meth:`forward`.
        """
        head, crop = self.evidence(scores, logits)
        weights = self.certainty
        certainty = (weights[0] + weights[1] * head + weights[2] * crop).sigmoid()
        names = (logits[..., :-1].log_softmax(-1) + (scores + _TINY).log()).softmax(-1)
        return Refined(certainty * names, certainty)

    @staticmethod
    def evidence(scores: torch.Tensor, logits: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Log odds of an object by the head's best score and by the crop, ``(B, n, 1)`` each."""
        best = scores.amax(-1, keepdim=True).clamp(_TINY, 1 - _TINY)
        return best.logit(), logits[..., :-1].logsumexp(-1, keepdim=True) - logits[..., -1:]
