"""A grown language model says what it said before, and can learn more."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from spacesgg_ros.cli.console import InputError
from spacesgg_ros.training.engine.growing import grow_language_model
from spacesgg_ros.vlm.folder import open_folder
from spacesgg_ros.vlm.torch_runtime import load_llava


@pytest.mark.parametrize(
    ("layers", "order"), [(2, [0, 1]), (3, [0, 0, 1]), (4, [0, 0, 1, 1]), (5, [0, 0, 0, 1, 1])]
)
def test_new_layers_copy_the_one_below_and_change_nothing(
    own_llava: Path, layers: int, order: list[int]
) -> None:
    llava = load_llava(open_folder(own_llava), "float32")
    old = [layer.self_attn.q_proj.weight.clone() for layer in llava.model.language_model.layers]
    ids = torch.arange(5, 45)[None]
    with torch.no_grad():
        before = llava.model.language_model(input_ids=ids).last_hidden_state
        grow_language_model(llava, layers)
        after = llava.model.language_model(input_ids=ids)
    assert torch.equal(before, after.last_hidden_state)
    assert len(after.past_key_values.layers) == layers == llava.config.text_config.num_hidden_layers
    grown = llava.model.language_model.layers
    assert all(
        torch.equal(layer.self_attn.q_proj.weight, old[k])
        for layer, k in zip(grown, order, strict=True)
    )


def test_a_new_layer_learns(own_llava: Path) -> None:
    llava = load_llava(open_folder(own_llava), "float32")
    grow_language_model(llava, 3)
    llava.model.language_model(
        input_ids=torch.arange(5, 45)[None]
    ).last_hidden_state.sum().backward()
    new = llava.model.language_model.layers[1]
    assert new.self_attn.o_proj.weight.grad.abs().sum() > 0
    assert new.mlp.down_proj.weight.grad.abs().sum() > 0


def test_it_does_not_shrink(own_llava: Path) -> None:
    with pytest.raises(InputError, match="has 2 already"):
        grow_language_model(load_llava(open_folder(own_llava), "float32"), 1)
