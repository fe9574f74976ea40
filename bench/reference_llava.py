"""The embedded model as transformers runs it: what the package's own runtime is held to."""

from __future__ import annotations

from typing import Any

import numpy as np

from spacesgg_ros.bench.result import BenchError
from spacesgg_ros.extras import require
from spacesgg_ros.vlm import SceneGraphModel
from spacesgg_ros.vlm.errors import ModelError
from spacesgg_ros.vlm.folder import open_folder, read_prompt_ids
from spacesgg_ros.vlm.torch_runtime import load_llava


def load_embedded(precision: str, threads: int = 2) -> SceneGraphModel:
    """The checkpoint that ships with the package, on ONNX Runtime.

    Raises:
        BenchError: it is not there, or not exported in this precision.
    """
    try:
        return SceneGraphModel.load("embedded", precision=precision, threads=threads)
    except ModelError as error:
        raise BenchError(f"the embedded model in {precision} is needed: {error}") from error


class ReferenceLlava:
    """``LlavaForConditionalGeneration.generate``, greedy, fp32, on the CPU."""

    def __init__(self, threads: int = 2) -> None:
        """Raises BenchError where torch or the model is missing."""
        self._torch: Any = require("torch", "torch")
        self._torch.set_num_threads(threads)
        try:
            folder = open_folder("embedded")
            self._llava = load_llava(folder)
        except ModelError as error:
            raise BenchError(f"transformers cannot run the embedded model: {error}") from error
        self._folder = folder
        self._tokenizer = folder.load_tokenizer()

    def generate(
        self, model: SceneGraphModel, rgb: np.ndarray, prompt: str, max_new_tokens: int
    ) -> list[int]:
        """New tokens for ``prompt``, the end token included. Pixels come from ``model``'s own
        preprocessing, so that only the networks and the decoding differ."""
        torch = self._torch
        pixels = torch.from_numpy(model.preprocess(rgb))
        ids = read_prompt_ids(self._folder, self._tokenizer, prompt)
        with torch.inference_mode():
            at = ids.index(self._folder.image_token_id)
            spread = [*ids[:at], *[ids[at]] * self._image_tokens(pixels), *ids[at + 1 :]]
            inputs = torch.tensor([spread])
            # As the package's runtime does: the model knows no positions beyond its length.
            room = self._folder.max_length - len(spread)
            output = self._llava.generate(
                input_ids=inputs,
                attention_mask=torch.ones_like(inputs),
                pixel_values=pixels,
                do_sample=False,
                num_beams=1,
                max_new_tokens=min(max_new_tokens, room),
            )
        return [int(token) for token in output[0, len(spread) :]]

    def _image_tokens(self, pixels: Any) -> int:
        """Tokens an image becomes; asked of the model once."""
        if not hasattr(self, "_tokens_an_image"):
            features = self._llava.model.get_image_features(pixel_values=pixels)
            first = getattr(features, "pooler_output", features)
            self._tokens_an_image = int(first[0].reshape(-1, first[0].shape[-1]).shape[0])
        return self._tokens_an_image
