"""A trained decoder that gets wider knows what it knew, and looks names up."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")

import torch
from transformers import LlamaConfig, LlavaConfig, LlavaForConditionalGeneration

from spacesgg_ros.cli.console import InputError
from spacesgg_ros.training.model.widen import widen
from spacesgg_ros.vlm.folder import open_folder
from spacesgg_ros.vlm.text_tokenizer import IMAGE_ID, save_processor
from spacesgg_ros.vlm.torch_runtime import load_llava
from spacesgg_ros.vlm.tower import SpaceSGGTowerConfig

NAMES = ["mug", "plate", "book", "coffee table", "wine glass", "lamp"]
HEAD = 64


def write_model(folder: Path, key_heads: int = 2) -> SpaceSGGTowerConfig:
    """An untrained embedded model; returns its tower's config."""
    tokenizer = save_processor(folder, NAMES, 64, [0.5] * 3, [0.5] * 3, patch_size=16)
    vision = SpaceSGGTowerConfig(
        image_size=64,
        patch_size=16,
        neck_channels=8,
        num_classes=len(NAMES),
        id2label=dict(enumerate(NAMES)),
    )
    text = LlamaConfig(
        vocab_size=tokenizer.get_vocab_size(),
        hidden_size=2 * HEAD,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=key_heads,
        tie_word_embeddings=True,
    )
    torch.manual_seed(1)
    config = LlavaConfig(
        vision_config=vision,
        text_config=text,
        image_token_index=IMAGE_ID,
        image_seq_length=16,
        vision_feature_layer=-1,
        vision_feature_select_strategy="full",
        tie_word_embeddings=True,
    )
    LlavaForConditionalGeneration(config).save_pretrained(folder)
    return vision


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A model and its wider copy."""
    source = tmp_path_factory.mktemp("widen") / "model"
    return source, widen(source, source.parent / "wide", see(write_model(source)))


def see(tower: SpaceSGGTowerConfig) -> torch.Tensor:
    """``(8, 16, channels)``: in each picture one object of each class, then nothing much."""
    tokens = 0.05 * torch.randn(
        8, 16, tower.hidden_size, generator=torch.Generator().manual_seed(3)
    )
    for k in range(len(NAMES)):
        tokens[:, k, tower.token_parts["scores"].start + k] = 4 * 0.8
        tokens[:, k, tower.token_parts["box"]] += torch.rand(8, 4)
    return tokens


def run(folder: Path, text: str) -> tuple[Any, Any]:
    """The language model's output and its logits for the first picture and ``text``."""
    opened = open_folder(folder)
    llava = load_llava(opened, "float32").eval()
    llava.set_attn_implementation("eager")
    ids = opened.load_tokenizer().encode(text, add_special_tokens=False).ids
    with torch.inference_mode():
        seen = llava.model.multi_modal_projector(see(llava.config.vision_config)[:1])
        said = llava.get_input_embeddings()(torch.tensor(ids))[None]
        out = llava.model.language_model(
            inputs_embeds=torch.cat([seen, said], 1), output_attentions=True
        )
        return out, llava.lm_head(out.last_hidden_state)[0]


def test_what_it_says_hardly_changes(folders: tuple[Path, Path]) -> None:
    (_, before), (_, after) = (run(folder, "Where is the mug?") for folder in folders)
    assert torch.cosine_similarity(before, after, dim=-1).min() > 0.95


@pytest.mark.parametrize("name", NAMES)
def test_the_new_head_looks_for_the_tower_token_of_a_name(
    folders: tuple[Path, Path], name: str
) -> None:
    out, _ = run(folders[1], f"Where is the {name}")
    looks = out.attentions[0][0, -1, -1]
    assert int(looks.argmax()) == NAMES.index(name)


def test_heads_that_share_their_keys_are_refused(tmp_path: Path) -> None:
    features = see(write_model(tmp_path / "model", key_heads=1))
    with pytest.raises(InputError, match="as many key as query heads"):
        widen(tmp_path / "model", tmp_path / "out", features)
