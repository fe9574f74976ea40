"""What new weights know before they have learnt anything."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from tokenizers import Tokenizer
from transformers import LlamaConfig, LlavaConfig, LlavaForConditionalGeneration

from spacesgg_ros.training.engine.fresh import start_fresh
from spacesgg_ros.training.engine.loss import coordinate_ids
from spacesgg_ros.vlm.folder import open_folder
from spacesgg_ros.vlm.text_tokenizer import IMAGE_ID, build_tokenizer
from spacesgg_ros.vlm.torch_runtime import load_llava
from spacesgg_ros.vlm.tower import SpaceSGGTowerConfig

NAMES = ["mug", "plate", "book", "coffee table", "wine glass", "lamp"]
Started = tuple[Any, Tokenizer]


@pytest.fixture(scope="module")
def started() -> Started:
    """A decoder as wide as the embedded model's, before its first step."""
    tokenizer = build_tokenizer(NAMES)
    vision = SpaceSGGTowerConfig(
        image_size=64,
        patch_size=16,
        neck_channels=8,
        num_classes=6,
        num_relations=4,
        id2label=dict(enumerate(NAMES)),
    )
    text = LlamaConfig(
        vocab_size=tokenizer.get_vocab_size(),
        hidden_size=256,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=4,
        tie_word_embeddings=True,
        rope_parameters={"rope_type": "default", "rope_theta": 1e6},
    )
    config = LlavaConfig(
        vision_config=vision,
        text_config=text,
        image_token_index=IMAGE_ID,
        image_seq_length=16,
        vision_feature_layer=-1,
        vision_feature_select_strategy="full",
        tie_word_embeddings=True,
    )
    torch.manual_seed(1)
    llava = LlavaForConditionalGeneration(config)
    start_fresh(llava, ("projector", "language_model"), tokenizer)
    llava.set_attn_implementation("eager")  # the other tells no weights
    return llava.eval(), tokenizer


def likeness(llava: Any, a: int, b: int) -> float:
    words = llava.get_input_embeddings().weight.detach()
    return float(torch.cosine_similarity(words[a], words[b], dim=0))


def only_id(tokenizer: Tokenizer, text: str) -> int:
    (index,) = tokenizer.encode(text, add_special_tokens=False).ids
    return index


def see_all(llava: Any) -> torch.Tensor:
    """``(1, 16, channels)`` tower tokens: one of each class, then nothing much."""
    config = llava.config.vision_config
    tokens = 0.05 * torch.randn(
        1, 16, config.hidden_size, generator=torch.Generator().manual_seed(3)
    )
    for k in range(len(NAMES)):
        tokens[0, k, config.token_parts["scores"].start + k] = 4 * 0.8
        tokens[0, k, config.token_parts["slot"].start + k] = 1.0
    bands = math.pi * 2.0 ** torch.arange(8)
    for k in range(16):
        box = torch.tensor([0.06 * k, 0.3, 0.06 * k + 0.02, 0.9])
        tokens[0, k, config.token_parts["box"]] = box
        phase = (box[:, None] * bands).flatten()
        tokens[0, k, config.token_parts["sine"]] = phase.sin()
        tokens[0, k, config.token_parts["cosine"]] = phase.cos()
    return tokens


def attend(started: Started, text: str) -> list[torch.Tensor]:
    """Per layer ``(heads, tower tokens)``: where the last token of ``text`` looks."""
    llava, tokenizer = started
    ids = torch.tensor(tokenizer.encode(text, add_special_tokens=False).ids)
    with torch.inference_mode():
        seen = llava.model.multi_modal_projector(see_all(llava))
        said = llava.get_input_embeddings()(ids)[None]
        out = llava.model.language_model(
            inputs_embeds=torch.cat([seen, said], 1), output_attentions=True
        )
    return [layer[0, :, -1, : seen.shape[1]] for layer in out.attentions]


def test_close_numbers_start_close(started: Started) -> None:
    llava, tokenizer = started
    bare, _ = coordinate_ids(tokenizer)
    near, far = likeness(llava, bare[500], bare[503]), likeness(llava, bare[500], bare[700])
    assert near > 0.7 > 0.4 > far


def test_a_number_starts_close_to_itself_with_a_comma(started: Started) -> None:
    llava, tokenizer = started
    bare, comma = coordinate_ids(tokenizer)
    mine, others = likeness(llava, bare[500], comma[500]), likeness(llava, bare[500], comma[700])
    assert mine > max(0.5, others)


def test_a_word_starts_close_to_itself_after_a_space(started: Started) -> None:
    llava, tokenizer = started
    mug, spaced, book = (only_id(tokenizer, t) for t in ("mug", " mug", " book"))
    assert likeness(llava, mug, spaced) > 0.7 > likeness(llava, mug, book)


@pytest.mark.parametrize("name", NAMES)
def test_a_name_looks_for_the_tower_token_of_that_name(started: Started, name: str) -> None:
    looks = attend(started, f"What is the spatial relation of the {name}")[0][:2].sum(0)
    assert int(looks.argmax()) == NAMES.index(name)
    assert looks.max() > 2 * looks.sort().values[-2]


@pytest.mark.parametrize("name", NAMES[:-1])
def test_from_a_name_the_next_object_is_looked_for(started: Started, name: str) -> None:
    looks = attend(started, f"<ref>{name}")[1][0]
    assert int(looks.argmax()) == NAMES.index(name) + 1


def test_a_coordinate_looks_for_the_tower_token_with_such_a_box(started: Started) -> None:
    shares = []
    for place in range(16):
        number = round(999 * 0.06 * place)  # the left side
        looks = attend(started, f"<box>[[{number}, ")[0][2:]
        shares.append(float(looks[:, place].mean()))
    assert sum(shares) / 16 > 0.5  # of 16 tokens


def test_the_projector_starts_as_a_nearly_linear_map(started: Started) -> None:
    llava, _ = started
    project = llava.model.multi_modal_projector
    torch.manual_seed(2)
    a, b = torch.rand(2, 1, 1, llava.config.vision_config.hidden_size)
    with torch.inference_mode():
        between = project((a + b) / 2)
        assert (between - (project(a) + project(b)) / 2).norm() < 0.1 * between.norm()


def test_another_tower_gets_a_random_projector(clip_llava: Path) -> None:
    folder = open_folder(clip_llava)
    llava = load_llava(folder)
    before = llava.model.multi_modal_projector.linear_2.weight.clone()
    start_fresh(llava, ("projector",), folder.load_tokenizer())
    assert not torch.equal(before, llava.model.multi_modal_projector.linear_2.weight)


def test_nothing_named_stays_as_it_is(own_llava: Path) -> None:
    folder = open_folder(own_llava)
    llava = load_llava(folder)
    before = {name: weight.clone() for name, weight in llava.state_dict().items()}
    start_fresh(llava, (), folder.load_tokenizer())
    assert all(torch.equal(before[name], weight) for name, weight in llava.state_dict().items())
