"""Tokens for words that a word-level tokenizer has to spell.

The embedded model's tokenizer has one token a word it was trained on. Any other word comes out as
letters, whose embeddings were never trained and are nearly one vector: a model that learns a new
name by its letters writes "basktbabl" long after it knows the thing. So a new word gets a token,
alone and after a space, as ``text_tokenizer`` gives the words it is built with.
"""

from __future__ import annotations

import json
import re
import shutil
import zlib
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file, save_file
from tokenizers import Tokenizer

from spacesgg_ros.vlm.errors import ModelError
from spacesgg_ros.vlm.folder import ModelFolder, open_folder

from .rows import Row

_WORD = re.compile("[A-Za-z]+")
_TAG = re.compile("</?[a-z]+>")
_SPACE = "Ġ"  # how byte-level vocabularies write a space
_KNOWN_WORD = re.compile(f"{_SPACE}?[A-Za-z]{{2,}}")
_EMBEDDING = "embed_tokens.weight"
_HEAD = "lm_head.weight"


def is_word_level(folder: ModelFolder) -> bool:
    """Whether the tokenizer takes whole words and merges nothing: one that cannot spell well."""
    model = json.loads((folder.path / "tokenizer.json").read_text(encoding="utf-8"))["model"]
    return model.get("type") == "BPE" and bool(model.get("ignore_merges")) and not model["merges"]


def find_new_words(tokenizer: Tokenizer, rows: Iterable[Row]) -> list[str]:
    """Words of the rows' answers that the tokenizer has no token for, sorted."""
    vocabulary = tokenizer.get_vocab()
    answers = {_TAG.sub(" ", answer) for row in rows for _, answer in row.exchanges}
    said = {word for answer in answers for word in _WORD.findall(answer)}
    return sorted(w for w in said if w not in vocabulary or _SPACE + w not in vocabulary)


def add_words(model: str, words: Iterable[str], out: Path) -> Path:
    """A copy of a model folder, without its ONNX files, that has a token for each word.

    A new token starts near the middle of the known words, as far from it as they are, in a
    direction that depends on the word alone.

    Raises:
        ModelError: the folder has another kind of tokenizer, or weights in several files.
    """
    folder = open_folder(model)
    if not is_word_level(folder):
        raise ModelError(f"{folder.path} has a tokenizer that spells any word; it needs no tokens")
    files = folder.weight_files()
    if len(files) != 1:
        raise ModelError(f"{folder.path} has its weights in {len(files)} files; expected one")
    tokenizer_json = json.loads((folder.path / "tokenizer.json").read_text(encoding="utf-8"))
    vocabulary = tokenizer_json["model"]["vocab"]
    wanted = [form for word in sorted(set(words)) for form in (word, _SPACE + word)]
    fresh = [form for form in wanted if form not in vocabulary]
    weights = load_file(files[0])
    size = len(vocabulary) + len(fresh)
    for name, matrix in weights.items():
        if name.endswith((_EMBEDDING, _HEAD)):
            weights[name] = _grow(matrix, vocabulary, fresh, size)
    vocabulary.update({form: len(vocabulary) + k for k, form in enumerate(fresh)})
    config = json.loads((folder.path / "config.json").read_text(encoding="utf-8"))
    config["text_config"]["vocab_size"] = size
    shutil.copytree(folder.path, out, ignore=shutil.ignore_patterns("onnx", "evaluation*"))
    (out / "tokenizer.json").write_text(json.dumps(tokenizer_json, ensure_ascii=False))
    (out / "config.json").write_text(json.dumps(config, indent=2) + "\n")
    save_file(weights, out / files[0].name, metadata={"format": "pt"})
    return out


def _grow(
    matrix: np.ndarray, vocabulary: dict[str, int], fresh: list[str], size: int
) -> np.ndarray:
    """``(size, hidden)``: the old rows of the tokens that exist, and a new row a fresh one."""
    grown = np.zeros((size, matrix.shape[1]), matrix.dtype)
    grown[: len(vocabulary)] = matrix[: len(vocabulary)]
    for after_space in (False, True):
        known = [
            i
            for form, i in vocabulary.items()
            if _KNOWN_WORD.fullmatch(form) and form.startswith(_SPACE) is after_space
        ]
        rows = matrix[known].astype(np.float32)
        middle, spread = rows.mean(0), rows.std(0)
        for k, form in enumerate(fresh):
            if form.startswith(_SPACE) is after_space:
                rng = np.random.default_rng(zlib.crc32(form.encode()))
                grown[len(vocabulary) + k] = middle + spread * rng.normal(size=middle.shape)
    return grown
