"""More layers for a language model that has learnt already.

A new layer is a copy of the one below it that adds nothing yet, so the model says what it said
before (block expansion, LLaMA Pro, Wu et al. 2024, arXiv 2401.02415).
"""

from __future__ import annotations

import copy
import math
from typing import Any

import torch

from spacesgg_ros.cli.console import InputError


def grow_language_model(llava: Any, layers: int) -> None:
    """Bring the decoder to ``layers`` layers, the new ones spread evenly between the old.

    Raises:
        InputError: it has more already, or its layers are not of Llama's kind.
    """
    decoder, config = llava.model.language_model, llava.config.text_config
    old = list(decoder.layers)
    added = layers - len(old)
    if added < 0:
        raise InputError(f"layers is {layers}, but the language model has {len(old)} already")
    grown = list(old)
    for k in range(added, 0, -1):
        place = math.ceil(k * len(old) / (added + 1))
        grown.insert(place, _silent_copy(old[place - 1]))
    for index, layer in enumerate(grown):
        layer.self_attn.layer_idx = index  # where the layer's keys and values are kept
    decoder.layers = torch.nn.ModuleList(grown)
    config.num_hidden_layers = layers


@torch.no_grad()
def _silent_copy(layer: torch.nn.Module) -> torch.nn.Module:
    new = copy.deepcopy(layer)
    try:
        outputs = [new.get_submodule(name) for name in ("self_attn.o_proj", "mlp.down_proj")]
    except AttributeError as error:
        raise InputError(f"layers: cannot grow a decoder of such layers: {error}") from error
    for output in outputs:
        for parameter in output.parameters():
            parameter.zero_()
    return new
