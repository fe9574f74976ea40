"""The folder of a run: what is needed to repeat it, its checkpoints and what came out.

::

    recipe.yaml     every setting, defaults and overrides included
    run.json        data hashes, git commit, versions, machine, command
    log.jsonl       one line every ``log_every`` steps; tensorboard/ has the same
    curves.png
    checkpoints/    checkpoint-STEP, each complete: written beside and then renamed
    model/          the result: a LLaVA folder ...
    adapter/        ... or a peft adapter
"""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from spacesgg_ros.cli.console import InputError
from spacesgg_ros.training.data.rows import manifest_hash
from spacesgg_ros.vlm.folder import ModelFolder

from .recipe import Recipe

RECIPE_FILE = "recipe.yaml"
LOG_FILE = "log.jsonl"
_MAY_CHANGE = ("log_every", "save_every", "prune", "workers", "cache")
"""Settings that change nothing about the result, so a run may go on with others."""
_PACKAGES = ("spacesgg_ros", "torch", "transformers", "peft", "accelerate", "numpy", "tokenizers")
_PROCESSOR_FILES = (
    "tokenizer.json",
    "tokenizer.model",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "preprocessor_config.json",
    "processor_config.json",
    "chat_template.json",
    "chat_template.jinja",
)


class RunFolder:
    """Paths of a run and the writing of what must never be half there."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.checkpoints = path / "checkpoints"
        self.log = path / LOG_FILE
        self.curves = path / "curves.png"
        self.tensorboard = path / "tensorboard"

    def result(self, recipe: Recipe) -> Path:
        """Where the result of ``recipe`` goes."""
        return self.path / ("adapter" if recipe.train.language_model == "lora" else "model")

    def begin(self, recipe: Recipe, write: bool = True) -> None:
        """Note what runs here, or check that it is what ran here before.

        Args:
            write: False on all processes of a run but one.

        Raises:
            InputError: the folder holds a run with other settings or other data.
        """
        files = [Path(source.rows) for source in recipe.data]
        missing = [str(file) for file in files if not file.is_file()]
        if missing:
            raise InputError(
                f"no rows file {missing[0]}; make one with `spacesgg data instructions`, or name "
                "yours: --set data.0.rows=FILE"
            )
        now, manifest = recipe.to_dict(), manifest_hash(files)
        info_file, recipe_file = self.path / "run.json", self.path / RECIPE_FILE
        if info_file.is_file() and recipe_file.is_file():
            before = yaml.safe_load(recipe_file.read_text(encoding="utf-8"))
            different = [k for k in now if k not in _MAY_CHANGE and now[k] != before.get(k)]
            if different:
                key = different[0]
                raise InputError(
                    f"{self.path} holds a run with {key}: {before.get(key)!r}, now it is "
                    f"{now[key]!r}; choose another --run, or the same settings to go on with it"
                )
            if json.loads(info_file.read_text(encoding="utf-8"))["data_manifest"] != manifest:
                raise InputError(
                    f"the rows changed since {self.path} began, and its data order would too; "
                    "choose another --run"
                )
        elif write:
            self.path.mkdir(parents=True, exist_ok=True)
            write_text(info_file, json.dumps(_describe(recipe, manifest), indent=2) + "\n")
        if write:
            write_text(recipe_file, yaml.safe_dump(now, sort_keys=False))

    def last_checkpoint(self) -> Path | None:
        """The complete checkpoint to go on from."""
        found = [(int(p.name.rsplit("-", 1)[1]), p) for p in self.checkpoints.glob("checkpoint-*")]
        return max(found)[1] if found else None

    @property
    def draft(self) -> Path:
        """Where a checkpoint is written before it counts."""
        return self.checkpoints / ".writing"

    def publish(self, step: int, keep: int) -> None:
        """Make the draft's checkpoint count and drop all but the last ``keep``."""
        name = f"checkpoint-{step}"
        _move_complete(self.draft / name, self.checkpoints / name)
        shutil.rmtree(self.draft)
        found = sorted(
            self.checkpoints.glob("checkpoint-*"), key=lambda p: int(p.name.rsplit("-", 1)[1])
        )
        for old in found[:-keep]:
            shutil.rmtree(old)

    def cut_log(self, step: int) -> None:
        """Drop log lines after ``step``: the steps they tell of are done again."""
        if not self.log.is_file():
            return
        kept = []
        for line in self.log.read_text(encoding="utf-8").splitlines(keepends=True):
            try:
                if json.loads(line)["step"] <= step:
                    kept.append(line)
            except json.JSONDecodeError:
                break  # the line a kill cut off
        write_text(self.log, "".join(kept))


def fill_folder(target: Path, write: Callable[[Path], None]) -> None:
    """Let ``write`` fill a new folder that becomes ``target`` only when it is complete."""
    temporary = target.with_name(f".{target.name}.tmp")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    write(temporary)
    _move_complete(temporary, target)


def _move_complete(source: Path, target: Path) -> None:
    """Rename a folder once all of it is on the disk."""
    for file in source.rglob("*"):
        if file.is_file():
            with file.open("rb") as stream:
                os.fsync(stream.fileno())
    if target.exists():
        shutil.rmtree(target)
    source.replace(target)


def write_text(file: Path, text: str) -> None:
    """Write a file whole or not at all."""
    temporary = file.with_name(file.name + ".tmp")
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(file)


def copy_processor(folder: ModelFolder, target: Path) -> None:
    """Tokenizer, image processor and chat template files, as they are."""
    for name in _PROCESSOR_FILES:
        if (folder.path / name).is_file():
            shutil.copyfile(folder.path / name, target / name)


def _describe(recipe: Recipe, manifest: str) -> dict[str, Any]:
    return {
        "began": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "command": sys.argv,
        "data_manifest": manifest,
        "data": {s.rows: manifest_hash([Path(s.rows)]) for s in recipe.data},
        "seed": recipe.seed,
        "git_commit": _git_commit(),
        "versions": {name: v for name in _PACKAGES if (v := _version(name))},
        "machine": {
            "host": platform.node(),
            "os": platform.platform(),
            "python": platform.python_version(),
            "cpus": os.cpu_count(),
            "devices": _devices(),
        },
    }


def _devices() -> list[str]:
    import torch

    return [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]


def _git_commit() -> str | None:
    """Commit of the working directory, marked where it has changes; None outside a repository."""
    try:
        command = ["git", "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
        found = subprocess.run(command, capture_output=True, text=True, check=True, timeout=10)
    except (OSError, subprocess.SubprocessError):
        return None
    return found.stdout.strip()


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return ""
