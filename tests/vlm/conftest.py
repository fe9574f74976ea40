"""Tiny random LLaVA folders, written with transformers as a user's would be."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from spacesgg_ros.vlm.text_tokenizer import (
    BOS_ID,
    EOS_ID,
    IMAGE_ID,
    PAD_ID,
    save_processor,
)

MEAN, STD = (0.48, 0.46, 0.41), (0.27, 0.26, 0.28)
WORDS = ["coffee mug", "plate", "book", "on", "next to", "left of"]


def write_tiny_llava(
    folder: Path, tower: str = "clip", *, canonical: bool = True, seed: int = 0, **text: object
) -> Path:
    """A random LLaVA: 16 image tokens, 2-layer decoder with grouped heads.

    ``tower``: "clip", "siglip" or "spacesgg" (this package's own).
    """
    import torch
    from transformers import (
        CLIPVisionConfig,
        LlamaConfig,
        LlavaConfig,
        LlavaForConditionalGeneration,
        SiglipVisionConfig,
    )

    size, patch = (64, 16) if tower == "spacesgg" else (32, 8)
    has_class_token = tower == "clip"
    strategy = "default" if has_class_token else "full"
    tokenizer = save_processor(
        folder,
        WORDS,
        image_size=size,
        image_mean=MEAN,
        image_std=STD,
        patch_size=patch,
        num_additional_image_tokens=int(has_class_token),
        vision_feature_select_strategy=strategy,
    )
    vision = {
        "image_size": 32,
        "patch_size": 8,
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 3,
        "num_attention_heads": 4,
    }
    layer = -2
    if tower == "clip":
        vision_config = CLIPVisionConfig(**vision)
    elif tower == "spacesgg":
        from spacesgg_ros.vlm.tower import SpaceSGGTowerConfig

        vision_config = SpaceSGGTowerConfig(
            image_size=size, patch_size=patch, neck_channels=16, num_regions=2, region_size=32
        )
        layer = -1
    else:
        vision_config = SiglipVisionConfig(**vision, vision_use_head=False)
    options = {
        "vocab_size": tokenizer.get_vocab_size(),
        "hidden_size": 64,
        "intermediate_size": 96,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": 512,
        "bos_token_id": BOS_ID,
        "eos_token_id": EOS_ID,
        "pad_token_id": PAD_ID,
        "tie_word_embeddings": True,
        **text,
    }
    torch.manual_seed(seed)
    model = LlavaForConditionalGeneration(
        LlavaConfig(
            vision_config=vision_config,
            text_config=LlamaConfig(**options),
            image_token_id=IMAGE_ID,
            vision_feature_layer=layer,
            vision_feature_select_strategy=strategy,
            tie_word_embeddings=options["tie_word_embeddings"],
        )
    )
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            # Wider than the initial 0.02, so that greedy text varies instead of repeating.
            if "embed" not in name and parameter.ndim > 1 and "backbone" not in name:
                parameter.mul_(5)
    if canonical:
        model.config.spacesgg_format = "canonical"
    model.save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def write_llava() -> Callable[..., Path]:
    """``write_tiny_llava``, for tests that need a variant."""
    return write_tiny_llava


@pytest.fixture(scope="session")
def clip_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_llava(tmp_path_factory.mktemp("models") / "tiny-clip")


@pytest.fixture(scope="session")
def siglip_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models") / "tiny-siglip"
    return write_tiny_llava(folder, "siglip", canonical=False, seed=1, tie_word_embeddings=False)


@pytest.fixture(scope="session")
def exported_clip(clip_folder: Path) -> Path:
    """``clip_folder`` with onnx/ in every precision."""
    from spacesgg_ros.vlm.export import export_model

    export_model(clip_folder, ("fp32", "fp16", "int8"))
    return clip_folder


@pytest.fixture(scope="session")
def exported_siglip(siglip_folder: Path) -> Path:
    """``siglip_folder`` with onnx/ in fp32."""
    from spacesgg_ros.vlm.export import export_model

    export_model(siglip_folder, ("fp32",))
    return siglip_folder


@pytest.fixture(scope="session")
def exported_tower(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with this package's own vision tower, exported in fp32 and int8."""
    from spacesgg_ros.vlm.export import export_model

    folder = write_tiny_llava(tmp_path_factory.mktemp("models") / "tiny-tower", "spacesgg")
    export_model(folder, ("fp32", "int8"))
    return folder


@pytest.fixture
def broken_folder(exported_clip: Path, tmp_path: Path) -> Path:
    """A copy to damage."""
    return Path(shutil.copytree(exported_clip, tmp_path / "broken"))


@pytest.fixture(scope="session")
def picture() -> np.ndarray:
    """``(48, 64, 3)``: smooth, with all channels different."""
    y, x = np.mgrid[0:48, 0:64]
    return np.stack([x * 4, y * 5, (x * y) % 256], axis=-1).astype(np.uint8)
