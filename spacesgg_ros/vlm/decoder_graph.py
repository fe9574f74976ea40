"""A Llama-family decoder as an ONNX graph, written node by node.

Inputs: ``inputs_embeds`` (1, S, hidden) float32; ``seqlens_k`` (1,) int32, positions in the cache
after this run minus one; ``total_sequence_length`` () int32, the same plus one;
``logit_positions`` (K,) int64, where in ``inputs_embeds`` logits are wanted;
``past_key_values.{layer}.{key,value}`` (1, kv heads, capacity, head size).
Outputs: ``logits`` (1, K, vocabulary) float32 and ``present.{layer}.{key,value}``.

Attention is ONNX Runtime's ``GroupQueryAttention`` with rotary embedding inside: when past and
present are bound to the same buffer, the new keys are written in place, so a step does not
copy the cache and going back costs nothing. It is an operator of ONNX Runtime, not of
TensorRT, which leaves the decoder to CUDA.

Weights are taken from transformers' module, so whatever it computes for rotary frequencies
(plain, linear, llama3) is what the graph uses.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from spacesgg_ros.vlm.errors import ModelError

SUPPORTED_TEXT_MODELS = ("llama", "mistral", "qwen2")
_CONTRIB = "com.microsoft"
_OPSET = 20


@dataclass(frozen=True)
class DecoderSpec:
    """What shapes a decoder graph, read from a ``text_config``.

    ``attention_factor`` scales cos and sin (1 but for some long-context rotary types).
    """

    hidden_size: int
    layers: int
    heads: int
    kv_heads: int
    head_size: int
    vocabulary: int
    norm_epsilon: float
    max_length: int
    attention_factor: float = 1.0

    @classmethod
    def from_config(cls, config: Any) -> DecoderSpec:
        """Check that ``config`` (transformers' text config) is of the supported family.

        Raises:
            ModelError: it is not; the message says which part.
        """
        if config.model_type not in SUPPORTED_TEXT_MODELS:
            raise ModelError(
                f"text model {config.model_type!r} cannot be exported, expected one of "
                f"{', '.join(SUPPORTED_TEXT_MODELS)}; use runtime 'torch'"
            )
        if config.hidden_act != "silu":
            raise ModelError(
                f"hidden_act {config.hidden_act!r} cannot be exported, expected 'silu'; "
                "use runtime 'torch'"
            )
        max_length = int(config.max_position_embeddings)
        window = getattr(config, "sliding_window", None)
        if getattr(config, "use_sliding_window", config.model_type == "mistral") and window:
            # Inside the window sliding attention is full attention.
            max_length = min(max_length, int(window))
        head_size = getattr(config, "head_dim", None) or (
            config.hidden_size // config.num_attention_heads
        )
        if head_size % 8:
            raise ModelError(
                f"head size {head_size} cannot be exported, expected a multiple of 8; "
                "use runtime 'torch'"
            )
        return cls(
            hidden_size=config.hidden_size,
            layers=config.num_hidden_layers,
            heads=config.num_attention_heads,
            kv_heads=config.num_key_value_heads,
            head_size=head_size,
            vocabulary=config.vocab_size,
            norm_epsilon=config.rms_norm_eps,
            max_length=max_length,
        )


def build_decoder(
    spec: DecoderSpec,
    weights: Mapping[str, np.ndarray],
    inverse_frequencies: np.ndarray,
    *,
    half: bool = False,
) -> onnx.ModelProto:
    """The graph described above.

    Args:
        weights: fp32 arrays by transformers' names relative to the language model
            ("layers.0.self_attn.q_proj.weight", "norm.weight", ...) and "lm_head.weight".
        inverse_frequencies: ``(head_size / 2,)`` of the rotary embedding.
        half: fp16 weights, arithmetic and cache; embeddings in and logits out stay fp32.
    """
    return _Builder(spec, weights, half).build(inverse_frequencies)


class _Builder:
    def __init__(self, spec: DecoderSpec, weights: Mapping[str, np.ndarray], half: bool) -> None:
        self.spec = spec
        self.weights = weights
        self.half = half
        self.dtype = np.float16 if half else np.float32
        self.nodes: list[onnx.NodeProto] = []
        self.initializers: list[onnx.TensorProto] = []

    def build(self, inverse_frequencies: np.ndarray) -> onnx.ModelProto:
        spec = self.spec
        angles = np.outer(np.arange(spec.max_length), inverse_frequencies.astype(np.float64))
        self._constant("cos_cache", np.cos(angles) * spec.attention_factor)
        self._constant("sin_cache", np.sin(angles) * spec.attention_factor)
        stream = "inputs_embeds"
        if self.half:
            stream = self._node("Cast", [stream], "embeds_half", to=TensorProto.FLOAT16)
        normed = self._node(
            "SimplifiedLayerNormalization",
            [stream, self._gain("layers.0.input_layernorm.weight")],
            "layers.0.normed",
            axis=-1,
            epsilon=spec.norm_epsilon,
            stash_type=1,
        )
        for layer in range(spec.layers):
            stream, normed = self._add_layer(layer, stream, normed)
        wanted = self._node("Gather", [normed, "logit_positions"], "wanted", axis=1)
        logits = self._linear(wanted, ["lm_head"], "logits_half" if self.half else "logits")
        if self.half:
            self._node("Cast", [logits], "logits", to=TensorProto.FLOAT)
        return self._finish()

    def _add_layer(self, layer: int, stream: str, normed: str) -> tuple[str, str]:
        """Attention and feed-forward; returns the stream and its norm for what follows."""
        spec, name = self.spec, f"layers.{layer}"
        attention = f"{name}.self_attn"
        qkv = self._linear(normed, [f"{attention}.{part}_proj" for part in "qkv"], f"{name}.qkv")
        past, present = f"past_key_values.{layer}", f"present.{layer}"
        self.nodes.append(
            helper.make_node(
                "GroupQueryAttention",
                [qkv, "", "", f"{past}.key", f"{past}.value", "seqlens_k",
                 "total_sequence_length", "cos_cache", "sin_cache"],
                [f"{name}.attended", f"{present}.key", f"{present}.value"],
                name=f"{name}.attention",
                domain=_CONTRIB,
                num_heads=spec.heads,
                kv_num_heads=spec.kv_heads,
                do_rotary=1,
                rotary_interleaved=0,
                scale=spec.head_size**-0.5,
            )
        )  # fmt: skip
        out = self._linear(f"{name}.attended", [f"{attention}.o_proj"], f"{name}.attention_out")
        stream, normed = self._add_and_norm(
            stream, out, f"{name}.post_attention_layernorm.weight", f"{name}.middle"
        )
        gate = self._linear(normed, [f"{name}.mlp.gate_proj"], f"{name}.gate")
        up = self._linear(normed, [f"{name}.mlp.up_proj"], f"{name}.up")
        sigmoid = self._node("Sigmoid", [gate], f"{name}.sigmoid")
        silu = self._node("Mul", [gate, sigmoid], f"{name}.silu")
        gated = self._node("Mul", [silu, up], f"{name}.gated")
        down = self._linear(gated, [f"{name}.mlp.down_proj"], f"{name}.down")
        last = layer == spec.layers - 1
        gain = "norm.weight" if last else f"layers.{layer + 1}.input_layernorm.weight"
        return self._add_and_norm(stream, down, gain, f"{name}.end")

    def _add_and_norm(self, stream: str, addend: str, gain: str, name: str) -> tuple[str, str]:
        normed, total = f"{name}.normed", f"{name}.sum"
        self.nodes.append(
            helper.make_node(
                "SkipSimplifiedLayerNormalization",
                [stream, addend, self._gain(gain)],
                [normed, "", "", total],
                name=name,
                domain=_CONTRIB,
                epsilon=self.spec.norm_epsilon,
            )
        )
        return total, normed

    def _linear(self, inputs: str, modules: list[str], output: str) -> str:
        """One MatMul for the concatenated ``modules``, plus their biases where they have any."""
        matrix = np.concatenate([self.weights[f"{module}.weight"] for module in modules])
        self._constant(f"{output}.weight", np.ascontiguousarray(matrix.T))
        if f"{modules[0]}.bias" not in self.weights:
            return self._node("MatMul", [inputs, f"{output}.weight"], output)
        bias = np.concatenate([self.weights[f"{module}.bias"] for module in modules])
        self._constant(f"{output}.bias", bias)
        product = self._node("MatMul", [inputs, f"{output}.weight"], f"{output}.product")
        return self._node("Add", [product, f"{output}.bias"], output)

    def _node(self, op: str, inputs: list[str], output: str, **attributes: Any) -> str:
        self.nodes.append(helper.make_node(op, inputs, [output], name=output, **attributes))
        return output

    def _gain(self, name: str) -> str:
        self._constant(name, self.weights[name])
        return name

    def _constant(self, name: str, value: np.ndarray) -> None:
        self.initializers.append(numpy_helper.from_array(value.astype(self.dtype), name))

    def _finish(self) -> onnx.ModelProto:
        spec = self.spec
        cache_type = TensorProto.FLOAT16 if self.half else TensorProto.FLOAT
        cache = [f"{layer}.{part}" for layer in range(spec.layers) for part in ("key", "value")]
        make = helper.make_tensor_value_info
        inputs = [
            make("inputs_embeds", TensorProto.FLOAT, [1, "tokens", spec.hidden_size]),
            make("seqlens_k", TensorProto.INT32, [1]),
            make("total_sequence_length", TensorProto.INT32, []),
            make("logit_positions", TensorProto.INT64, ["wanted"]),
        ]
        outputs = [make("logits", TensorProto.FLOAT, [1, "wanted", spec.vocabulary])]
        for part in cache:
            shape: list[str | int | None] = [1, spec.kv_heads, "capacity", spec.head_size]
            inputs.append(make(f"past_key_values.{part}", cache_type, shape))
            outputs.append(make(f"present.{part}", cache_type, shape))
        graph = helper.make_graph(
            self.nodes, "decoder", inputs, outputs, initializer=self.initializers
        )
        opsets = [helper.make_opsetid("", _OPSET), helper.make_opsetid(_CONTRIB, 1)]
        return helper.make_model(
            graph, opset_imports=opsets, ir_version=9, producer_name="spacesgg_ros"
        )
