"""Carry out a recipe in a run folder; called again, go on from the last complete checkpoint."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
import transformers
from transformers import TrainerCallback, TrainingArguments

from spacesgg_ros.cli.console import InputError, messages
from spacesgg_ros.vlm.folder import ModelFolder, open_folder
from spacesgg_ros.vlm.preprocess import ImagePreprocessor

from . import cached_tower
from .batches import BatchPlan
from .dataset import Collator, PixelSource, RowDataset, VisionSource, make_pools
from .encoding import EncodedRows, count_image_tokens, encode_rows
from .loss import TokenLoss
from .model import load_model
from .recipe import Recipe
from .reporting import RunReporter, show_progress
from .run_folder import RunFolder
from .trainer import LlavaTrainer, make_arguments


def train_recipe(
    recipe: Recipe,
    run_dir: Path,
    download: bool = False,
    callbacks: Sequence[TrainerCallback] = (),
) -> Path:
    """Train until the recipe's last step; returns the folder of the model or adapter.

    Everything that can be refused is refused before the first step.

    Args:
        download: fetch a hub id that is not in the local cache.
        callbacks: told of every step, as ``transformers`` has it.

    Raises:
        InputError: the recipe does not fit the machine, the model, the rows or the run folder.
        ModelError: the model cannot be found or loaded.
    """
    check_machine(recipe)
    run = RunFolder(run_dir)
    folder = open_folder(recipe.model, download=download)
    run.begin(recipe, write=os.environ.get("RANK", "0") == "0")
    result = run.result(recipe)
    if result.is_dir():
        messages.print(f"{run_dir} is finished; its result is {result}", highlight=False)
        return result
    transformers.utils.logging.set_verbosity_error()
    trainer = build_trainer(recipe, run, folder)
    for callback in callbacks:
        trainer.add_callback(callback)
    checkpoint = run.last_checkpoint()
    if checkpoint is not None:
        messages.print(f"going on from {checkpoint}", highlight=False)
    try:
        trainer.train(resume_from_checkpoint=None if checkpoint is None else str(checkpoint))
    finally:
        for callback in trainer.callback_handler.callbacks:
            if isinstance(callback, RunReporter):
                callback.close()
    trainer.write_result(result)
    return result


def build_trainer(recipe: Recipe, run: RunFolder, folder: ModelFolder) -> LlavaTrainer:
    """Model, rows and trainer of a recipe, ready to train."""
    # Before the model: it says what ZeRO-3 needs to know while weights are loaded.
    arguments = make_arguments(recipe, run, max_steps=1)
    transformers.set_seed(recipe.seed)
    cache = Path(recipe.cache)
    with arguments.main_process_first(), show_progress("encoding rows") as advance:
        rows = [
            encode_rows(
                Path(s.rows),
                s.image_root,
                folder,
                cache,
                advance,
                recipe.box_noise,
                s.near_copies,
            )
            for s in recipe.data
        ]
    loss = TokenLoss(folder.load_tokenizer(), recipe.coordinate_sigma, folder.eos_token_ids[0])
    model = load_model(recipe, folder)
    llava = model.get_base_model() if hasattr(model, "peft_config") else model
    preprocessor = ImagePreprocessor.from_folder(folder.path)
    image_tokens = count_image_tokens(folder, preprocessor)
    room = min(recipe.batch.max_length, folder.max_length)
    pools, lengths, too_long = make_pools(rows, recipe.data, image_tokens, room)
    if too_long:
        messages.print(f"{too_long} rows are longer than {room} tokens and are left out")
    arguments.max_steps = recipe.max_steps or count_steps(
        sum(len(pool.rows) for pool in pools), recipe, arguments.world_size
    )
    plan = BatchPlan(
        pools,
        lengths,
        recipe.batch.size,
        arguments.max_steps * recipe.batch.accumulation * arguments.world_size,
        recipe.seed,
        arguments.world_size,
        recipe.batch.by_length,
    )
    vision: VisionSource = PixelSource(rows, preprocessor)
    if recipe.cached_tower:
        vision = _cache_tower(recipe, arguments, llava, folder, rows, preprocessor)
    pad = llava.config.text_config.pad_token_id
    rows_a_step = recipe.batch.size * recipe.batch.accumulation * arguments.world_size
    return LlavaTrainer(
        recipe=recipe,
        run=run,
        folder=folder,
        plan=plan,
        loss=loss,
        model=model,
        args=arguments,
        train_dataset=RowDataset(rows, vision),
        data_collator=Collator(folder.image_token_id, image_tokens, pad or 0),
        callbacks=[RunReporter(run, rows_a_step)],
    )


def count_steps(rows: int, recipe: Recipe, processes: int) -> int:
    """Optimiser steps that see ``recipe.epochs`` times as many samples as there are rows."""
    a_step = recipe.batch.size * recipe.batch.accumulation * processes
    return max(1, math.ceil(rows * recipe.epochs / a_step))


def check_machine(recipe: Recipe) -> None:
    """Refuse what this machine, or the way it was launched, cannot do.

    Raises:
        InputError: says what to change.
    """
    if recipe.precision == "bf16" and not _computes_bf16():
        raise InputError(
            "precision bf16 needs a GPU of compute capability 8.0 or a CPU with AMX or "
            "AVX512-BF16; set precision to fp32, or to fp16 on an older GPU"
        )
    if recipe.precision == "fp16" and not torch.cuda.is_available():
        raise InputError("precision fp16 needs a GPU; set precision to fp32")
    launched = "none"
    if os.environ.get("ACCELERATE_USE_FSDP", "false").lower() == "true":
        launched = "fsdp"
    elif os.environ.get("ACCELERATE_USE_DEEPSPEED", "false").lower() == "true":
        launched = f"deepspeed-zero{os.environ.get('ACCELERATE_DEEPSPEED_ZERO_STAGE', '2')}"
    if launched != recipe.parallel:
        preset = f"training/recipes/parallel/{recipe.parallel}.yaml"
        raise InputError(
            f"the recipe says parallel: {recipe.parallel}, but this process was launched for "
            f"{launched}; launch it with: accelerate launch --config_file {preset} "
            "-m spacesgg_ros.cli.main train RECIPE, or set parallel to match"
            if recipe.parallel != "none"
            else f"launched for {launched}, but the recipe says parallel: none; "
            f"add --set parallel={launched}"
        )


def _computes_bf16() -> bool:
    if torch.cuda.is_available():
        return torch.cuda.is_bf16_supported(including_emulation=False)
    flags = Path("/proc/cpuinfo")
    text = flags.read_text(encoding="utf-8") if flags.is_file() else ""
    return "avx512_bf16" in text or "amx_bf16" in text


def _cache_tower(
    recipe: Recipe,
    arguments: TrainingArguments,
    llava: Any,
    folder: ModelFolder,
    rows: list[EncodedRows],
    preprocessor: ImagePreprocessor,
) -> VisionSource:
    key = cached_tower.tower_key(llava, preprocessor)
    place = Path(recipe.cache) / f"tower-{key}"
    with arguments.main_process_first(), show_progress("running the tower") as advance:
        store = cached_tower.FeatureStore(place)
        cached_tower.fill_store(
            store,
            rows,
            preprocessor,
            lambda images: cached_tower.make_tower_runner(llava, folder, place, images),
            advance,
        )
    llava.model.vision_tower.cpu()  # it ran on the GPU, perhaps, and is done
    return cached_tower.FeatureSource(rows, store)
