"""The ONNX Runtime runtime: what runs on a robot. Imports neither torch nor transformers."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime

from spacesgg_ros.vlm.errors import ModelError
from spacesgg_ros.vlm.folder import ModelFolder
from spacesgg_ros.vlm.manifest import ONNX_FOLDER, PARTS, Manifest
from spacesgg_ros.vlm.runtime import EncodedImage, RuntimeInfo, count_physical_cores

_LOG = logging.getLogger(__name__)

_EXECUTION_PROVIDERS = {
    "cpu": "CPUExecutionProvider",
    "cuda": "CUDAExecutionProvider",
    "tensorrt": "TensorrtExecutionProvider",
}
_BY_PREFERENCE = {"cpu": ("int8", "fp32"), "cuda": ("fp16",), "tensorrt": ("fp16",)}
_CACHE_BLOCK = 256
_ONE_THREAD_UP_TO = 512
"""Hidden size up to which handing a decoder's small products to a second thread costs more
than it saves (measured: 192 hidden, 4 layers: 1 thread 2.2 times as fast as 2)."""
# ONNX Runtime's exceptions have no common base below Exception.
_ORT_ERRORS = (
    RuntimeError,
    ValueError,
    onnxruntime.capi.onnxruntime_pybind11_state.Fail,
    onnxruntime.capi.onnxruntime_pybind11_state.InvalidArgument,
    onnxruntime.capi.onnxruntime_pybind11_state.InvalidGraph,
    onnxruntime.capi.onnxruntime_pybind11_state.InvalidProtobuf,
    onnxruntime.capi.onnxruntime_pybind11_state.NoSuchFile,
    onnxruntime.capi.onnxruntime_pybind11_state.NotImplemented,
    onnxruntime.capi.onnxruntime_pybind11_state.RuntimeException,
)


class OnnxRuntime:
    """``Runtime`` on the files ``spacesgg export`` wrote.

    The cache lives in buffers that are bound as past and present at once, so a step writes its
    keys and values in place.
    """

    def __init__(
        self, folder: ModelFolder, provider: str = "cpu", precision: str = "auto", threads: int = 0
    ) -> None:
        """Open the sessions of a folder's ``onnx/``.

        A provider that this machine lacks is replaced by the CPU, with a warning and a note
        in ``info``.

        Raises:
            ModelError: no export, a stale or damaged one, or a precision it does not hold.
        """
        onnx_folder = folder.path / ONNX_FOLDER
        manifest = Manifest.read(onnx_folder)
        notes: list[str] = []
        used = _choose_provider(provider, notes)
        chosen = _choose_precision(manifest, precision, used, folder.path, notes)
        manifest.check(folder, onnx_folder, chosen)
        self._open(manifest, onnx_folder, provider, used, chosen, threads, notes)

    @classmethod
    def open(
        cls, manifest: Manifest, onnx_folder: Path, provider: str, precision: str, threads: int = 0
    ) -> OnnxRuntime:
        """A runtime on files that need no check, as just after their export."""
        runtime = cls.__new__(cls)
        runtime._open(manifest, onnx_folder, provider, provider, precision, threads, [])
        return runtime

    def _open(
        self,
        manifest: Manifest,
        onnx_folder: Path,
        requested: str,
        used: str,
        precision: str,
        threads: int,
        notes: list[str],
    ) -> None:
        threads = threads or count_physical_cores()
        self._shape = manifest.decoder
        small = self._shape["hidden_size"] <= _ONE_THREAD_UP_TO
        files = {part: onnx_folder / manifest.parts[precision][part] for part in PARTS}
        self._tower = _open_session(files["vision_tower"], used, threads)
        self._projector = _open_session(files["projector"], used, threads)
        # GroupQueryAttention is not TensorRT's: the decoder runs on CUDA beside it.
        decoder_on = "cuda" if used == "tensorrt" else used
        self._decoder = _open_session(files["decoder"], decoder_on, 1 if small else threads)
        used = _report_provider(self._tower, self._decoder, used, notes)
        self._device = "cpu" if used == "cpu" else "cuda"
        self._cache_type = np.dtype(np.float16 if precision == "fp16" else np.float32)
        self._capacity = 0
        self._length = 0
        self._cache: list[Any] = []
        self._binding = self._decoder.io_binding()
        for note in notes:
            _LOG.warning(note)
        self._info = RuntimeInfo("onnx", requested, used, precision, threads, tuple(notes))

    @property
    def info(self) -> RuntimeInfo:
        return self._info

    @property
    def length(self) -> int:
        return self._length

    def encode_image(self, pixel_values: np.ndarray) -> EncodedImage:
        try:
            features = self._tower.run(None, {"pixel_values": pixel_values})[0]
            tokens: np.ndarray = self._projector.run(None, {"image_features": features})[0]
        except _ORT_ERRORS as error:
            raise ModelError(f"the vision tower failed on {pixel_values.shape}: {error}") from error
        return EncodedImage(
            tokens.reshape(-1, tokens.shape[-1]),
            np.asarray(features, np.float32).reshape(-1, features.shape[-1]),
        )

    def prefill(self, embeddings: np.ndarray, reserve: int) -> np.ndarray:
        self._length = 0
        self._reserve(len(embeddings) + reserve)
        return self.step(embeddings)

    def step(self, embeddings: np.ndarray) -> np.ndarray:
        total = self._length + len(embeddings)
        if total > self._capacity:
            raise ValueError(f"{total} positions in a cache of {self._capacity}")
        binding = self._binding
        binding.bind_cpu_input("inputs_embeds", embeddings[None])
        binding.bind_cpu_input("seqlens_k", np.array([total - 1], np.int32))
        binding.bind_cpu_input("total_sequence_length", np.array(total, np.int32))
        binding.bind_cpu_input("logit_positions", np.array([len(embeddings) - 1], np.int64))
        binding.bind_output("logits", "cpu")
        try:
            self._decoder.run_with_iobinding(binding)
        except _ORT_ERRORS as error:
            raise ModelError(f"the decoder failed at position {total}: {error}") from error
        self._length = total
        logits: np.ndarray = binding.get_outputs()[self._logits_at].numpy()
        return logits[0, 0]

    def rollback(self, length: int) -> None:
        if not 0 < length <= self._length:
            raise ValueError(f"cannot go back to {length} of {self._length} positions")
        # Positions beyond the length are never read, and overwritten by the next step.
        self._length = length

    def _reserve(self, positions: int) -> None:
        """Buffers for ``positions``, kept between sequences; bound once."""
        longest = self._shape["max_length"]
        if positions > longest:
            raise ModelError(f"{positions} positions asked for, the model has {longest}")
        if positions <= self._capacity:
            return
        blocks = -(-positions // _CACHE_BLOCK)
        self._capacity = min(blocks * _CACHE_BLOCK, longest)
        shape = [1, self._shape["kv_heads"], self._capacity, self._shape["head_size"]]
        self._cache = []
        self._binding = self._decoder.io_binding()
        for layer in range(self._shape["layers"]):
            for part in ("key", "value"):
                buffer = self._make_buffer(shape)
                self._cache.append(buffer)
                self._binding.bind_ortvalue_input(f"past_key_values.{layer}.{part}", buffer)
                self._binding.bind_ortvalue_output(f"present.{layer}.{part}", buffer)
        # Outputs come back in the order they were first bound.
        self._logits_at = len(self._cache)

    def _make_buffer(self, shape: Sequence[int]) -> Any:
        return onnxruntime.OrtValue.ortvalue_from_numpy(
            np.zeros(shape, self._cache_type), self._device, 0
        )


def _choose_provider(requested: str, notes: list[str]) -> str:
    """``requested`` if this ONNX Runtime has it, else the CPU and a note."""
    if (
        requested == "cpu"
        or _EXECUTION_PROVIDERS[requested] in onnxruntime.get_available_providers()
    ):
        return requested
    notes.append(
        f"Provider '{requested}' was asked for, but this ONNX Runtime "
        f"{onnxruntime.__version__} has no {_EXECUTION_PROVIDERS[requested]}; running on the CPU. "
        "Install the GPU build: pip install 'spacesgg_ros[gpu]'."
    )
    return "cpu"


def _choose_precision(
    manifest: Manifest,
    precision: str,
    used: str,
    folder: Path,
    notes: list[str],
) -> str:
    exported = tuple(manifest.parts)
    if precision == "auto":
        for candidate in _BY_PREFERENCE[used]:
            if candidate in exported:
                return candidate
        precision = _BY_PREFERENCE[used][0]
    if precision not in exported:
        raise ModelError(
            f"{folder} is exported as {', '.join(exported)}, not as {precision} (for provider "
            f"'{used}'); make it with: spacesgg export {folder} --precision {precision}"
        )
    if used != "cpu" and precision != "fp16":
        raise ModelError(
            f"provider '{used}' runs fp16 exports only (its attention kernel has no {precision}); "
            "choose precision 'fp16' or 'auto', or provider 'cpu'"
        )
    if used == "cpu" and precision == "fp16":
        notes.append("fp16 on the CPU is computed through fp32 casts and is slower than fp32.")
    return precision


def _open_session(file: Path, provider: str, threads: int) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    # Threads that spin between products take the node's cores: twice the CPU time, measured.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    providers: list[Any] = [_EXECUTION_PROVIDERS["cpu"]]
    if provider in ("cuda", "tensorrt"):
        providers.insert(0, _EXECUTION_PROVIDERS["cuda"])
    if provider == "tensorrt":
        providers.insert(0, (_EXECUTION_PROVIDERS["tensorrt"], make_tensorrt_options(file)))
    try:
        return onnxruntime.InferenceSession(str(file), options, providers=providers)
    except _ORT_ERRORS as error:
        raise ModelError(
            f"ONNX Runtime {onnxruntime.__version__} cannot open {file} ({error}); export again "
            "with: spacesgg export"
        ) from error


def _report_provider(
    tower: onnxruntime.InferenceSession,
    decoder: onnxruntime.InferenceSession,
    expected: str,
    notes: list[str],
) -> str:
    """What the sessions really got: ONNX Runtime drops a provider without an exception."""
    if expected == "cpu":
        return "cpu"
    got = tower.get_providers()
    on_cuda = _EXECUTION_PROVIDERS["cuda"] in decoder.get_providers()
    if _EXECUTION_PROVIDERS[expected] in got and on_cuda:
        if expected == "tensorrt":
            notes.append("TensorRT runs the vision tower and projector; the decoder is on CUDA.")
        return expected
    used = "cuda" if _EXECUTION_PROVIDERS["cuda"] in got and on_cuda else "cpu"
    notes.append(
        f"Provider '{expected}' was asked for, but ONNX Runtime opened the vision tower with "
        f"{got} and the decoder with {decoder.get_providers()}; running on '{used}'. Check the "
        "NVIDIA driver and the CUDA, cuDNN and TensorRT libraries."
    )
    return used


def make_tensorrt_options(file: Path) -> dict[str, Any]:
    """Options of ONNX Runtime's TensorRT provider for one ONNX file.

    Its own engine cache is keyed by names, not by weights: a fine-tuned tower with the same
    graph would silently get the old engine. So folder and prefix carry a hash of the file with
    its external data; ONNX Runtime adds the GPU's architecture and its own version. Precision
    is in the graph's types, hence no ``trt_fp16_enable``.
    """
    digest = hashlib.sha256(onnxruntime.__version__.encode())
    for part in sorted(file.parent.glob(f"{file.name}*")):
        with part.open("rb") as stream:
            while block := stream.read(1 << 20):
                digest.update(block)
    key = digest.hexdigest()[:16]
    cache = Path.home() / ".cache" / "spacesgg_ros" / "tensorrt" / key
    cache.mkdir(parents=True, exist_ok=True)
    return {
        "trt_engine_cache_enable": True,
        "trt_engine_cache_path": str(cache),
        "trt_engine_cache_prefix": f"spacesgg_{key}",
        "trt_timing_cache_enable": True,
        "trt_timing_cache_path": str(cache.parent),
    }
