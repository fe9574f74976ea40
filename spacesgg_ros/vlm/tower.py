"""A small convolutional vision tower whose tokens are objects, for LLaVA.

EfficientNet-lite0 features, a three-level pyramid, and a dense centre-point head (CenterNet,
arXiv 1904.07850) that is trained with boxes first. The tower's tokens are the ``num_tokens``
strongest peaks of that head's class map. Each carries what the decoder needs
to name and to place an object: local and surrounding features, class scores, box and distance.
The likeliest are looked at again, each in a crop of its own (``region_classifier``).
They come near to far by predicted distance, and a token that is likely an object says the how
manieth such it is, so that writing "objects near to far" is reading on from token to token. Tokens
of relations between them follow, if the tower has a relation head (``relation_head``).
LLaVA's projector and decoder read them like patch tokens.

Importing this module registers the tower with ``transformers``' Auto classes, so a folder
with ``"model_type": "spacesgg_tower"`` loads as ``LlavaForConditionalGeneration``. Needs torch.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass, replace

import torch
from torch import nn
from torch.nn import functional
from transformers import AutoConfig, AutoModel, PreTrainedConfig, PreTrainedModel
from transformers.modeling_outputs import BaseModelOutput

from .backbone import TAPS, Backbone
from .region_classifier import RegionClassifier
from .relation_head import PREDICATES, PairScores, RelationHead, list_relations

STRIDE = 8
"""Pixels of the padded input a cell of the head's maps covers, each way."""

_FOURIER_BANDS = 8
_LIKELY = 0.25
"""Certainty from which a peak counts as an object."""
_SAME_OBJECT_IOU = 0.6
"""A peak whose box overlaps a stronger one's by more is another view of the same object."""


class SpaceSGGTowerConfig(PreTrainedConfig):
    """Shape of the tower. ``hidden_size`` (of a token) follows from the other values."""

    model_type = "spacesgg_tower"

    image_size: int = 320
    patch_size: int = 46
    """Only tells the processor the token count: ``(image_size // patch_size) ** 2``."""
    neck_channels: int = 96
    num_classes: int = 91
    num_slots: int = 20
    """Likely objects that are counted, near to far."""
    num_relations: int = 0
    """Of the tokens, the last ones: for relations. 0: a tower without a relation head."""
    num_regions: int = 0
    """Peaks that are looked at again. 0: a tower without a region classifier."""
    region_size: int = 96
    """Pixels of a side of their crops, a multiple of 32."""
    hidden_size: int = 0

    def __post_init__(self, **kwargs) -> None:  # type: ignore[no-untyped-def]
        if self.image_size % 32:
            raise ValueError(f"image_size must be a multiple of 32, got {self.image_size}")
        if self.region_size % 32:
            raise ValueError(f"region_size must be a multiple of 32, got {self.region_size}")
        self.hidden_size = max(part.stop for part in self.token_parts.values())
        super().__post_init__(**kwargs)

    @property
    def token_parts(self) -> dict[str, slice]:
        """What a token is made of, and where in it: features at the peak and around it, 4 times
        the class scores, box (0..1 of the square), log distance, sine and cosine of the box
        (side-major), and a 1 for the how manieth likely object it is. A relation's token has
        other parts: how likely each predicate is, a 1 for the how manieth relation it is, and
        what places subject and object (slot, box, sine and cosine)."""
        waves = 4 * _FOURIER_BANDS
        widths = {
            "features": self.neck_channels,
            "around": self.neck_channels,
            "scores": self.num_classes,
            "box": 4,
            "log_distance": 1,
            "sine": waves,
            "cosine": waves,
            "slot": self.num_slots,
        }
        if self.num_relations:
            place = self.num_slots + 4 + 2 * waves
            widths |= {"predicate": len(PREDICATES), "number": self.num_relations}
            widths |= {"subject": place, "object": place}
        ends = list(itertools.accumulate(widths.values()))
        return {
            name: slice(end - width, end)
            for (name, width), end in zip(widths.items(), ends, strict=True)
        }

    @property
    def num_tokens(self) -> int:
        """Tokens an image gives."""
        return (self.image_size // self.patch_size) ** 2

    @property
    def num_objects(self) -> int:
        """Of them, those of objects."""
        return self.num_tokens - self.num_relations


@dataclass
class DenseDetections:
    """Maps of the head over cells of :data:`STRIDE` pixels.

    Attributes:
        features: ``(B, neck, h, w)``.
        class_logits: ``(B, classes, h, w)``.
        box_sides: ``(B, 4, h, w)`` distances from the cell centre to left, top, right and
            bottom, in cells.
        log_distance: ``(B, 1, h, w)`` natural logarithm of the distance in metres.
    """

    features: torch.Tensor
    class_logits: torch.Tensor
    box_sides: torch.Tensor
    log_distance: torch.Tensor


@dataclass
class Peaks:
    """The strongest peaks of the head's maps, near to far, N of them.

    Attributes:
        features, around: ``(B, N, neck)`` at the peak and averaged around it.
        scores: ``(B, N, classes)``, 0 to 1.
        certainty: ``(B, N, 1)`` that there is an object: the best score, or what a second look
            says, by which a thing between two names is certain all the same.
        box: ``(B, N, 4)`` left, top, right, bottom, 0 to 1 of the square.
        log_distance: ``(B, N, 1)``.
    """

    features: torch.Tensor
    around: torch.Tensor
    scores: torch.Tensor
    certainty: torch.Tensor
    box: torch.Tensor
    log_distance: torch.Tensor


def _separable(channels: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(channels, channels, 5, padding=2, groups=channels, bias=False),
        nn.BatchNorm2d(channels),
        nn.Conv2d(channels, channels, 1, bias=False),
        nn.BatchNorm2d(channels),
        nn.ReLU(),
    )


class DenseHead(nn.Module):
    """Feature pyramid and centre-point head over the backbone's maps."""

    def __init__(self, channels: int, num_classes: int) -> None:
        super().__init__()
        self.lateral = nn.ModuleList([nn.Conv2d(c, channels, 1) for c in TAPS.values()])
        self.blocks = nn.ModuleList(
            [nn.Sequential(*[_separable(channels) for _ in range(n)]) for n in (3, 2, 2)]
        )
        self.classify = nn.Conv2d(channels, num_classes, 1)
        self.measure = nn.Conv2d(channels, 5, 1)
        for layer, bias in ((self.classify, -4.6), (self.measure, 2.0)):
            assert layer.bias is not None
            nn.init.constant_(layer.bias, bias)  # classes: focal prior, objects are rare

    def forward(self, maps: list[torch.Tensor]) -> DenseDetections:
        x = self.blocks[2](self.lateral[2](maps[2]))
        for level in (1, 0):
            x = functional.interpolate(x, scale_factor=2.0, mode="nearest")
            x = self.blocks[level](self.lateral[level](maps[level]) + x)
        measured = self.measure(x)
        return DenseDetections(
            x,
            self.classify(x),
            2 * functional.softplus(measured[:, :4]),
            (measured[:, 4:] - 2.0) * 0.25,
        )


class SpaceSGGTower(PreTrainedModel):
    """Image ``(B, 3, S, S)`` to object tokens ``(B, num_tokens, hidden_size)``."""

    config_class = SpaceSGGTowerConfig
    main_input_name = "pixel_values"

    def __init__(self, config: SpaceSGGTowerConfig) -> None:
        super().__init__(config)
        self.backbone = Backbone()
        self.head = DenseHead(config.neck_channels, config.num_classes)
        if config.num_regions:
            self.regions = RegionClassifier(config.num_classes, config.region_size)
        if config.num_relations:
            self.relations = RelationHead(config.token_parts["slot"].stop, config.neck_channels)
        self.post_init()

    def _init_weights(self, module: nn.Module) -> None:
        """Keep the initialisation of the constructors: the head's biases carry a prior."""

    def detect(self, pixel_values: torch.Tensor) -> DenseDetections:
        """The head's maps, for detection supervision."""
        return self.head(self.backbone(pixel_values))

    def forward(
        self, pixel_values: torch.Tensor, return_dict: bool = True, **_: object
    ) -> BaseModelOutput:
        peaks = self.look_again(pixel_values, self.peaks(self.detect(pixel_values)))
        tokens = self.relate(self.tokens(peaks))
        return BaseModelOutput(last_hidden_state=tokens, hidden_states=(tokens,))

    def look_again(self, pixel_values: torch.Tensor, peaks: Peaks) -> Peaks:
        """``peaks`` with what the region classifier says of the strongest, if there is one."""
        count = min(self.config.num_regions, self.config.num_objects)
        if not count:
            return peaks
        chosen = peaks.certainty.topk(count, dim=1).indices

        def take(x: torch.Tensor) -> torch.Tensor:
            return x.gather(1, chosen.expand(-1, -1, x.shape[-1]))

        scores, box, log_distance = (take(x) for x in (peaks.scores, peaks.box, peaks.log_distance))
        told = self.regions.refine(scores, self.regions(pixel_values, box, log_distance))
        index = chosen.expand(-1, -1, scores.shape[-1])
        return replace(
            peaks,
            scores=peaks.scores.scatter(1, index, told.scores),
            certainty=peaks.certainty.scatter(1, chosen, told.certainty),
        )

    def relate(self, objects: torch.Tensor) -> torch.Tensor:
        """Tokens of objects, and after them those of their relations, if the tower tells any."""
        count = self.config.num_relations
        if not count:
            return objects
        parts = self.config.token_parts
        likely = objects[..., parts["slot"]].sum(-1) > 0
        told = list_relations(self.score_pairs(objects), likely, count)
        places = torch.cat([objects[..., parts[n]] for n in ("slot", "box", "sine", "cosine")], -1)
        ends = [
            places.gather(1, index[..., None].expand(-1, -1, places.shape[-1]))
            for index in (told.subject, told.object)
        ]
        number = torch.eye(count, device=objects.device).expand(len(objects), -1, -1)
        relations = told.present * torch.cat([told.predicate, number, *ends], dim=-1)
        return torch.cat(
            [
                functional.pad(objects, (0, relations.shape[-1])),
                functional.pad(relations, (objects.shape[-1], 0)),
            ],
            dim=1,
        )

    def score_pairs(self, tokens: torch.Tensor) -> PairScores:
        """The relation head's scores of all pairs of tokens, for supervision."""
        parts = self.config.token_parts
        box, log_distance, slot = (tokens[..., parts[n]] for n in ("box", "log_distance", "slot"))
        return self.relations(tokens, box, log_distance, slot.sum(-1) > 0)

    def peaks(self, maps: DenseDetections) -> Peaks:
        """The ``num_objects`` strongest peaks, near to far."""
        rows, columns = maps.class_logits.shape[-2:]
        strength = maps.class_logits.amax(1, keepdim=True)
        is_peak = functional.max_pool2d(strength, 3, 1, 1) == strength
        ranked = torch.where(is_peak, strength, strength - 100.0).flatten(1)
        count = self.config.num_objects
        strongest = ranked.topk(count, dim=1).indices
        distance = maps.log_distance.flatten(1).gather(1, strongest)
        chosen = strongest.gather(1, distance.topk(count, dim=1, largest=False).indices)

        def gather(x: torch.Tensor) -> torch.Tensor:
            index = chosen[:, None].expand(-1, x.shape[1], -1)
            return x.flatten(2).gather(2, index).transpose(1, 2)

        y, x = torch.meshgrid(
            torch.arange(rows, dtype=torch.float32, device=strength.device),
            torch.arange(columns, dtype=torch.float32, device=strength.device),
            indexing="ij",
        )
        sides, size = maps.box_sides, float(rows)
        boxes = torch.stack(
            [
                (x + 0.5 - sides[:, 0]) / size,
                (y + 0.5 - sides[:, 1]) / size,
                (x + 0.5 + sides[:, 2]) / size,
                (y + 0.5 + sides[:, 3]) / size,
            ],
            dim=1,
        ).clamp(0, 1)
        scores = gather(maps.class_logits.sigmoid())
        return Peaks(
            features=gather(maps.features),
            around=gather(functional.avg_pool2d(maps.features, 5, 1, 2)),
            scores=scores,
            certainty=scores.amax(-1, keepdim=True),
            box=gather(boxes),
            log_distance=gather(maps.log_distance),
        )

    def tokens(self, peaks: Peaks) -> torch.Tensor:
        """``(B, num_objects, channels)`` in the order of ``peaks``."""
        box = peaks.box
        bands = math.pi * 2.0 ** torch.arange(_FOURIER_BANDS, device=box.device)
        phase = (box[..., None] * bands).flatten(2)
        certain = peaks.certainty
        likely = ((certain > _LIKELY) & ~_is_repeated(box, certain)).float()
        slots = torch.arange(1, self.config.num_slots + 1, device=box.device)
        slot = (1 - (likely.cumsum(1) - slots).abs()).clamp(min=0) * likely
        return torch.cat(
            [
                peaks.features,
                peaks.around,
                4 * peaks.scores,
                box,
                peaks.log_distance,
                phase.sin(),
                phase.cos(),
                slot,
            ],
            dim=-1,
        )


def _is_repeated(box: torch.Tensor, score: torch.Tensor) -> torch.Tensor:
    """``(B, n, 1)``: whether a stronger box of ``(B, n, 4)`` lies on about the same place."""
    low = torch.maximum(box[:, :, None, :2], box[:, None, :, :2])
    high = torch.minimum(box[:, :, None, 2:], box[:, None, :, 2:])
    shared = (high - low).clamp(min=0).prod(-1)
    area = (box[..., 2:] - box[..., :2]).prod(-1)
    iou = shared / (area[:, :, None] + area[:, None] - shared).clamp(min=1e-6)
    stronger = score.transpose(1, 2) > score
    return ((iou > _SAME_OBJECT_IOU) & stronger).any(-1, keepdim=True)


AutoConfig.register(SpaceSGGTowerConfig.model_type, SpaceSGGTowerConfig)
AutoModel.register(SpaceSGGTowerConfig, SpaceSGGTower)
