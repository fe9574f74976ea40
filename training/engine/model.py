"""The model a recipe trains: loaded, started fresh where asked, frozen where not trained."""

from __future__ import annotations

from typing import Any

import torch

from spacesgg_ros.cli.console import InputError
from spacesgg_ros.extras import require
from spacesgg_ros.vlm.folder import ModelFolder
from spacesgg_ros.vlm.torch_runtime import load_llava

from .fresh import start_fresh
from .growing import grow_language_model
from .recipe import Recipe

DTYPES = {"fp32": "float32", "bf16": "bfloat16", "fp16": "float16"}


def load_model(recipe: Recipe, folder: ModelFolder) -> Any:
    """The LLaVA of a recipe with ``requires_grad`` set; with an adapter if it asks for one.

    Raises:
        InputError: LoRA targets, a language model or a number of layers that do not fit.
        ModelError: the folder cannot be loaded.
    """
    # What learns keeps float32 weights; mixed precision casts them where it computes.
    frozen_body = recipe.train.language_model != "full"
    llava = load_llava(folder, DTYPES[recipe.precision] if frozen_body else "float32")
    if recipe.language_model_from:
        _take_language_model(llava, recipe.language_model_from)
    if recipe.layers:
        grow_language_model(llava, recipe.layers)
    start_fresh(llava, recipe.fresh, folder.load_tokenizer())
    llava.requires_grad_(False)
    train = recipe.train
    if train.vision_tower:
        llava.model.vision_tower.float().requires_grad_(True)
    if train.language_model == "full":
        llava.model.language_model.requires_grad_(True)
        llava.lm_head.requires_grad_(True)
    if train.projector:
        llava.model.multi_modal_projector.float().requires_grad_(True)
    if train.language_model == "lora":
        llava = add_adapter(llava, recipe)
    if recipe.gradient_checkpointing:
        # A frozen embedding gives nothing that needs a gradient, and checkpointing would stop.
        llava.enable_input_require_grads()
    return llava


def add_adapter(llava: Any, recipe: Recipe) -> Any:
    """The model with a LoRA inside its language model, and the projector as a part to save.

    Raises:
        InputError: a target is no linear layer of the language model.
    """
    peft = require("peft", "train")
    lora = recipe.lora
    assert lora is not None
    linears = {
        name.rsplit(".", 1)[-1]
        for name, module in llava.model.language_model.named_modules()
        if isinstance(module, torch.nn.Linear)
    }
    if unknown := set(lora.targets) - linears:
        raise InputError(
            f"lora.targets: the language model has no linear layer {', '.join(sorted(unknown))}; "
            f"it has {', '.join(sorted(linears))}"
        )
    config = peft.LoraConfig(
        r=lora.rank,
        lora_alpha=lora.alpha,
        lora_dropout=lora.dropout,
        # Anchored: CLIP's attention uses the same names.
        target_modules=rf".*language_model.*\.({'|'.join(lora.targets)})",
        modules_to_save=["multi_modal_projector"] if recipe.train.projector else None,
        task_type="CAUSAL_LM",
    )
    adapted = peft.get_peft_model(llava, config)
    adapted.peft_config["default"].base_model_name_or_path = recipe.model
    return adapted


def _take_language_model(llava: Any, name: str) -> None:
    """Copy a causal language model's weights; rows the LLaVA's vocabulary has more keep theirs."""
    transformers = require("transformers", "train")
    try:
        source = transformers.AutoModelForCausalLM.from_pretrained(
            name, dtype="auto", local_files_only=True, trust_remote_code=False
        )
    except (OSError, ValueError) as error:
        raise InputError(f"language_model_from: {name} cannot be loaded: {error}") from error
    targets = {
        **llava.model.language_model.state_dict(),
        "lm_head.weight": llava.lm_head.weight,
    }
    given = {k.removeprefix("model."): v for k, v in source.state_dict().items()}
    with torch.no_grad():
        for key, target in targets.items():
            value = given.get(key)
            if value is None or value.shape[1:] != target.shape[1:] or len(value) > len(target):
                raise InputError(
                    f"language_model_from: {name} does not fit the language model of the LLaVA "
                    f"({key} is {None if value is None else tuple(value.shape)}, "
                    f"expected {tuple(target.shape)})"
                )
            target[: len(value)].copy_(value)
