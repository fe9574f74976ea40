"""The torch runtime: transformers' own modules, step by step. Needs the extra ``torch``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from spacesgg_ros.extras import MissingExtraError, require
from spacesgg_ros.vlm.errors import ModelError
from spacesgg_ros.vlm.folder import ModelFolder, read_header, read_json
from spacesgg_ros.vlm.proposals import TOWER_MODEL_TYPE
from spacesgg_ros.vlm.runtime import EncodedImage, RuntimeInfo

"""``vision_config.model_type`` of this package's own tower (``spacesgg_ros.vlm.tower``)."""


def load_llava(folder: ModelFolder, dtype: str = "float32", attention: str | None = None) -> Any:
    """``LlavaForConditionalGeneration`` of a folder, in eval mode, on the CPU.

    Only safetensors, never remote code, never the network.

    Raises:
        ModelError: torch or transformers is missing, or the folder does not fit.
    """
    torch = _import_torch()
    try:
        transformers = require("transformers", "torch")
        if folder.vision_config.get("model_type") == TOWER_MODEL_TYPE:
            # Registers the tower's config and model classes with transformers.
            require("spacesgg_ros.vlm.tower", "torch")
    except MissingExtraError as error:
        raise ModelError(str(error)) from error
    for file in folder.weight_files():
        read_header(file)
    transformers.utils.logging.disable_progress_bar()
    try:
        model, loading = transformers.LlavaForConditionalGeneration.from_pretrained(
            folder.path,
            output_loading_info=True,
            dtype=getattr(torch, dtype),
            attn_implementation=attention,
            use_safetensors=True,
            local_files_only=True,
            trust_remote_code=False,
        )
    except (OSError, ValueError, KeyError, RuntimeError, AttributeError) as error:
        raise ModelError(
            f"{folder.path} cannot be loaded by transformers {transformers.__version__} "
            f"({error}); expected a folder written by LlavaForConditionalGeneration"
        ) from error
    missing = sorted(loading["missing_keys"])
    if missing:
        # transformers would go on with random values.
        raise ModelError(
            f"{folder.path} lacks {len(missing)} weights, {missing[0]} first; expected a folder "
            "written by LlavaForConditionalGeneration: copy or convert it again"
        )
    return model.eval()


def load_adapted(
    folder: ModelFolder, adapter: str, dtype: str = "float32", for_inference: bool = False
) -> Any:
    """``load_llava`` with a peft adapter on it, in eval mode: a ``peft.PeftModel``.

    Args:
        adapter: a folder with ``adapter_config.json``, or a hub id in the local cache.
        for_inference: refuse an adapter with embeddings of its own, as this package reads
            embeddings from the base folder.

    Raises:
        ModelError: peft is missing, there is no such adapter, or it belongs to another model.
    """
    try:
        peft = require("peft", "train")
        hub = require("huggingface_hub", "train")
    except MissingExtraError as error:
        raise ModelError(str(error)) from error
    place = Path(adapter).expanduser()
    if not place.is_dir():
        try:
            place = Path(hub.snapshot_download(adapter, local_files_only=True))
        except (OSError, ValueError) as error:
            raise ModelError(
                f"no adapter '{adapter}': expected a folder with adapter_config.json, or a hub id "
                f"in the local cache (fetch it with: hf download {adapter})"
            ) from error
    settings = read_json(place / "adapter_config.json")
    own = "embed_tokens" in (settings.get("modules_to_save") or [])
    if for_inference and (own or settings.get("trainable_token_indices")):
        raise ModelError(
            f"adapter {adapter} has token embeddings of its own; fold it into its base first: "
            f"spacesgg merge {adapter} --out FOLDER, then use model FOLDER"
        )
    llava = load_llava(folder, dtype)
    try:
        adapted = peft.PeftModel.from_pretrained(llava, place, local_files_only=True)
    except (OSError, ValueError, RuntimeError, KeyError) as error:
        raise ModelError(
            f"adapter {adapter} cannot be put on {folder.model_id}: {error}"
        ) from error
    return adapted.eval()


def _import_torch() -> Any:
    try:
        return require("torch", "torch")
    except MissingExtraError as error:
        raise ModelError(str(error)) from error


class TorchRuntime:
    """``Runtime`` on torch: fp32 on the CPU, fp16 on CUDA."""

    def __init__(
        self,
        folder: ModelFolder,
        provider: str = "cpu",
        precision: str = "auto",
        threads: int = 0,
        adapter: str = "",
    ) -> None:
        """Load the weights, and fold a peft adapter (folder or hub id) into them.

        Raises:
            ModelError: CUDA asked for and not there, a precision torch does not run here, or an
                adapter that does not fit.
        """
        if provider == "tensorrt":
            raise ModelError("the torch runtime has no TensorRT; choose runtime 'onnx' or 'cuda'")
        if precision == "auto":
            precision = "fp16" if provider == "cuda" else "fp32"
        if precision == "int8" or (precision == "fp16" and provider == "cpu"):
            raise ModelError(
                f"the torch runtime on {provider} has no precision {precision}; "
                "choose fp32 (fp16 on cuda), or runtime 'onnx' for int8"
            )
        dtype = "float16" if precision == "fp16" else "float32"
        if provider == "cuda" and not _import_torch().cuda.is_available():
            raise ModelError(
                "provider 'cuda' asked for, but torch sees no CUDA device; install a CUDA build "
                "of torch and the NVIDIA driver, or choose provider 'cpu'"
            )
        if adapter:
            llava = load_adapted(folder, adapter, dtype, for_inference=True).merge_and_unload()
        else:
            llava = load_llava(folder, dtype)
        self._set_up(llava, provider, precision, threads)

    @classmethod
    def wrap(cls, llava: Any) -> TorchRuntime:
        """A runtime around an fp32 model that is loaded already, on the CPU."""
        runtime = cls.__new__(cls)
        runtime._set_up(llava, "cpu", "fp32", 0)
        return runtime

    def _set_up(self, llava: Any, provider: str, precision: str, threads: int) -> None:
        self._torch = require("torch", "torch")
        self._cache_type = require("transformers", "torch").DynamicCache
        if threads > 0:
            self._torch.set_num_threads(threads)
        self._model = llava.to(provider)
        self._dtype = self._torch.float16 if precision == "fp16" else self._torch.float32
        self._device = provider
        self._cache: Any = None
        self._features = np.empty((0, 0), np.float32)
        llava.model.multi_modal_projector.register_forward_pre_hook(self._keep_features)
        self._info = RuntimeInfo(
            "torch", provider, provider, precision, threads or self._torch.get_num_threads()
        )

    @property
    def info(self) -> RuntimeInfo:
        return self._info

    @property
    def length(self) -> int:
        return 0 if self._cache is None else int(self._cache.get_seq_length())

    def encode_image(self, pixel_values: np.ndarray) -> EncodedImage:
        torch = self._torch
        with torch.inference_mode():
            pixels = torch.from_numpy(pixel_values).to(self._device, self._dtype)
            features = self._model.model.get_image_features(pixel_values=pixels)
            # transformers 5 wraps the projected features in an output object.
            features = getattr(features, "pooler_output", features)
            tokens: np.ndarray = features[0].float().cpu().numpy()
        return EncodedImage(tokens.reshape(-1, tokens.shape[-1]), self._features)

    def _keep_features(self, _: Any, arguments: tuple[Any, ...]) -> None:
        features = arguments[0]
        self._features = features.reshape(-1, features.shape[-1]).float().cpu().numpy()

    def prefill(self, embeddings: np.ndarray, reserve: int) -> np.ndarray:
        self._cache = self._cache_type(config=self._model.config.get_text_config())
        return self.step(embeddings)

    def step(self, embeddings: np.ndarray) -> np.ndarray:
        torch = self._torch
        with torch.inference_mode():
            inputs = torch.from_numpy(embeddings[None]).to(self._device, self._dtype)
            output = self._model.model.language_model(
                inputs_embeds=inputs, past_key_values=self._cache, use_cache=True
            )
            logits = self._model.lm_head(output.last_hidden_state[0, -1])
            result: np.ndarray = logits.float().cpu().numpy()
        return result

    def rollback(self, length: int) -> None:
        if not 0 < length <= self.length:
            raise ValueError(f"cannot go back to {length} of {self.length} positions")
        if length < self.length:
            self._cache.crop(length - self.length)
