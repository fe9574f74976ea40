"""Tiny random LLaVAs and rows about tiny pictures."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")
pytest.importorskip("accelerate")

import torch
from PIL import Image
from transformers import CLIPVisionConfig, LlamaConfig, LlavaConfig, LlavaForConditionalGeneration

from spacesgg_ros.training.data.rows import Row, make_turns, write_rows
from spacesgg_ros.vlm.text_tokenizer import BOS_ID, EOS_ID, IMAGE_ID, PAD_ID, save_processor

WORDS = ["mug", "plate", "book", "on", "next to", "The", "is", "a", "What", "Where"]
IMAGES = 6


def write_llava(folder: Path, tower: str) -> Path:
    """``tower``: "clip" (16 tokens after the class token) or "own" (16 tokens)."""
    torch.manual_seed(0)
    size, patch = (32, 8) if tower == "clip" else (64, 16)
    tokenizer = save_processor(
        folder,
        WORDS,
        image_size=size,
        image_mean=[0.5] * 3,
        image_std=[0.5] * 3,
        patch_size=patch,
        num_additional_image_tokens=int(tower == "clip"),
        vision_feature_select_strategy="default" if tower == "clip" else "full",
    )
    if tower == "clip":
        vision = CLIPVisionConfig(
            image_size=size,
            patch_size=patch,
            hidden_size=32,
            intermediate_size=48,
            num_hidden_layers=2,
            num_attention_heads=2,
        )
    else:
        from spacesgg_ros.vlm.tower import SpaceSGGTowerConfig

        vision = SpaceSGGTowerConfig(image_size=64, patch_size=16, neck_channels=8, num_classes=3)
    text = LlamaConfig(
        vocab_size=tokenizer.get_vocab_size(),
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=2,
        max_position_embeddings=512,
        bos_token_id=BOS_ID,
        eos_token_id=EOS_ID,
        pad_token_id=PAD_ID,
        tie_word_embeddings=True,
    )
    model = LlavaForConditionalGeneration(
        LlavaConfig(
            vision_config=vision,
            text_config=text,
            image_token_index=IMAGE_ID,
            image_seq_length=16,
            vision_feature_layer=-2 if tower == "clip" else -1,
            vision_feature_select_strategy="default" if tower == "clip" else "full",
            tie_word_embeddings=True,
        )
    )
    model.generation_config.update(bos_token_id=BOS_ID, eos_token_id=EOS_ID, pad_token_id=PAD_ID)
    model.save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def clip_llava(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_llava(tmp_path_factory.mktemp("models") / "clip", "clip")


@pytest.fixture(scope="session")
def own_llava(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_llava(tmp_path_factory.mktemp("models") / "own", "own")


def make_rows() -> list[Row]:
    """Rows of four tasks about ``IMAGES`` pictures, some of them mirrored."""
    rows = []
    for k in range(IMAGES):
        box = f"[[{100 + k}, 200, 300, {400 + k}]]"
        texts = {
            "objects": [("Write the scene graph.", f"<ref>mug</ref><box>{box}</box>")],
            "graph": [
                (
                    "Write the scene graph.",
                    f"<ref>mug</ref><box>{box}</box>\n<ref>book</ref><box>{box}</box>\n"
                    f"<pred>on</pred><box>{box}</box><box>{box}</box>",
                )
            ],
            "qa": [("What is on the book?", "The mug."), ("Where is the plate?", "next to")],
            "caption": [("What is a mug?", "a mug is on a plate" + " on a book" * k)],
        }
        for task, exchanges in texts.items():
            turns = make_turns(exchanges)
            rows.append(Row(f"{k}-{task}", f"{k}.png", 40, 30, task, turns, mirror=k % 2 == 1))
    return rows


@pytest.fixture(scope="session")
def rows_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("rows")
    rng = np.random.default_rng(0)
    for k in range(IMAGES):
        Image.fromarray(rng.integers(0, 255, (30, 40, 3), np.uint8)).save(folder / f"{k}.png")
    write_rows(folder / "rows.jsonl", make_rows())
    return folder / "rows.jsonl"


@pytest.fixture
def settings(clip_llava: Path, rows_file: Path, tmp_path: Path) -> Callable[..., dict]:
    """Settings of a small recipe; keywords replace some of them."""

    def make(**changes: object) -> dict:
        return {
            "model": str(clip_llava),
            "data": [{"rows": str(rows_file)}],
            "learning_rate": 1e-3,
            "batch": {"size": 3},
            "max_steps": 4,
            "log_every": 1,
            "save_every": 2,
            "cache": str(tmp_path / "cache"),
            **changes,
        }

    return make
