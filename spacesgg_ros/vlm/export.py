"""A LLaVA folder to ONNX files that run without torch. Needs the extra ``torch``.

Vision tower and projector go through torch's exporter, the decoder through
``decoder_graph``. fp16 and int8 are made from the fp32 files. Everything is compared with torch
before the manifest is written: an fp32 export that differs is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from spacesgg_ros import __version__
from spacesgg_ros.extras import MissingExtraError, require
from spacesgg_ros.vlm.errors import ModelError
from spacesgg_ros.vlm.export_precision import (
    EXTERNAL_DATA_BYTES,
    convert,
    file_name,
    quantise,
    quiet_exporter,
    save,
    store_half,
)
from spacesgg_ros.vlm.folder import ModelFolder, open_folder
from spacesgg_ros.vlm.manifest import (
    DECODER_FIELDS,
    ONNX_FOLDER,
    PARTS,
    Manifest,
    digest_config,
    digest_file,
)
from spacesgg_ros.vlm.preprocess import ImagePreprocessor
from spacesgg_ros.vlm.proposals import TOWER_MODEL_TYPE

if TYPE_CHECKING:
    from spacesgg_ros.vlm.decoder_graph import DecoderSpec

PRECISIONS = ("fp32", "fp16", "int8")
_FP32_TOLERANCE = 2e-3
"""Largest difference of fp32 from torch, relative to the largest value."""


def export_model(
    model: str | Path,
    precisions: Sequence[str] = ("fp32", "int8"),
    out: Path | None = None,
    report: Callable[[str], None] = lambda message: None,
) -> Manifest:
    """Write ``onnx/`` for a model folder and compare it with torch.

    Args:
        precisions: of "fp32", "fp16", "int8"; fp32 is always made, as the others' source, and
            so is whatever an earlier export there holds.
        out: the folder to write to; default ``onnx/`` in the model folder, where the runtime
            looks for it.
        report: called with a line before each stage.

    Raises:
        ModelError: the folder cannot be loaded or exported, or fp32 differs from torch.
    """
    unknown = set(precisions) - set(PRECISIONS)
    if unknown:
        raise ModelError(f"unknown precision {sorted(unknown)}; expected {', '.join(PRECISIONS)}")
    folder = open_folder(model)
    target = out or folder.path / ONNX_FOLDER
    wanted = {"fp32", *precisions, *_read_exported(target)}
    precisions = [name for name in PRECISIONS if name in wanted]
    try:
        require("onnx", "torch")
        require("onnxscript", "torch")
    except MissingExtraError as error:
        raise ModelError(str(error)) from error
    from spacesgg_ros.vlm.torch_runtime import load_llava

    report("loading the model")
    llava = load_llava(folder, "float32", attention="eager")
    shape = _read_decoder_spec(llava)  # first: it refuses in no time what cannot be exported
    target.mkdir(parents=True, exist_ok=True)
    pixels = make_example_pixels(folder)
    parts = {precision: dict.fromkeys(PARTS, "") for precision in precisions}
    report("exporting the vision tower")
    parts["fp32"]["vision_tower"] = export_tower(llava, pixels, target)
    report("exporting the projector")
    parts["fp32"]["projector"] = _export_projector(llava, pixels, target)
    for precision in precisions[1:]:
        report(f"making {precision} of the vision tower and projector")
        for part in ("vision_tower", "projector"):
            parts[precision][part] = convert(target, parts["fp32"][part], precision)
    report("exporting the decoder")
    _export_decoders(llava, shape, target, parts)
    manifest = Manifest(
        parts=parts,
        files={},
        weights={file.name: digest_file(file) for file in folder.weight_files()},
        config=digest_config(folder.config),
        decoder={name: getattr(shape, name) for name in DECODER_FIELDS},
        versions=_read_versions(),
    )
    names = {name for files in parts.values() for name in files.values()}
    for name in names:
        store_half(target / name)
    report("comparing with torch")
    differences = {
        precision: compare_with_torch(llava, folder, manifest, target, precision, pixels)
        for precision in precisions
    }
    worst = max(value for key, value in differences["fp32"].items() if key.endswith("relative"))
    if not worst < _FP32_TOLERANCE:
        raise ModelError(
            f"the fp32 export of {folder.path} differs from torch by {worst:.2g} (relative), "
            f"expected below {_FP32_TOLERANCE}; it was not registered: use runtime 'torch'"
        )
    files = [file for file in target.iterdir() if file.name.split(".data")[0] in names]
    manifest = replace(
        manifest,
        files={file.name: digest_file(file) for file in sorted(files)},
        differences=differences,
    )
    manifest.write(target)
    return manifest


def _read_exported(target: Path) -> set[str]:
    """Precisions of an earlier export; none where its manifest cannot be read."""
    try:
        return set(Manifest.read(target).parts) & set(PRECISIONS)
    except ModelError:
        return set()


def compare_with_torch(
    llava: Any,
    folder: ModelFolder,
    manifest: Manifest,
    onnx_folder: Path,
    precision: str,
    pixels: np.ndarray,
) -> dict[str, float]:
    """Largest differences of one precision's files from torch fp32, stage by stage.

    Keys: "<stage> max" (absolute), "<stage> relative" (to torch's largest value),
    "<stage> cosine"; stages vision (tower and projector), prefill and step (logits).
    """
    torch = require("torch", "torch")
    from spacesgg_ros.vlm.onnx_runtime import OnnxRuntime
    from spacesgg_ros.vlm.torch_runtime import TorchRuntime

    reference = TorchRuntime.wrap(llava)
    exported = OnnxRuntime.open(manifest, onnx_folder, "cpu", precision)
    vision = reference.encode_image(pixels).tokens
    got = exported.encode_image(pixels).tokens
    if folder.vision_config.get("model_type") == TOWER_MODEL_TYPE:
        found = _compare("vision", *_pair_tokens(vision, got))
    else:
        found = _compare("vision", vision, got)
    generator = torch.Generator().manual_seed(0)
    table = llava.get_input_embeddings().weight.detach()
    ids = torch.randint(0, table.shape[0], (24,), generator=generator)
    words = table[ids].float().numpy()
    start = np.concatenate([words[:8], vision, words[8:16]])
    for name, chunk in (("step", words[16:17]), ("chunk", words[17:24])):
        if name == "step":
            found |= _compare("prefill", reference.prefill(start, 16), exported.prefill(start, 16))
        found |= _compare(name, reference.step(chunk), exported.step(chunk))
    return found


def _compare(stage: str, expected: np.ndarray, got: np.ndarray) -> dict[str, float]:
    difference = float(np.abs(expected - got).max())
    norms = float(np.linalg.norm(expected) * np.linalg.norm(got))
    return {
        f"{stage} max": difference,
        f"{stage} relative": difference / float(np.abs(expected).max()),
        f"{stage} cosine": float((expected * got).sum()) / norms,
    }


def _pair_tokens(expected: np.ndarray, got: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Each expected token with the nearest one got, without the tenth that fits worst.

    The package's own tower ranks its tokens by strength: where two are equally weak, rounding
    decides which comes first or is the last to be taken. That is no fault of an export.
    """
    nearest = [int(np.abs(got - token).max(axis=1).argmin()) for token in expected]
    paired = got[nearest]
    kept = np.abs(expected - paired).max(axis=1).argsort()[: -(-len(expected) * 9 // 10)]
    return expected[kept], paired[kept]


def make_example_pixels(folder: ModelFolder) -> np.ndarray:
    """A picture with edges and gradients: detection-like towers give nothing on noise."""
    y, x = np.mgrid[0:240, 0:320]
    checks = ((x // 40 + y // 40) % 2) * 120
    rgb = np.stack([x * 0.7 + 20, y + 10, checks + 60], axis=-1).astype(np.uint8)
    return ImagePreprocessor.from_folder(folder.path)(rgb)


def export_tower(llava: Any, pixels: np.ndarray, target: Path) -> str:
    """Write ``vision_tower.onnx`` to the folder ``target``: pixels to what the projector gets.

    Args:
        pixels: ``(1, 3, height, width)`` float32, an example.

    Returns:
        The file's name.

    Raises:
        ModelError: torch cannot export it.
    """
    torch = require("torch", "torch")
    config = llava.config
    layers = config.vision_feature_layer
    layers = [layers] if isinstance(layers, int) else list(layers)
    first = 1 if config.vision_feature_select_strategy == "default" else 0

    class Tower(torch.nn.Module):  # type: ignore[misc, name-defined]
        """What LLaVA feeds its projector: chosen layers, with or without the first token."""

        def __init__(self) -> None:
            super().__init__()
            self.tower = llava.model.vision_tower

        def forward(self, pixel_values: Any) -> Any:
            states = self.tower(
                pixel_values, output_hidden_states=True, return_dict=True
            ).hidden_states
            chosen = [states[layer][:, first:] for layer in layers]
            return chosen[0] if len(chosen) == 1 else torch.cat(chosen, dim=-1)

    return _export_torch(
        Tower(),
        torch.from_numpy(pixels),
        "pixel_values",
        "image_features",
        target / "vision_tower.onnx",
    )


def _export_projector(llava: Any, pixels: np.ndarray, target: Path) -> str:
    import onnxruntime

    torch = require("torch", "torch")
    session = onnxruntime.InferenceSession(
        str(target / "vision_tower.onnx"), providers=["CPUExecutionProvider"]
    )
    features = torch.from_numpy(session.run(None, {"pixel_values": pixels})[0])
    projector = llava.model.multi_modal_projector
    return _export_torch(
        projector, features, "image_features", "image_tokens", target / "projector.onnx"
    )


def _export_torch(module: Any, example: Any, source: str, result: str, file: Path) -> str:
    torch = require("torch", "torch")
    size = sum(parameter.numel() * 4 for parameter in module.parameters())
    for stale in file.parent.glob(f"{file.name}*"):
        stale.unlink()
    with quiet_exporter(), torch.no_grad():
        try:
            torch.onnx.export(
                module.eval(),
                (example,),
                str(file),
                input_names=[source],
                output_names=[result],
                opset_version=20,
                dynamo=True,
                external_data=size > EXTERNAL_DATA_BYTES,
                verbose=False,
            )
        except torch.onnx.errors.OnnxExporterError as error:
            raise ModelError(
                f"torch cannot export the {file.stem} ({error}); use runtime 'torch'"
            ) from error
    return file.name


def _read_decoder_spec(llava: Any) -> DecoderSpec:
    from spacesgg_ros.vlm.decoder_graph import DecoderSpec

    language = llava.model.language_model
    spec = DecoderSpec.from_config(language.config)
    rotary = language.rotary_emb
    if getattr(rotary, "rope_type", "default") not in ("default", "linear", "llama3"):
        raise ModelError(
            f"rotary type {rotary.rope_type!r} cannot be exported, expected default, linear or "
            "llama3; use runtime 'torch'"
        )
    return replace(spec, attention_factor=float(rotary.attention_scaling))


def _export_decoders(
    llava: Any, spec: DecoderSpec, target: Path, parts: dict[str, dict[str, str]]
) -> None:
    """Write the decoder of every precision and note its file in ``parts``."""
    from spacesgg_ros.vlm.decoder_graph import build_decoder

    language = llava.model.language_model
    state = {name: value.detach().numpy() for name, value in language.state_dict().items()}
    state["lm_head.weight"] = llava.lm_head.weight.detach().numpy()
    inverse = language.rotary_emb.inv_freq.numpy()
    for precision, files in parts.items():
        name = file_name("decoder", precision)
        if precision != "int8":
            graph = build_decoder(spec, state, inverse, half=precision == "fp16")
            save(graph, target / name)
            files["decoder"] = name
        else:
            files["decoder"] = quantise(target / "decoder.onnx", target / name)


def _read_versions() -> dict[str, str]:
    modules = [require(name, "torch") for name in ("torch", "transformers", "onnxruntime")]
    versions = {module.__name__: str(module.__version__) for module in modules}
    return {"spacesgg_ros": __version__, **versions}
