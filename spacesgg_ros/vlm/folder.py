"""A LLaVA model folder on disk: where it is, its configuration, weights and tokenizer.

Nothing here needs torch or transformers. Only safetensors weights are read, and code that a
folder may bring is never run.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from tokenizers import Tokenizer

from spacesgg_ros.extras import MissingExtraError, require
from spacesgg_ros.resources import resource
from spacesgg_ros.vlm import prompts
from spacesgg_ros.vlm.errors import ModelError

EMBEDDED_MODEL = "embedded"
"""Name of the checkpoint that ships with the package."""

_EMBEDDED_FOLDER = Path("models") / "tabletop"
_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")
_HUB_FILES = ("*.json", "*.jinja", "*.safetensors", "tokenizer.model", "onnx/*")
_SAFETENSORS_DTYPES = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": "<u2"}
_SPECIAL_TOKEN_NAMES = ("bos_token", "eos_token", "unk_token", "pad_token")


@dataclass(frozen=True)
class ModelFolder:
    """An opened model folder.

    Attributes:
        path: the folder.
        model_id: what graphs carry to say who wrote them: hub id, or the folder's name.
        config: ``config.json``.
    """

    path: Path
    model_id: str
    config: dict[str, Any]

    @property
    def text_config(self) -> dict[str, Any]:
        return self.config["text_config"]

    @property
    def vision_config(self) -> dict[str, Any]:
        return self.config["vision_config"]

    @property
    def is_canonical(self) -> bool:
        """Trained to write exactly what ``spacesgg_ros.graph.write_graph`` writes."""
        return self.config.get("spacesgg_format") == "canonical"

    @property
    def image_token_id(self) -> int:
        token = self.config.get("image_token_id", self.config.get("image_token_index"))
        if not isinstance(token, int):
            raise ModelError(f"{self.path / 'config.json'} has no integer 'image_token_id'")
        return token

    @property
    def eos_token_ids(self) -> tuple[int, ...]:
        """Where transformers' ``generate`` would stop."""
        generation = self.path / "generation_config.json"
        found = read_json(generation).get("eos_token_id") if generation.is_file() else None
        if found is None:
            found = self.text_config.get("eos_token_id", 2)
        return tuple(found) if isinstance(found, list) else (int(found),)

    @property
    def max_length(self) -> int:
        """Longest sequence, image tokens included."""
        return int(self.text_config.get("max_position_embeddings", 2048))

    def special_tokens(self) -> dict[str, str]:
        """``bos_token`` and the like, as the chat template wants them."""
        file = self.path / "tokenizer_config.json"
        config = read_json(file) if file.is_file() else {}
        found = {}
        for name in _SPECIAL_TOKEN_NAMES:
            token = config.get(name)
            token = token.get("content") if isinstance(token, dict) else token
            if isinstance(token, str):
                found[name] = token
        return found

    def load_tokenizer(self) -> Tokenizer:
        """``tokenizer.json``. Raises ModelError when it is missing or broken."""
        file = self.path / "tokenizer.json"
        if not file.is_file():
            raise ModelError(
                f"{self.path} has no tokenizer.json; write one with transformers: "
                "AutoProcessor.from_pretrained(FOLDER).save_pretrained(FOLDER)"
            )
        if "model" not in read_json(file):
            raise ModelError(f"{file} describes no tokenizer ('model' is missing); copy it again")
        try:
            return Tokenizer.from_file(str(file))
        except Exception as error:
            # tokenizers has no exception type of its own and raises exactly Exception.
            raise ModelError(f"{file} cannot be read ({error}); copy it again") from error

    def weight_files(self) -> list[Path]:
        """The safetensors files. Raises ModelError when one is missing."""
        index = self.path / "model.safetensors.index.json"
        single = self.path / "model.safetensors"
        if single.is_file():
            return [single]
        if index.is_file():
            names = sorted(set(read_json(index).get("weight_map", {}).values()))
            files = [self.path / name for name in names]
            missing = [file.name for file in files if not file.is_file()]
            if missing or not files:
                raise ModelError(f"{self.path} lacks weight files {missing}; copy it again")
            return files
        others = [*self.path.glob("*.bin"), *self.path.glob("*.pt"), *self.path.glob("*.pth")]
        seen = f"only {others[0].name}" if others else "no weights"
        raise ModelError(
            f"{self.path} has {seen}, expected model.safetensors; pickled weights are never "
            "loaded: save the model with save_pretrained() of a current transformers"
        )

    def read_token_embeddings(self) -> TokenEmbeddings:
        """The token embedding matrix, mapped from the weight file."""
        for file in self.weight_files():
            for name, tensor, is_bf16 in iterate_tensors(file):
                if name.endswith("embed_tokens.weight"):
                    if tensor.ndim != 2:
                        raise ModelError(f"{file}: {name} has shape {tensor.shape}, expected 2D")
                    return TokenEmbeddings(tensor, is_bf16)
        raise ModelError(f"{self.path}: no tensor '...embed_tokens.weight' in the weights")


@dataclass(frozen=True)
class TokenEmbeddings:
    """``(vocabulary, hidden)`` embeddings in the dtype of the weight file."""

    matrix: np.ndarray
    is_bf16: bool

    def __post_init__(self) -> None:
        # A small matrix is converted once: a step then costs one row copy.
        if self.matrix.size <= 1 << 24 and self.matrix.dtype != np.float32:
            object.__setattr__(self, "matrix", self._to_float32(self.matrix))
            object.__setattr__(self, "is_bf16", False)

    @property
    def hidden_size(self) -> int:
        return int(self.matrix.shape[1])

    def embed(self, token_ids: list[int]) -> np.ndarray:
        """``(len(token_ids), hidden)`` float32."""
        return self._to_float32(self.matrix[token_ids])

    def _to_float32(self, rows: np.ndarray) -> np.ndarray:
        if self.is_bf16:
            return (rows.astype(np.uint32) << 16).view(np.float32)
        return np.asarray(rows, dtype=np.float32)


def open_folder(model: str | Path, *, download: bool = False) -> ModelFolder:
    """Find ``model``: "embedded", a folder, or a hub id that is in the local cache.

    The network is used only with ``download=True``.

    Raises:
        ModelError: not found, or not a LLaVA folder.
    """
    if str(model) == EMBEDDED_MODEL:
        path, model_id = _find_embedded(), _EMBEDDED_FOLDER.name
    elif Path(model).expanduser().is_dir():
        path = Path(model).expanduser()
        model_id = path.resolve().name
    elif isinstance(model, str) and _HUB_ID.fullmatch(model):
        path, model_id = _find_in_hub_cache(model, download), model
    else:
        raise ModelError(
            f"no model folder at '{model}'; expected a folder with config.json and "
            f"model.safetensors, a hub id such as llava-hf/llava-1.5-7b-hf, or '{EMBEDDED_MODEL}'"
        )
    config_file = path / "config.json"
    if not config_file.is_file():
        raise ModelError(f"{path} has no config.json; expected a Hugging Face LLaVA folder")
    config = read_json(config_file)
    if config.get("model_type") != "llava":
        raise ModelError(
            f"{config_file} says model_type {config.get('model_type')!r}, expected 'llava' "
            "(LlavaForConditionalGeneration); convert the checkpoint with transformers' "
            "convert_llava_weights_to_hf, or choose another model"
        )
    for part in ("text_config", "vision_config"):
        if not isinstance(config.get(part), dict):
            raise ModelError(f"{config_file} has no '{part}' object; copy the folder again")
    return ModelFolder(path, model_id, config)


def read_json(file: Path) -> dict[str, Any]:
    """A JSON object. Raises ModelError when the file is missing, broken or something else."""
    try:
        value = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise ModelError(f"{file} cannot be read as JSON ({error}); copy it again") from error
    if not isinstance(value, dict):
        raise ModelError(f"{file} holds a JSON {type(value).__name__}, expected an object")
    return value


def read_header(file: Path) -> tuple[dict[str, Any], int]:
    """A safetensors file's tensors by name, and where their data starts.

    Raises:
        ModelError: the file is cut off or not safetensors.
    """
    size = file.stat().st_size
    with file.open("rb") as stream:
        header_size = int.from_bytes(stream.read(8), "little")
        if size < 8 or header_size > size - 8:
            raise ModelError(f"{file} is not safetensors or is cut off ({size} bytes)")
        try:
            header = json.loads(stream.read(header_size))
        except (UnicodeDecodeError, json.JSONDecodeError) as error:
            raise ModelError(f"{file} has a broken safetensors header ({error})") from error
    header.pop("__metadata__", None)
    start = 8 + header_size
    end = start + max((entry["data_offsets"][1] for entry in header.values()), default=0)
    if end != size:
        raise ModelError(
            f"{file} has {size} bytes, its header describes {end}; copy it again "
            "(a Git LFS pointer or an interrupted download?)"
        )
    return header, start


def iterate_tensors(file: Path) -> Iterator[tuple[str, np.ndarray, bool]]:
    """``(name, mapped array, is bf16)`` of a safetensors file; bf16 comes as uint16.

    Empty tensors and integers are left out. Raises ModelError as ``read_header`` does.
    """
    header, start = read_header(file)
    for name, entry in header.items():
        dtype = _SAFETENSORS_DTYPES.get(entry["dtype"])
        begin, end = entry["data_offsets"]
        if dtype is None or begin == end:
            continue
        array = np.memmap(file, dtype, "r", offset=start + begin, shape=tuple(entry["shape"]))
        yield name, array, entry["dtype"] == "BF16"


class PromptEncoder:
    """Writes prompts as token ids in a model's template, the image as one ``image_token_id``."""

    def __init__(self, folder: ModelFolder, tokenizer: Tokenizer) -> None:
        self._folder = folder
        self._tokenizer = tokenizer
        self._template = prompts.read_chat_template(folder.path)
        self._specials = folder.special_tokens()

    def encode(self, prompt: str) -> list[int]:
        """The ids a model reads before it answers ``prompt`` about one image.

        The start token is added as transformers does it: unless the template wrote it.

        Raises:
            ModelError: the template fails, or the tokenizer does not know the image's token.
        """
        text = prompts.render_prompt(prompt, self._template, self._specials)
        bos = self._specials.get("bos_token")
        starts_with_bos = bos is not None and text.startswith(bos)
        ids: list[int] = self._tokenizer.encode(text, add_special_tokens=not starts_with_bos).ids
        if ids.count(self._folder.image_token_id) != 1:
            raise ModelError(
                f"{self._folder.path}: the tokenizer writes '{prompts.IMAGE_TOKEN}' not as one "
                f"token {self._folder.image_token_id}, as config.json's image_token_id says; the "
                "folder's tokenizer and config do not belong together"
            )
        return ids

    def encode_next(self, prompt: str, turns_before: int) -> list[int]:
        """The ids between the end token of the last answer and the answer to ``prompt``.

        Args:
            turns_before: exchanges before this one, at least 1.
        """
        history = [("?", _ANSWER)] * turns_before
        text = prompts.render_prompt(prompt, self._template, self._specials, history)
        text = text.rpartition(_ANSWER)[2]
        # Templates differ in what they write after an answer: the end token, a space, nothing.
        text = text.removeprefix(self._specials.get("eos_token", "")).lstrip(" ")
        ids: list[int] = self._tokenizer.encode(text, add_special_tokens=False).ids
        return ids


_ANSWER = "\N{SYMBOL FOR START OF TEXT}"
"""Stands for an answer where only what follows it is wanted."""


def read_prompt_ids(folder: ModelFolder, tokenizer: Tokenizer, prompt: str) -> list[int]:
    """``PromptEncoder.encode`` for a single prompt."""
    return PromptEncoder(folder, tokenizer).encode(prompt)


def _find_embedded() -> Path:
    try:
        return resource(_EMBEDDED_FOLDER)
    except FileNotFoundError as error:
        raise ModelError(f"no embedded model: {error}") from error


def _find_in_hub_cache(hub_id: str, download: bool) -> Path:
    try:
        hub = require("huggingface_hub", "torch")
    except MissingExtraError as error:
        raise ModelError(f"'{hub_id}' is no folder; to find it as a hub id: {error}") from error
    patterns = list(_HUB_FILES)
    try:
        found = hub.snapshot_download(
            hub_id, local_files_only=not download, allow_patterns=patterns
        )
    except hub.errors.LocalEntryNotFoundError as error:
        raise ModelError(
            f"'{hub_id}' is neither a folder nor in the local Hugging Face cache, and the network "
            f"is used only when asked; download it once with: hf download {hub_id}"
        ) from error
    except (hub.errors.HfHubHTTPError, OSError) as error:
        raise ModelError(f"'{hub_id}' could not be downloaded: {error}") from error
    return Path(found)
