"""The model as the rest of the package sees it: an image in, graph text or an answer out."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from spacesgg_ros.graph.repeats import merge_repeats
from spacesgg_ros.graph.text import parse_graph
from spacesgg_ros.graph.types import TextGraph, TextIssue, TextIssueKind
from spacesgg_ros.vlm import decoding, grammar, prompts
from spacesgg_ros.vlm.errors import ModelError
from spacesgg_ros.vlm.folder import ModelFolder, open_folder, read_prompt_ids
from spacesgg_ros.vlm.grammar import GraphLimits
from spacesgg_ros.vlm.preprocess import ImagePreprocessor
from spacesgg_ros.vlm.proposals import ground_graph
from spacesgg_ros.vlm.runtime import Runtime, RuntimeInfo

RUNTIMES = ("onnx", "torch")
PROVIDERS = ("cpu", "cuda", "tensorrt")
PRECISIONS = ("auto", "fp32", "fp16", "int8")


@dataclass(frozen=True)
class ModelGraph:
    """A graph the model wrote.

    Attributes:
        text: well-formed text; what a limit or a stop cut off at its end is not in it.
        graph: ``text``, parsed, with what the tower measured, if it does: boxes, relations and
            things that the text leaves out (:func:`.proposals.ground_graph`). What it names twice
            is in it once (:func:`merge_repeats`).
        token_ids: every token that was decoded, also one that ``text`` dropped; no end token.
        token_count: of ``token_ids``.
        finish_reason: "eos", "limit" or "stopped".
        stage_ms: milliseconds by stage: preprocess, vision, prefill, decode, total.
        steps: decoder runs; the other tokens were forced by the format.
    """

    text: str
    graph: TextGraph
    token_ids: tuple[int, ...]
    token_count: int
    finish_reason: str
    stage_ms: dict[str, float] = field(default_factory=dict)
    steps: int = 0


@dataclass(frozen=True)
class FreeText:
    """A graph text written without the grammar. ``complete``: it ended by itself."""

    text: str
    issues: tuple[TextIssue, ...]
    complete: bool

    @property
    def valid(self) -> bool:
        """Complete, and nothing departs from the format."""
        return self.complete and not self.issues

    @property
    def well_formed(self) -> bool:
        """The same, but a relation's box may differ from every object's."""
        return self.complete and all(i.kind is TextIssueKind.UNKNOWN_BOX for i in self.issues)


@dataclass(frozen=True)
class ModelAnswer:
    """An answer in words; fields as in ``ModelGraph``. ``text`` has no surrounding space."""

    text: str
    token_ids: tuple[int, ...]
    token_count: int
    finish_reason: str
    stage_ms: dict[str, float] = field(default_factory=dict)


class SceneGraphModel:
    """A loaded LLaVA. Not thread-safe: one worker owns it."""

    def __init__(self, folder: ModelFolder, runtime: Runtime) -> None:
        """Put a folder and a runtime together; ``load`` is the usual way.

        Raises:
            ModelError: tokenizer, preprocessor or embeddings do not fit.
        """
        self.model_id = folder.model_id
        self.folder = folder
        self._runtime = runtime
        self._preprocessor = ImagePreprocessor.from_folder(folder.path)
        self._tokenizer = folder.load_tokenizer()
        self._embeddings = folder.read_token_embeddings()
        self._eos_ids = folder.eos_token_ids
        self._grammar_tokenizer = grammar.GrammarTokenizer(
            self._tokenizer, self._eos_ids, self._embeddings.matrix.shape[0]
        )

    @classmethod
    def load(
        cls,
        model: str | Path,
        *,
        runtime: str = "onnx",
        provider: str = "cpu",
        precision: str = "auto",
        threads: int = 0,
        adapter: str = "",
        download: bool = False,
    ) -> SceneGraphModel:
        """Load "embedded", a folder, or a hub id from the local cache.

        Args:
            runtime: "onnx" (needs ``spacesgg export`` once) or "torch" (needs the extra).
            provider: "cpu", "cuda" or "tensorrt".
            precision: "fp32", "fp16", "int8"; "auto" takes the fastest that fits: int8 on the
                CPU and fp16 on a GPU where exported, else fp32; torch: fp32, on CUDA fp16.
            threads: CPU threads; 0 = physical cores.
            adapter: a peft adapter (folder, or hub id in the local cache) for runtime "torch".
            download: fetch a hub id that is not in the cache. Else the network is not used.

        Raises:
            ModelError: with what was seen, what was expected and what to do.
        """
        for name, value, known in (
            ("runtime", runtime, RUNTIMES),
            ("provider", provider, PROVIDERS),
            ("precision", precision, PRECISIONS),
        ):
            if value not in known:
                raise ModelError(f"unknown {name} {value!r}; expected one of {', '.join(known)}")
        folder = open_folder(model, download=download)
        if adapter and runtime != "torch":
            raise ModelError(
                f"runtime '{runtime}' runs exported weights, and adapter {adapter} is not in them; "
                f"fold it in and export: spacesgg merge {adapter} --out FOLDER && "
                "spacesgg export FOLDER, then use model FOLDER; or choose runtime 'torch'"
            )
        executor: Runtime
        if runtime == "torch":
            from spacesgg_ros.vlm.torch_runtime import TorchRuntime

            executor = TorchRuntime(folder, provider, precision, threads, adapter)
            if adapter:
                name = Path(adapter).name
                folder = replace(folder, model_id=f"{folder.model_id}+{name}")
        else:
            from spacesgg_ros.vlm.onnx_runtime import OnnxRuntime

            executor = OnnxRuntime(folder, provider, precision, threads)
        return cls(folder, executor)

    @property
    def runtime_info(self) -> RuntimeInfo:
        """What really executes the model."""
        return self._runtime.info

    @property
    def graph_prompt(self) -> str:
        """The prompt ``write_graph`` uses: ``config.json``'s "spacesgg_prompt" or the default."""
        default = (
            prompts.SCENE_GRAPH_PROMPT
            if self.folder.is_canonical
            else prompts.TAGGED_SCENE_GRAPH_PROMPT
        )
        return str(self.folder.config.get("spacesgg_prompt", default))

    def write_graph(
        self,
        rgb: np.ndarray,
        *,
        limits: GraphLimits | None = None,
        should_stop: Callable[[], bool] | None = None,
    ) -> ModelGraph:
        """The scene graph of ``rgb`` (``(H, W, 3)`` uint8).

        Args:
            should_stop: asked after every decoder step; True ends the text there.

        Raises:
            ValueError: ``rgb`` is no such image.
            ModelError: the runtime failed.
        """
        limits = limits or GraphLimits()

        constraint: grammar.GrammarConstraint
        if self.folder.is_canonical:
            constraint = grammar.CanonicalConstraint(self._grammar_tokenizer, limits)
        else:
            constraint = grammar.GrammarConstraint(
                self._grammar_tokenizer, grammar.write_tagged_grammar(limits)
            )
        decoded, features, stages = self._decode(
            rgb, self.graph_prompt, limits.max_tokens, constraint, should_stop
        )
        text = constraint.complete_text.strip()
        graph = ground_graph(parse_graph(text), features, self.folder.vision_config, limits)
        return ModelGraph(
            text,
            merge_repeats(graph),
            decoded.token_ids,
            len(decoded.token_ids),
            decoded.finish_reason,
            stages,
            decoded.steps,
        )

    def write_freely(self, rgb: np.ndarray) -> FreeText:
        """What plain greedy decoding makes of the graph prompt, as long as a usual graph."""
        tokens = self.generate_unconstrained(rgb, self.graph_prompt, GraphLimits().max_tokens)
        complete = bool(tokens) and tokens[-1] in self._eos_ids
        text = self._tokenizer.decode(list(tokens), skip_special_tokens=True).strip()
        return FreeText(text, parse_graph(text).issues, complete)

    def answer(
        self,
        rgb: np.ndarray,
        prompt: str,
        *,
        max_new_tokens: int = 128,
        choices: Sequence[str] | None = None,
        should_stop: Callable[[], bool] | None = None,
    ) -> ModelAnswer:
        """The answer to ``prompt`` about ``rgb``; with ``choices`` exactly one of them.

        A choice that a limit or a stop cut off comes back as an empty text.

        Raises:
            ValueError: ``rgb`` is no ``(H, W, 3)`` uint8 image, or a choice is empty.
            ModelError: the runtime failed.
        """
        constraint = None
        if choices is not None:
            constraint = grammar.GrammarConstraint(
                self._grammar_tokenizer, grammar.write_choice_grammar(choices)
            )
        decoded, _, stages = self._decode(rgb, prompt, max_new_tokens, constraint, should_stop)
        if constraint is not None:
            text = constraint.complete_text
        else:
            text = self._tokenizer.decode(decoded.token_ids, skip_special_tokens=True)
        return ModelAnswer(
            text.strip(), decoded.token_ids, len(decoded.token_ids), decoded.finish_reason, stages
        )

    def generate_unconstrained(
        self, rgb: np.ndarray, prompt: str, max_new_tokens: int
    ) -> tuple[int, ...]:
        """Plain greedy tokens, the end token included, as transformers' ``generate`` gives."""
        decoded, _, _ = self._decode(rgb, prompt, max_new_tokens, None, None)
        return decoded.token_ids

    def preprocess(self, rgb: np.ndarray) -> np.ndarray:
        """``(1, 3, height, width)`` float32 as the vision tower gets it."""
        return self._preprocessor(rgb)

    def _decode(
        self,
        rgb: np.ndarray,
        prompt: str,
        max_tokens: int,
        constraint: grammar.GrammarConstraint | None,
        should_stop: Callable[[], bool] | None,
    ) -> tuple[decoding.Decoded, np.ndarray, dict[str, float]]:
        """Also returns what the tower made of the image, ``(tokens, channels)``."""
        clock = _StageClock()
        pixels = self._preprocessor(rgb)
        clock.note("preprocess")
        image = self._runtime.encode_image(pixels)
        clock.note("vision")
        inputs = self._embed_prompt(prompt, image.tokens)
        room = self.folder.max_length - len(inputs)
        if room < 1:
            raise ModelError(
                f"prompt and image take {len(inputs)} tokens, the model reads "
                f"{self.folder.max_length}; shorten the prompt"
            )
        max_tokens = min(max_tokens, room)
        logits = self._runtime.prefill(inputs, reserve=max_tokens)
        clock.note("prefill")
        if constraint is None:
            decoded = decoding.decode_freely(
                self._runtime, self._embeddings, logits, self._eos_ids, max_tokens, should_stop
            )
        else:
            decoded = decoding.decode_constrained(
                self._runtime, self._embeddings, logits, constraint, max_tokens, should_stop
            )
        clock.note("decode")
        return decoded, image.features, clock.finish()

    def _embed_prompt(self, prompt: str, image: np.ndarray) -> np.ndarray:
        """``(S, hidden)``: the prompt's embeddings with the image's tokens in their place."""
        ids = read_prompt_ids(self.folder, self._tokenizer, prompt)
        at = ids.index(self.folder.image_token_id)
        before, after = self._embeddings.embed(ids[:at]), self._embeddings.embed(ids[at + 1 :])
        return np.concatenate([before, image, after]).astype(np.float32)


class _StageClock:
    def __init__(self) -> None:
        self._start = self._last = time.perf_counter()
        self._stages: dict[str, float] = {}

    def note(self, stage: str) -> None:
        now = time.perf_counter()
        self._stages[stage] = (now - self._last) * 1e3
        self._last = now

    def finish(self) -> dict[str, float]:
        self._stages["total"] = (self._last - self._start) * 1e3
        return self._stages
