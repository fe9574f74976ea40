"""``onnx/manifest.json``: what an export holds and which weights it was made from."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from spacesgg_ros.vlm.errors import ModelError
from spacesgg_ros.vlm.folder import ModelFolder, read_json

ONNX_FOLDER = "onnx"
MANIFEST_FILE = "manifest.json"
PARTS = ("vision_tower", "projector", "decoder")
DECODER_FIELDS = ("layers", "kv_heads", "head_size", "max_length", "vocabulary", "hidden_size")
FORMAT = 1

_EXACT_UP_TO_BYTES = 512 << 20
_SAMPLES, _SAMPLE_BYTES = 64, 1 << 16
_CONFIG_KEYS = (
    "text_config",
    "vision_config",
    "vision_feature_layer",
    "vision_feature_select_strategy",
    "projector_hidden_act",
)


@dataclass(frozen=True)
class Manifest:
    """What ``spacesgg export`` wrote.

    Attributes:
        parts: precision to part (``PARTS``) to file name.
        files: file name to its digest.
        weights: weight file name to its digest at export time.
        config: digest of the parts of ``config.json`` that shape the graphs.
        decoder: ``DECODER_FIELDS``.
        differences: precision to measured difference from torch.
        versions: of the packages that wrote the files.
    """

    parts: dict[str, dict[str, str]]
    files: dict[str, str]
    weights: dict[str, str]
    config: str
    decoder: dict[str, int]
    differences: dict[str, dict[str, float]] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    format: int = FORMAT

    def write(self, onnx_folder: Path) -> None:
        """Write ``manifest.json``."""
        text = json.dumps(asdict(self), indent=2) + "\n"
        (onnx_folder / MANIFEST_FILE).write_text(text, encoding="utf-8")

    @classmethod
    def read(cls, onnx_folder: Path) -> Manifest:
        """Raises ModelError when it is missing, broken or of another format."""
        file = onnx_folder / MANIFEST_FILE
        if not file.is_file():
            raise ModelError(
                f"{onnx_folder.parent} has no ONNX export ({ONNX_FOLDER}/{MANIFEST_FILE}); make "
                f"one with: spacesgg export {onnx_folder.parent}, or choose runtime 'torch'"
            )
        value = read_json(file)
        if value.get("format") != FORMAT:
            raise ModelError(
                f"{file} has format {value.get('format')!r}, expected {FORMAT}; "
                f"export again: spacesgg export {onnx_folder.parent}"
            )
        try:
            return cls(**value)
        except TypeError as error:
            raise ModelError(
                f"{file} is incomplete ({error}); export again: spacesgg export "
                f"{onnx_folder.parent}"
            ) from error

    def check(self, folder: ModelFolder, onnx_folder: Path, precision: str) -> None:
        """See that the files are whole and were made from the folder's weights.

        Raises:
            ModelError: a file is missing or damaged, or the export is stale.
        """
        again = f"export again: spacesgg export {folder.path}"
        for name in set(self.parts[precision].values()):
            for stored in [file for file in self.files if file.split(".data")[0] == name]:
                path = onnx_folder / stored
                if not path.is_file():
                    raise ModelError(f"{path} is missing; {again}")
                if digest_file(path) != self.files[stored]:
                    raise ModelError(f"{path} is damaged (its digest differs); {again}")
        if digest_config(folder.config) != self.config:
            raise ModelError(
                f"{onnx_folder} is stale: config.json changed after the export; {again}"
            )
        for path in folder.weight_files():
            if self.weights.get(path.name) != digest_file(path):
                raise ModelError(
                    f"{onnx_folder} is stale: it was made from other weights than {path.name}; "
                    f"{again}"
                )


def digest_file(file: Path) -> str:
    """``sha256:...`` of a file up to 512 MiB; ``sampled:...`` of evenly spread blocks above.

    A 13B checkpoint would take minutes to read whole at every start; training changes every
    block of it, so blocks tell.
    """
    size = file.stat().st_size
    digest = hashlib.sha256(size.to_bytes(8, "little"))
    with file.open("rb") as stream:
        if size <= _EXACT_UP_TO_BYTES:
            digest = hashlib.sha256()
            while block := stream.read(1 << 20):
                digest.update(block)
            return f"sha256:{digest.hexdigest()}"
        for sample in range(_SAMPLES):
            stream.seek((size - _SAMPLE_BYTES) * sample // (_SAMPLES - 1))
            digest.update(stream.read(_SAMPLE_BYTES))
    return f"sampled:{digest.hexdigest()}"


def digest_config(config: dict[str, Any]) -> str:
    """Of what shapes the graphs; other keys may change without a new export."""
    shaping = {key: config.get(key) for key in _CONFIG_KEYS}
    return hashlib.sha256(json.dumps(shaping, sort_keys=True).encode()).hexdigest()
