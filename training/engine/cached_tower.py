"""A frozen tower's outputs, computed once an image and put in the tower's place.

The outputs live in blocks of float16 arrays, keyed by the tower's weights, the preprocessing and
each image file; a run maps them into memory. What trains goes on to call the model's own forward:
``CachedTower`` stands where the tower stood and hands through what it is given, so LoRA, FSDP
and DeepSpeed need not know.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers.modeling_outputs import BaseModelOutput

from spacesgg_ros.cli.console import InputError
from spacesgg_ros.extras import MissingExtraError, require
from spacesgg_ros.vlm.errors import ModelError
from spacesgg_ros.vlm.export import export_tower, make_example_pixels
from spacesgg_ros.vlm.folder import ModelFolder
from spacesgg_ros.vlm.manifest import ONNX_FOLDER, Manifest
from spacesgg_ros.vlm.preprocess import ImagePreprocessor
from spacesgg_ros.vlm.proposals import TOWER_MODEL_TYPE

from .dataset import load_pixels
from .encoding import EncodedRows

_BLOCK_IMAGES = 512
_BATCH = 8
_WORTH_AN_EXPORT = 256
"""Images from which exporting the package's own tower pays for itself on a CPU."""

SELECTED = {"vision_feature_layer": -1, "vision_feature_select_strategy": "full"}
"""How LLaVA's forward is to read ``CachedTower``: the layer and tokens are chosen already."""

RunTower = Callable[[np.ndarray], np.ndarray]
"""``(B, 3, height, width)`` float32 to ``(B, tokens, channels)`` float32."""


class CachedTower(torch.nn.Module):
    """Stands for a vision tower: its "pixels" are what the tower made of them."""

    def forward(self, pixel_values: torch.Tensor, **_: object) -> BaseModelOutput:
        return BaseModelOutput(last_hidden_state=pixel_values, hidden_states=(pixel_values,))


def tower_key(llava: Any, preprocessor: ImagePreprocessor) -> str:
    """Changes with the tower's weights and shape, what is taken of it, and the preprocessing."""
    config = llava.config
    shaping = [
        config.vision_config.to_dict(),
        config.vision_feature_layer,
        config.vision_feature_select_strategy,
        repr(preprocessor),
    ]
    digest = hashlib.sha256(json.dumps(shaping, sort_keys=True, default=str).encode())
    for name, value in sorted(llava.model.vision_tower.state_dict().items()):
        digest.update(name.encode())
        digest.update(value.detach().float().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()[:20]


class FeatureStore:
    """Blocks of features in a folder; a block is there whole or not at all."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._blocks: list[np.ndarray] = []
        self._places: dict[str, tuple[int, int]] = {}
        for names in sorted(folder.glob("*.json")):
            self._map(names)

    def __contains__(self, key: str) -> bool:
        return key in self._places

    def __getitem__(self, key: str) -> np.ndarray:
        """``(tokens, channels)`` float16."""
        block, place = self._places[key]
        return self._blocks[block][place]

    def add(self, keys: Sequence[str], features: np.ndarray) -> None:
        """Store a block of ``(images, tokens, channels)``; it is named by what is in it."""
        self._folder.mkdir(parents=True, exist_ok=True)
        name = hashlib.sha256("\n".join(keys).encode()).hexdigest()[:20]
        temporary = self._folder / f"{name}.tmp.npy"
        np.save(temporary, features.astype(np.float16))
        temporary.replace(self._folder / f"{name}.npy")
        # The names last: without them the block does not count.
        names = self._folder / f"{name}.json.tmp"
        names.write_text(json.dumps(list(keys)), encoding="utf-8")
        names = names.replace(names.with_suffix(""))
        self._map(names)

    def _map(self, names: Path) -> None:
        self._blocks.append(np.load(names.with_suffix(".npy"), mmap_mode="r"))
        for place, key in enumerate(json.loads(names.read_text(encoding="utf-8"))):
            self._places[key] = (len(self._blocks) - 1, place)


class FeatureSource:
    """Images as the frozen tower saw them."""

    def __init__(self, rows: Sequence[EncodedRows], store: FeatureStore) -> None:
        """Raises KeyError if the store lacks an image."""
        self._images = [r.images for r in rows]
        self._features = [[store[key] for key in image_keys(r)] for r in rows]

    def read(self, source: int, index: int) -> np.ndarray:
        return self._features[source][self._images[source][index]]


def image_keys(rows: EncodedRows) -> list[str]:
    """A key for each of a file's images; changes when the image's file does."""
    known: dict[str, tuple[int, int]] = {}
    keys = []
    for image, mirror in rows.image_names:
        shard, is_member, _ = image.partition(".tar/")
        file = rows.root / (f"{shard}.tar" if is_member else image)
        if str(file) not in known:
            try:
                stat = file.stat()
            except OSError as error:
                raise InputError(
                    f"{rows.file} names the image {image}, which is not in {rows.root} "
                    f"({error.strerror}); set data.N.images to the folder that has it"
                ) from error
            known[str(file)] = (stat.st_mtime_ns, stat.st_size)
        text = json.dumps([str((rows.root / image).absolute()), mirror, *known[str(file)]])
        keys.append(hashlib.sha256(text.encode()).hexdigest()[:20])
    return keys


def fill_store(
    store: FeatureStore,
    rows: Sequence[EncodedRows],
    preprocessor: ImagePreprocessor,
    make_tower: Callable[[int], RunTower],
    advance: Callable[[int, int | None], None] = lambda done, total: None,
) -> int:
    """Compute what the store lacks; returns how many images that were.

    Args:
        make_tower: called with the number of images, only if there are any.
        advance: called with images done and to do.

    Raises:
        InputError: an image cannot be read.
    """
    wanted: dict[str, tuple[EncodedRows, int]] = {}
    for r in rows:
        for number, key in enumerate(image_keys(r)):
            if key not in store:
                wanted[key] = (r, number)
    if not wanted:
        return 0
    run = make_tower(len(wanted))
    first_row = {id(r): np.unique(r.images, return_index=True)[1] for r in rows}
    keys, done = list(wanted), 0
    for begin in range(0, len(keys), _BLOCK_IMAGES):
        block = keys[begin : begin + _BLOCK_IMAGES]
        features = []
        for start in range(0, len(block), _BATCH):
            pixels = []
            for key in block[start : start + _BATCH]:
                r, number = wanted[key]
                pixels.append(load_pixels(r.row(int(first_row[id(r)][number])), r, preprocessor))
            features.append(run(np.stack(pixels)).astype(np.float16))
            done += len(pixels)
            advance(done, len(keys))
        store.add(block, np.concatenate(features))
    return len(keys)


def make_tower_runner(llava: Any, folder: ModelFolder, scratch: Path, images: int) -> RunTower:
    """The fastest way to run the tower here that gives what the projector is to get.

    On a GPU: torch. On a CPU: the folder's ONNX export where it is current; for many images the
    package's own tower is exported to ``scratch`` if need be, as ONNX Runtime is several times
    faster than torch there; else torch.
    """
    if torch.cuda.is_available():
        return _run_torch(llava)
    own = folder.vision_config.get("model_type") == TOWER_MODEL_TYPE
    try:
        onnx_folder = folder.path / ONNX_FOLDER
        manifest = Manifest.read(onnx_folder)
        manifest.check(folder, onnx_folder, "fp32")
        return _run_onnx(onnx_folder / manifest.parts["fp32"]["vision_tower"])
    except (ModelError, KeyError):
        if not own or images < _WORTH_AN_EXPORT:
            return _run_torch(llava)
    try:
        require("onnxscript", "train")
    except MissingExtraError as error:
        raise InputError(str(error)) from error
    scratch.mkdir(parents=True, exist_ok=True)
    return _run_onnx(scratch / export_tower(llava, make_example_pixels(folder), scratch))


def _run_onnx(file: Path) -> RunTower:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    session = onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])

    def run(pixels: np.ndarray) -> np.ndarray:
        # Exports read one image at a time, as a camera gives them.
        return np.concatenate([session.run(None, {"pixel_values": p[None]})[0] for p in pixels])

    return run


def _run_torch(llava: Any) -> RunTower:
    config = llava.config
    layers = config.vision_feature_layer
    layers = [layers] if isinstance(layers, int) else list(layers)
    first = 1 if config.vision_feature_select_strategy == "default" else 0
    tower = llava.model.vision_tower.eval()
    device = "cuda" if torch.cuda.is_available() else "cpu"
    tower.to(device)
    dtype = next(tower.parameters()).dtype

    @torch.inference_mode()
    def run(pixels: np.ndarray) -> np.ndarray:
        values = torch.from_numpy(pixels).to(device, dtype)
        states = tower(values, output_hidden_states=True, return_dict=True).hidden_states
        chosen = torch.cat([states[layer][:, first:] for layer in layers], dim=-1)
        return chosen.float().cpu().numpy()

    return run
