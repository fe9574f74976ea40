"""Give a trained embedded model a head that looks names up among the tower's tokens.

    python -m spacesgg_ros.training.model.widen MODEL OUT SHARD.tar

The decoder gets as many more dimensions as a head has, and a head more a layer. What it knew stays
(nearly: the new dimensions add a little to each norm). In the new dimensions a word that ends a
class's name, and a tower token of that class, carry the same code, the word in one half and the
token in the other; the first layer's new head looks from the one for the other and passes on the
strongest directions of what tower tokens hold. The other layers' new heads start nearly silent. A
decoder that starts ``fresh`` (``training/engine/fresh.py``) has such heads already.
"""

from __future__ import annotations

import json
import math
import shutil
import sys
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch.nn import functional

from spacesgg_ros.cli.console import InputError
from spacesgg_ros.training.engine.fresh import OPERATING_POINT, straighten_gelu
from spacesgg_ros.training.scenes.dataset import read_shards
from spacesgg_ros.vlm.folder import open_folder
from spacesgg_ros.vlm.proposals import TOWER_MODEL_TYPE
from spacesgg_ros.vlm.torch_runtime import load_llava

from .tower_data import square_pixels

_CODE_SHARE = 0.35
"""Length of a code, as a share of the embedding or tower token that carries it."""
_LIKELY_SCORE = 0.8
"""Class score at which a tower token's code has that length."""
_LOGIT = 9.0
"""By how much the right token is looked at rather than one without a code."""
_PASSED_GAIN = 0.25
_SILENCE = 0.002


@torch.no_grad()
def widen(source: Path, out: Path, features: torch.Tensor) -> Path:
    """A copy of a model folder, without its ONNX files, with the wider decoder.

    Args:
        features: ``(images, tokens, channels)`` of the tower, some hundred images.

    Raises:
        InputError: a decoder or tower of another kind.
    """
    torch.manual_seed(0)
    folder = open_folder(source)
    llava = load_llava(folder, "float32").eval()
    text, tower = llava.config.text_config, llava.config.vision_config
    size = llava.model.language_model.layers[0].self_attn.head_dim
    if tower.model_type != TOWER_MODEL_TYPE or text.num_key_value_heads * size != text.hidden_size:
        raise InputError(f"{source} is no embedded model with as many key as query heads")
    tokens = llava.model.multi_modal_projector(features)
    scores = features[..., tower.token_parts["scores"]] / 4
    objects = tokens[scores.amax(-1) > 0.25]
    codes = functional.normalize(torch.randn(len(tower.id2label), size // 2), dim=1)
    weights = {k: v.float() for k, v in load_file(source / "model.safetensors").items()}

    def put(suffix: str, value: torch.Tensor) -> None:
        (name,) = [key for key in weights if key.endswith(suffix)]
        weights[name] = value.float().contiguous()

    words = llava.get_input_embeddings().weight
    put("embed_tokens.weight", torch.cat([words, _code_words(llava, folder, codes, size)], 1))
    for name, value in _widen_projector(llava, codes, size, float(objects.norm(dim=1).median())):
        put(f"multi_modal_projector.{name}", value)
    held = llava.model.language_model.layers[0].input_layernorm(objects)
    directions = torch.linalg.svd(held[:20_000] - held.mean(0), full_matrices=False).Vh[:size]
    for index, layer in enumerate(llava.model.language_model.layers):
        for name, value in _widen_layer(layer, None if index else directions, size):
            put(f"layers.{index}.{name}", value)
    norm = llava.model.language_model.norm.weight
    put("language_model.model.norm.weight", _widen_norm(norm, size, 0.0))
    ignored = shutil.ignore_patterns("onnx", "evaluation*", "*.safetensors")
    shutil.copytree(source, out, ignore=ignored)
    config = json.loads((out / "config.json").read_text())
    heads = text.num_attention_heads + 1
    config["text_config"] |= {
        "hidden_size": text.hidden_size + size,
        "num_attention_heads": heads,
        "num_key_value_heads": heads,
        "head_dim": size,
    }
    (out / "config.json").write_text(json.dumps(config, indent=2) + "\n")
    save_file(weights, out / "model.safetensors", metadata={"format": "pt"})
    return out


def _code_words(llava: Any, folder: Any, codes: torch.Tensor, size: int) -> torch.Tensor:
    """``(vocabulary, size)``: the code of a name at the last word of it, in the first half."""
    words, tokenizer = llava.get_input_embeddings().weight, folder.load_tokenizer()
    ends: dict[int, list[int]] = {}
    for index, name in llava.config.vision_config.id2label.items():
        for form in (name, f" {name}"):
            last = tokenizer.encode(form, add_special_tokens=False).ids[-1]
            ends.setdefault(last, []).append(index)
    new = torch.zeros(len(words), size)
    for word, classes in ends.items():
        code = functional.normalize(codes[classes].sum(0), dim=0)
        new[word, : size // 2] = _CODE_SHARE * words[word].norm() * code
    return new


def _widen_projector(
    llava: Any, codes: torch.Tensor, size: int, length: float
) -> list[tuple[str, torch.Tensor]]:
    """The projector with the code of a token's class in the second half of the new dimensions."""
    parts = llava.config.vision_config.token_parts
    projector = llava.model.multi_modal_projector
    inner = torch.zeros(size, llava.config.vision_config.hidden_size)
    inner[size // 2 :, parts["scores"]] = _CODE_SHARE * codes.T
    level, slope = straighten_gelu()
    gain = _CODE_SHARE * length / (4 * _LIKELY_SCORE * _CODE_SHARE) / slope
    first, second = (torch.full((size,), bias) for bias in (OPERATING_POINT, -level * gain))
    outer = torch.block_diag(projector.linear_2.weight, gain * torch.eye(size))
    return [
        ("linear_1.weight", torch.cat([projector.linear_1.weight, inner])),
        (
            "linear_1.bias",
            torch.cat([projector.linear_1.bias, first]),
        ),
        ("linear_2.weight", outer),
        ("linear_2.bias", torch.cat([projector.linear_2.bias, second])),
    ]


def _widen_layer(
    layer: Any, directions: torch.Tensor | None, size: int
) -> list[tuple[str, torch.Tensor]]:
    """A layer with a head more. ``directions``: what the looking head passes on, if it is that."""
    attention, mlp = layer.self_attn, layer.mlp
    old = attention.q_proj.weight.shape[1]
    head = {name: torch.zeros(size, old + size) for name in "qkv"}
    if directions is None:
        for name, std in (("q", 0.02), ("k", 0.02), ("v", 0.03)):
            head[name].normal_(std=std)
    else:
        # a normalised code is this long; half of RoPE's pairs hardly turn within a picture
        code = _CODE_SHARE / math.sqrt(1 + _CODE_SHARE**2) * math.sqrt(old + size)
        gain = math.sqrt(_LOGIT * math.sqrt(size)) / code
        slow = [i for i in range(size) if i % (size // 2) >= size // 4]
        for k, row in enumerate(slow):
            head["q"][row, old + k] = head["k"][row, old + size // 2 + k] = gain
        head["v"][: len(directions), :old] = _PASSED_GAIN * directions
    out = torch.zeros(old + size, old + size)
    out[:old, :old] = attention.o_proj.weight
    out[:, old:].normal_(std=_SILENCE)
    widened = [
        (f"self_attn.{name}_proj.weight", torch.cat([_pad(weight, size), head[name]]))
        for name, weight in (
            ("q", attention.q_proj.weight),
            ("k", attention.k_proj.weight),
            ("v", attention.v_proj.weight),
        )
    ]
    down = torch.cat([mlp.down_proj.weight, torch.zeros(size, mlp.down_proj.weight.shape[1])])
    return [
        *widened,
        ("self_attn.o_proj.weight", out),
        ("mlp.gate_proj.weight", _pad(mlp.gate_proj.weight, size)),
        ("mlp.up_proj.weight", _pad(mlp.up_proj.weight, size)),
        ("mlp.down_proj.weight", down),
        ("input_layernorm.weight", _widen_norm(layer.input_layernorm.weight, size, 1.0)),
        (
            "post_attention_layernorm.weight",
            _widen_norm(layer.post_attention_layernorm.weight, size, 1.0),
        ),
    ]


def _pad(weight: torch.Tensor, size: int) -> torch.Tensor:
    return torch.cat([weight, torch.zeros(weight.shape[0], size)], 1)


def _widen_norm(weight: torch.Tensor, size: int, new: float) -> torch.Tensor:
    """As strong as before on the old dimensions, over whose mean square the new ones lie."""
    ratio = math.sqrt(len(weight) / (len(weight) + size))
    return torch.cat([weight * ratio, torch.full((size,), new)])


def _run_tower(model: Path, shard: Path) -> torch.Tensor:
    """What the tower makes of a shard's frames."""
    llava = load_llava(open_folder(model), "float32").eval()
    side = llava.config.vision_config.image_size
    tokens = []
    with torch.inference_mode():
        for _, files in read_shards([shard]):
            pixels = torch.from_numpy(square_pixels(files["jpg"], side))
            tokens.append(llava.model.vision_tower(pixels[None]).last_hidden_state)
    return torch.cat(tokens)


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit("usage: python -m spacesgg_ros.training.model.widen MODEL OUT SHARD.tar")
    model, target, frames = map(Path, sys.argv[1:])
    print(widen(model, target, _run_tower(model, frames)))
