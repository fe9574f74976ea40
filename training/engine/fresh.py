"""Where a projector and a language model start that have learnt nothing yet.

Random weights, but with what is known beforehand built in: numbers that are close have close
embeddings, "mug" and " mug" are one word, an object token of the package's own tower names its
class in directions that a word of that name looks for, and says where it is in others. So from the
first step a name in the text fetches the place of its object, and a coordinate fetches which object
has it. A small decoder hardly finds that out by itself: in a short training it answers by names
alone (docs/experiments.md).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from tokenizers import Tokenizer
from torch.nn import functional

from spacesgg_ros.cli.console import InputError
from spacesgg_ros.extras import require
from spacesgg_ros.vlm.proposals import TOWER_MODEL_TYPE

from .loss import COORDINATES, coordinate_ids

_BANDS = 8
"""Octaves of a number's code, as of a box's in a tower token."""
_PLACING_BANDS = ([0, 1, 2, 3, 5], [0, 2, 4, 6, 7])
"""Octaves by which a coordinate looks for boxes, of two heads: the coarse ones tell places apart
that the fine ones confuse."""
_PLACING_GAIN = 2.0
_IDENTITY = 0.5
"""Share of a number's embedding that no other number has, so that it can be copied exactly."""
OPERATING_POINT = 2.0
"""Where the projector's GELU is nearly a straight line of slope 1."""
_INNER_GAIN = 4.0
"""Scale of the projector's inner layer: its values stay within the straight part."""
_STRENGTH = {
    "scores": 5.0,
    "box": 8.0,
    "log_distance": 5.0,
    "sine": 2.0,
    "cosine": 2.0,
    "slot": 8.0,
    "predicate": 8.0,
    "number": 8.0,
}
"""Of a part of a tower token, in standard deviations of a word's embedding (0.02): each part comes
to about the length of a word (16 of them)."""
_FEATURE_STRENGTH = 0.1
_LOOKING_GAIN = 0.8
_READING_ON_GAIN = 2.0
_FETCHING_GAIN = 0.03
"""Of what a head fetches: about as long as a word, too."""
_FETCHED = ("slot", "box", "log_distance", "sine", "cosine", "predicate", "number")
"""What looking heads fetch, as far as there is room."""
_QUICK_PAIRS = 10
"""RoPE pairs that turn within a picture's tokens and a question: looking leaves them out."""
_NAME_SHARE = 4
"""A name takes a quarter of the dimensions, and as many in a tower token."""


@dataclass(frozen=True)
class Directions:
    """Directions of the residual stream, one a row; all orthogonal where there is room.

    Attributes:
        word: in which words differ that are names of classes, ``(hidden / 4, hidden)``.
        seen: the same of the names in tower tokens.
        number: sines and cosines of a coordinate's octaves, ``(2 * octaves, hidden)``.
        parts: of the other parts of a tower token.
    """

    word: torch.Tensor
    seen: torch.Tensor
    number: torch.Tensor
    parts: dict[str, torch.Tensor]

    @staticmethod
    def draw(config: Any) -> Directions:
        """For a LLaVA's config with the package's own tower; from torch's seed."""
        hidden = config.text_config.hidden_size
        parts = config.vision_config.token_parts
        kept = ["box", "log_distance", "slot", "sine", "cosine"]
        kept += [name for name in ("predicate", "number") if name in parts]
        widths = [hidden // _NAME_SHARE] * 2 + [2 * _BANDS]
        widths += [parts[n].stop - parts[n].start for n in kept]
        size = max(hidden, sum(widths))
        rows = torch.linalg.qr(torch.randn(size, size)).Q[: sum(widths), :hidden]
        word, seen, number, *others = functional.normalize(rows, dim=1).split(widths)
        return Directions(word, seen, number, dict(zip(kept, others, strict=True)))


def start_fresh(llava: Any, parts: Sequence[str], tokenizer: Tokenizer) -> None:
    """New weights for the projector and the language model, or one of them, from torch's seed."""
    if "language_model" in parts:
        transformers = require("transformers", "train")
        config = llava.config.text_config
        fresh = transformers.AutoModel.from_config(config)
        llava.model.language_model.load_state_dict(fresh.state_dict())
        if not llava.config.tie_word_embeddings:
            torch.nn.init.normal_(llava.lm_head.weight, std=config.initializer_range)
    if "projector" in parts:
        for layer in llava.model.multi_modal_projector.modules():
            if isinstance(layer, torch.nn.Linear):
                layer.reset_parameters()
    is_own = llava.config.vision_config.model_type == TOWER_MODEL_TYPE
    is_whole = is_own and set(parts) == {"projector", "language_model"}
    directions = Directions.draw(llava.config) if is_whole else None
    if "language_model" in parts:
        order_coordinates(llava.get_input_embeddings(), tokenizer, directions)
    if directions is not None:
        place_names(llava, tokenizer, directions)
        align_projector(llava, tokenizer, directions)
        teach_to_look(llava, directions)
    if "language_model" in parts:
        pair_forms(llava.get_input_embeddings(), tokenizer)


@torch.no_grad()
def order_coordinates(
    embedding: torch.nn.Embedding, tokenizer: Tokenizer, directions: Directions | None
) -> None:
    """Start coordinate tokens as Fourier features of their value, and something of their own.

    Without ``directions`` the features lie anywhere. The form with a comma starts as the one
    without, moved the same way for all. Does nothing for a tokenizer that spells numbers.
    """
    try:
        forms = coordinate_ids(tokenizer)
    except InputError:
        return
    width, std = embedding.embedding_dim, embedding.weight.std()
    value = torch.arange(COORDINATES)[:, None] / (COORDINATES - 1)
    phase = value * math.pi * 2.0 ** torch.arange(_BANDS)
    features = torch.cat([phase.sin(), phase.cos()], dim=1)
    number = torch.randn(features.shape[1], width) if directions is None else directions.number
    smooth = features @ number
    own = torch.randn(COORDINATES, width)
    code = math.sqrt(1 - _IDENTITY**2) * smooth / smooth.std() + _IDENTITY * own
    for ids in forms:
        embedding.weight[ids] = std * (code + torch.randn(width) / 2)


@torch.no_grad()
def pair_forms(embedding: torch.nn.Embedding, tokenizer: Tokenizer) -> None:
    """Start a word after a space close to the word alone."""
    vocabulary = tokenizer.get_vocab()
    spaced = "\u0120"  # how byte-level vocabularies write a space
    after = embedding.weight.std() / 2 * torch.randn(embedding.embedding_dim)
    for token, index in vocabulary.items():
        if token.startswith(spaced) and token[1:] in vocabulary:
            embedding.weight[index] = embedding.weight[vocabulary[token[1:]]] + after


@torch.no_grad()
def place_names(llava: Any, tokenizer: Tokenizer, directions: Directions) -> None:
    """Start the words of class names in the directions kept for them."""
    words = llava.get_input_embeddings().weight
    for name in llava.config.vision_config.id2label.values():
        for index in tokenizer.encode(name, add_special_tokens=False).ids:
            code = torch.randn(len(directions.word))
            words[index] = words.std() * math.sqrt(_NAME_SHARE) * code @ directions.word


@torch.no_grad()
def align_projector(llava: Any, tokenizer: Tokenizer, directions: Directions) -> None:
    """Start the projector as a linear map of a tower token's parts into their directions.

    A class score points at the class's name, in the directions of names that are seen. A relation's
    token says where its subject is as an object's token says its own place, and where its object is
    in the directions of names, of which it has none. The map goes through the nearly straight part
    of the GELU.
    """
    config = llava.config.vision_config
    words = llava.get_input_embeddings().weight
    parts, (_, hidden), unit = config.token_parts, words.shape, float(words.std())
    into = torch.zeros(config.hidden_size, hidden)
    for name in ("features", "around"):
        into[parts[name]] = _FEATURE_STRENGTH * unit * torch.randn_like(into[parts[name]])
    for name, rows in directions.parts.items():
        into[parts[name]] = _STRENGTH[name] * unit * rows
    for index, name in config.id2label.items():
        ids = tokenizer.encode(name, add_special_tokens=False).ids
        code = functional.normalize(words[ids].mean(0) @ directions.word.T, dim=0)
        into[parts["scores"].start + index] = _STRENGTH["scores"] * unit * code @ directions.seen
    if "subject" in parts:
        placed = ("box", "sine", "cosine")
        places = torch.cat([_STRENGTH[n] * directions.parts[n] for n in placed])
        spare = directions.seen[torch.arange(len(places)) % len(directions.seen)]
        for name, rows in (("subject", places), ("object", _STRENGTH["sine"] * spare)):
            into[parts[name].stop - len(rows) : parts[name].stop] = unit * rows
    projector = llava.model.multi_modal_projector
    if (inner := projector.linear_1.weight.shape[0]) != hidden:
        raise InputError(f"the projector's inner width is {inner}; expected {hidden}, the words'")
    level, slope = straighten_gelu()
    projector.linear_1.weight.copy_(_INNER_GAIN * into.T)
    projector.linear_1.bias.fill_(OPERATING_POINT)
    projector.linear_2.weight.copy_(torch.eye(hidden) / (_INNER_GAIN * slope))
    projector.linear_2.bias.fill_(-level / (_INNER_GAIN * slope))


def straighten_gelu() -> tuple[float, float]:
    """Value and slope of the GELU at :data:`OPERATING_POINT`."""
    point = torch.tensor(OPERATING_POINT, requires_grad=True)
    with torch.enable_grad():
        level = functional.gelu(point)
        (slope,) = torch.autograd.grad(level, point)
    return float(level.detach()), float(slope)


@torch.no_grad()
def teach_to_look(llava: Any, directions: Directions) -> None:
    """Start five heads so that a name knows its object; all other output starts nearly silent.

    Two of the first layer let a name look for the tower token of that name and fetch where it is,
    its number near to far, and what it stands to. Two more let a coordinate look for the tower
    tokens whose box has it, and fetch the same. One of the second layer looks from a number for the
    next and fetches the name that comes next.
    """
    config = llava.config.text_config
    layers = llava.model.language_model.layers
    for layer in layers:
        for out in (layer.self_attn.o_proj, layer.mlp.down_proj):
            out.weight.mul_(1 / math.sqrt(2 * len(layers)))
    heads = config.num_attention_heads
    if len(layers) < 2 or heads < 2 or config.num_key_value_heads != heads:
        return
    fetched = torch.cat([directions.parts[name] for name in _FETCHED if name in directions.parts])
    size = layers[0].self_attn.head_dim
    slow = [i for i in range(size) if i % (size // 2) >= _QUICK_PAIRS * size // 64]
    for head in range(2):
        names = torch.arange(len(slow)) + head * len(slow)
        wanted, held = (
            _LOOKING_GAIN * rows[names % len(rows)] for rows in (directions.word, directions.seen)
        )
        places = torch.arange(head * size, (head + 1) * size) % len(fetched)
        _start_head(layers[0].self_attn, head, slow, wanted, held, fetched[places])
    if heads >= 2 + len(_PLACING_BANDS):
        sines, cosines = directions.number.split(_BANDS)
        for head, bands in enumerate(_PLACING_BANDS, start=2):
            wanted = torch.cat([wave[bands].repeat(4, 1) for wave in (sines, cosines)])
            held = torch.cat(
                [
                    directions.parts[name].unflatten(0, (4, _BANDS))[:, bands].flatten(0, 1)
                    for name in ("sine", "cosine")
                ]
            )
            wanted, held = (_PLACING_GAIN * rows[: len(slow)] for rows in (wanted, held))
            passed = fetched[torch.arange((head - 2) * size, (head - 1) * size) % len(fetched)]
            _start_head(layers[0].self_attn, head, slow, wanted, held, passed)
    slot = _READING_ON_GAIN * directions.parts["slot"][: len(slow) + 1]
    name = directions.seen[torch.arange(size) % len(directions.seen)]
    _start_head(layers[1].self_attn, 0, slow, slot[:-1], slot[1:], name)


def _start_head(
    attention: Any,
    head: int,
    slow: list[int],
    wanted: torch.Tensor,
    held: torch.Tensor,
    passed: torch.Tensor,
) -> None:
    """A head that looks from ``wanted`` to ``held`` (rows of directions, one each) and passes on
    what lies in ``passed``, unchanged."""
    first = head * attention.head_dim
    rows = slice(first, first + attention.head_dim)
    for layer, looked in ((attention.q_proj, wanted), (attention.k_proj, held)):
        layer.weight[rows] = 0
        layer.weight[[first + i for i in slow[: len(looked)]]] = looked
    attention.v_proj.weight[rows] = passed
    attention.o_proj.weight[:, rows] = _FETCHING_GAIN * passed.T
