import json
import struct

import numpy as np
import pytest

from spacesgg_ros.vlm import ModelError, SceneGraphModel
from spacesgg_ros.vlm.folder import iterate_tensors, open_folder


def edit_config(folder, **changes) -> None:
    file = folder / "config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **changes}))


def remove_weights(folder) -> None:
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")


def cut_weights(folder) -> None:
    data = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(data[:-100])


def make_lfs_pointer(folder) -> None:
    (folder / "model.safetensors").write_text("version https://git-lfs.github.com/spec/v1\n")


def empty_weights(folder) -> None:
    (folder / "model.safetensors").write_bytes(b"")


def break_file(name: str):
    return lambda folder: (folder / name).write_text('{"half": ')


def remove_file(name: str):
    return lambda folder: (folder / name).unlink()


@pytest.mark.parametrize("runtime", ["onnx", "torch"])
@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (remove_file("config.json"), "no config.json"),
        (break_file("config.json"), "cannot be read as JSON"),
        (lambda folder: (folder / "config.json").write_text("[]"), "expected an object"),
        (lambda folder: edit_config(folder, model_type="llava_llama"), "llava_llama"),
        (lambda folder: edit_config(folder, text_config=None), "text_config"),
        (lambda folder: edit_config(folder, image_token_id=9), "do not belong together"),
        (remove_weights, "pickled weights are never loaded"),
        (cut_weights, "its header describes|stale"),
        (make_lfs_pointer, "cut off|stale"),
        (empty_weights, "cut off|stale"),
        (remove_file("tokenizer.json"), "tokenizer.json"),
        (break_file("tokenizer.json"), "cannot be read"),
        (lambda folder: (folder / "tokenizer.json").write_text("{}"), "describes no tokenizer"),
        (
            lambda folder: (folder / "tokenizer.json").write_text('{"model": 1}'),
            "tokenizer.json cannot be read",
        ),
        (remove_file("processor_config.json"), None),
    ],
)
def test_a_damaged_folder_says_what_is_wrong(broken_folder, damage, reason, runtime) -> None:
    pytest.importorskip("torch")
    damage(broken_folder)
    if reason is None:
        SceneGraphModel.load(broken_folder, runtime=runtime)
        return
    with pytest.raises(ModelError, match=reason):
        model = SceneGraphModel.load(broken_folder, runtime=runtime)
        model.answer(np.zeros((9, 9, 3), np.uint8), "What?", max_new_tokens=1)


def test_a_folder_that_is_not_there_is_named() -> None:
    with pytest.raises(ModelError, match="no model folder at '/no/such/folder'"):
        SceneGraphModel.load("/no/such/folder")


def test_a_hub_id_that_is_not_cached_names_the_download(monkeypatch, tmp_path) -> None:
    hub = pytest.importorskip("huggingface_hub")
    monkeypatch.setattr(hub.constants, "HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(ModelError, match="hf download someone/some-model"):
        SceneGraphModel.load("someone/some-model")


@pytest.mark.parametrize("option", [{"runtime": "jax"}, {"provider": "npu"}, {"precision": "int3"}])
def test_an_unknown_option_lists_the_known_ones(clip_folder, option) -> None:
    with pytest.raises(ModelError, match="expected one of"):
        SceneGraphModel.load(clip_folder, **option)


def test_bf16_weights_are_read(tmp_path) -> None:
    values = np.array([[1.0, -2.5], [0.15625, 3e8]], np.float32)
    halves = (values.view(np.uint32) >> 16).astype("<u2")
    header = json.dumps(
        {"model.embed_tokens.weight": {"dtype": "BF16", "shape": [2, 2], "data_offsets": [0, 8]}}
    ).encode()
    file = tmp_path / "model.safetensors"
    file.write_bytes(struct.pack("<Q", len(header)) + header + halves.tobytes())
    (tmp_path / "config.json").write_text(
        json.dumps({"model_type": "llava", "text_config": {}, "vision_config": {}})
    )
    read = open_folder(tmp_path).read_token_embeddings().embed([1, 0])
    np.testing.assert_allclose(read, values[::-1], rtol=1e-2)


def test_tensors_equal_what_safetensors_reads(clip_folder) -> None:
    numpy_reader = pytest.importorskip("safetensors.numpy")
    file = clip_folder / "model.safetensors"
    theirs = numpy_reader.load_file(file)
    ours = {name: array for name, array, _ in iterate_tensors(file)}
    assert ours.keys() == theirs.keys()
    assert all(np.array_equal(ours[name], theirs[name]) for name in theirs)


def test_sharded_weights_are_read(clip_folder, tmp_path) -> None:
    transformers = pytest.importorskip("transformers")
    model = transformers.LlavaForConditionalGeneration.from_pretrained(clip_folder)
    model.save_pretrained(tmp_path, max_shard_size="200KB")
    folder = open_folder(tmp_path)
    assert len(folder.weight_files()) > 1
    expected = open_folder(clip_folder).read_token_embeddings().embed([5, 300])
    np.testing.assert_array_equal(folder.read_token_embeddings().embed([5, 300]), expected)
