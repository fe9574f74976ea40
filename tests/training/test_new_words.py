"""A new name gets a token; everything the model knew stays as it was."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from spacesgg_ros.training.data.new_words import add_words, find_new_words
from spacesgg_ros.training.data.rows import Row, make_turns
from spacesgg_ros.vlm.errors import ModelError
from spacesgg_ros.vlm.folder import open_folder
from spacesgg_ros.vlm.text_tokenizer import save_processor

EMBEDDING = "model.language_model.embed_tokens.weight"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A model folder with a tokenizer and nothing but embeddings."""
    path = tmp_path / "base"
    tokenizer = save_processor(path, ["coffee mug", "table"], 64, [0.5] * 3, [0.5] * 3)
    size = tokenizer.get_vocab_size()
    matrix = np.random.default_rng(0).normal(size=(size, 8)).astype(np.float16)
    save_file({EMBEDDING: matrix}, path / "model.safetensors", metadata={"format": "pt"})
    config = {"model_type": "llava", "vision_config": {}, "image_token_id": 4}
    config["text_config"] = {"vocab_size": size}
    (path / "config.json").write_text(json.dumps(config))
    (path / "onnx").mkdir()
    return path


def row(answer: str) -> Row:
    return Row("a", "a.jpg", 8, 8, "graph", make_turns([("Write the scene graph.", answer)]))


def test_only_words_without_a_token_are_new(folder: Path) -> None:
    tokenizer = open_folder(str(folder)).load_tokenizer()
    rows = [row("<ref>coffee mug</ref><box>[[1, 2, 30, 40]]</box>\n<ref>tennis mug</ref>")]
    assert find_new_words(tokenizer, rows) == ["tennis"]


def test_a_new_word_is_one_token_and_comes_back_as_written(folder: Path) -> None:
    out = add_words(str(folder), ["xylophone"], folder.parent / "grown")
    tokenizer = open_folder(str(out)).load_tokenizer()
    before = open_folder(str(folder)).load_tokenizer()
    text = "<ref>xylophone</ref><box>[[1, 2, 30, 40]]</box> the xylophone"
    ids = tokenizer.encode(text, add_special_tokens=False).ids
    assert tokenizer.decode(ids) == text
    assert len(ids) == len(before.encode(text, add_special_tokens=False).ids) - 2 * 8 - 1
    assert json.loads((out / "config.json").read_text())["text_config"]["vocab_size"] == (
        before.get_vocab_size() + 2
    )


def test_what_the_model_knew_stays(folder: Path) -> None:
    out = add_words(str(folder), ["xylophone", "table"], folder.parent / "grown")
    old, new = (load_file(f / "model.safetensors")[EMBEDDING] for f in (folder, out))
    assert (new[: len(old)] == old).all() and len(new) == len(old) + 2
    assert np.isfinite(new).all() and np.abs(new[-2:]).sum() > 0
    assert not (out / "onnx").exists()
    text = "USER: <image>\nWrite the scene graph. ASSISTANT:"
    first, second = (open_folder(str(f)).load_tokenizer().encode(text).ids for f in (folder, out))
    assert first == second


def test_a_tokenizer_that_spells_is_left_alone(folder: Path) -> None:
    file = folder / "tokenizer.json"
    data = json.loads(file.read_text())
    data["model"]["ignore_merges"] = False
    file.write_text(json.dumps(data))
    with pytest.raises(ModelError, match="spells any word"):
        add_words(str(folder), ["xylophone"], folder.parent / "grown")
