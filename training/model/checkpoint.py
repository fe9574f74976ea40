"""Assemble a LLaVA folder from the tower and a small Llama decoder, and save it."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from safetensors.torch import load_file
from tokenizers import Tokenizer
from transformers import LlamaConfig, LlavaConfig, LlavaForConditionalGeneration

from spacesgg_ros.cli.console import InputError
from spacesgg_ros.training.data.spatial_text import template_words
from spacesgg_ros.vlm.text_tokenizer import BOS_ID, EOS_ID, IMAGE_ID, PAD_ID, save_processor
from spacesgg_ros.vlm.tower import SpaceSGGTower

from .tower_data import IMAGE_MEAN, IMAGE_STD


def build_llava(
    tower: SpaceSGGTower, labels: list[str], folder: Path, hidden_size: int = 256, layers: int = 6
) -> tuple[LlavaForConditionalGeneration, Tokenizer]:
    """An untrained LLaVA around ``tower``; writes the processor files to ``folder``."""
    config = tower.config
    tokenizer = save_processor(
        folder,
        [*labels, *template_words()],
        image_size=config.image_size,
        image_mean=[IMAGE_MEAN] * 3,
        image_std=[IMAGE_STD] * 3,
        patch_size=config.patch_size,
    )
    text_config = LlamaConfig(
        vocab_size=tokenizer.get_vocab_size(),
        hidden_size=hidden_size,
        intermediate_size=hidden_size * 8 // 3,
        num_hidden_layers=layers,
        num_attention_heads=hidden_size // 64,
        num_key_value_heads=hidden_size // 64,
        max_position_embeddings=2048,
        rope_parameters={"rope_type": "default", "rope_theta": 1e6},
        tie_word_embeddings=True,
        bos_token_id=BOS_ID,
        eos_token_id=EOS_ID,
        pad_token_id=PAD_ID,
    )
    llava_config = LlavaConfig(
        vision_config=config,
        text_config=text_config,
        image_token_index=IMAGE_ID,
        image_seq_length=config.num_tokens,
        vision_feature_layer=-1,
        vision_feature_select_strategy="full",
        tie_word_embeddings=True,
        spacesgg_format="canonical",
    )
    model = LlavaForConditionalGeneration(llava_config)
    model.model.vision_tower.load_state_dict(tower.state_dict())
    model.model.vision_tower.requires_grad_(False)
    return model, tokenizer


def save_llava(model: LlavaForConditionalGeneration, folder: Path) -> None:
    """Write config and half-precision weights; a runtime loads them as float32."""
    state = {k: v.to(torch.float16) for k, v in model.state_dict().items()}
    if model.config.tie_word_embeddings:
        state.pop("lm_head.weight", None)
    model.generation_config.update(bos_token_id=BOS_ID, eos_token_id=EOS_ID, pad_token_id=PAD_ID)
    model.save_pretrained(folder, state_dict=state)
    (folder / "model.safetensors").chmod(0o644)


def tower_of_model(folder: Path) -> tuple[dict[str, torch.Tensor], list[str]]:
    """Weights (float32) and class names of the tower in an embedded model's folder.

    Raises:
        InputError: no such folder, or a model with another tower.
    """
    try:
        config = json.loads((folder / "config.json").read_text())["vision_config"]
        names = [config["id2label"][str(k)] for k in range(len(config["id2label"]))]
        weights = load_file(folder / "model.safetensors")
    except (OSError, KeyError) as e:
        raise InputError(f"{folder} holds no tower of an embedded model ({e!r})") from e
    mark = "vision_tower."
    return {k.split(mark)[1]: v.float() for k, v in weights.items() if mark in k}, names
