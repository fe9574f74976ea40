"""Adapters after training: folded into their base model."""

from __future__ import annotations

import json
from pathlib import Path

import torch

from spacesgg_ros.cli.console import InputError
from spacesgg_ros.vlm.folder import open_folder
from spacesgg_ros.vlm.torch_runtime import load_adapted

from .model import DTYPES
from .run_folder import copy_processor, fill_folder


def merge_adapter(adapter: Path, out: Path, base: str = "", precision: str = "fp16") -> Path:
    """Write the base model with an adapter folded into its weights: a LLaVA folder.

    Args:
        base: model folder or hub id; empty: the one the adapter names.

    Raises:
        InputError: no adapter there, or ``out`` exists.
        ModelError: base or adapter cannot be loaded.
    """
    config = adapter / "adapter_config.json"
    if not config.is_file():
        raise InputError(f"{adapter} has no adapter_config.json; expected the folder of an adapter")
    if out.exists():
        raise InputError(f"{out} exists; choose another --out")
    base = base or json.loads(config.read_text(encoding="utf-8"))["base_model_name_or_path"]
    folder = open_folder(base)
    merged = load_adapted(folder, str(adapter), "float32").merge_and_unload()
    merged = merged.to(getattr(torch, DTYPES[precision]))

    def write(target: Path) -> None:
        merged.save_pretrained(target)
        copy_processor(folder, target)

    fill_folder(out, write)
    return out
