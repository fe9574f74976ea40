"""decode-exact: our ONNX decoder against transformers' greedy generate, token for token."""

from __future__ import annotations

from spacesgg_ros.bench.held_out import SHARD, read_held_out
from spacesgg_ros.bench.reference_llava import ReferenceLlava, load_embedded
from spacesgg_ros.bench.result import BenchError, BenchResult
from spacesgg_ros.extras import require
from spacesgg_ros.vlm import SceneGraphModel
from spacesgg_ros.vlm.errors import ModelError

_LEAST_IMAGES = 20
_MOST_TOKENS = 512


def run(quick: bool = False) -> BenchResult:
    """fp32 must be exact on 20 images; of int8 agreement and accuracy are reported."""
    reference = ReferenceLlava()
    fp32 = load_embedded("fp32")
    int8 = _load_or_none("int8")
    exact = total = same_int8 = tokens = 0
    first_difference = ""
    for frame in read_held_out(3 if quick else None):
        prompt = fp32.graph_prompt
        expected = reference.generate(fp32, frame.rgb, prompt, _MOST_TOKENS)
        got = list(fp32.generate_unconstrained(frame.rgb, prompt, _MOST_TOKENS))
        total += 1
        tokens += len(expected)
        exact += got == expected
        if got != expected and not first_difference:
            first_difference = f"{frame.key} at token {common_prefix(got, expected)}"
        if int8 is not None:
            written = list(int8.generate_unconstrained(frame.rgb, prompt, _MOST_TOKENS))
            same_int8 += common_prefix(written, expected)
    measured = {
        "images": total,
        "identical": exact,
        "tokens": tokens,
        "first_difference": first_difference,
        "fp32_graphs": _score(fp32, quick),
    }
    if int8 is not None:
        measured["int8_tokens_until_first_difference"] = same_int8
        measured["int8_graphs"] = _score(int8, quick)
    return BenchResult(
        name="decode-exact",
        measured=measured,
        baseline={"runtime": "transformers generate, greedy, fp32", "tokens": tokens},
        ratio=exact / total if total else None,
        bar=f"fp32 identical on all of >= {_LEAST_IMAGES} held-out images",
        passed=exact == total and total >= _LEAST_IMAGES,
        quick=quick,
    )


def common_prefix(a: list[int], b: list[int]) -> int:
    """How many tokens two texts share from the start."""
    return next(
        (i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b))
    )


def _load_or_none(precision: str) -> SceneGraphModel | None:
    try:
        return load_embedded(precision)
    except BenchError:
        return None


def _score(model: SceneGraphModel, quick: bool) -> dict[str, float]:
    """Recall of the constrained graphs on the same images."""
    frames = require("spacesgg_ros.training.evaluate.frames", "train")
    graphs = require("spacesgg_ros.training.evaluate.graphs", "train")
    scores = require("spacesgg_ros.training.evaluate.scores", "train")
    try:
        written = [
            graphs.evaluate_graph(model, frame)
            for frame in frames.read_frames([SHARD], 3 if quick else None)
        ]
    except ModelError as error:
        raise BenchError(f"the model failed on a held-out image: {error}") from error
    summary = scores.summarise(written)
    return {
        "object_recall": summary["objects"]["recall"]["value"],
        "object_precision": summary["objects"]["precision"]["value"],
        "triplet_recall_text": summary["triplets"]["text"]["recall"]["value"],
        "triplet_recall_text_and_depth": summary["triplets"]["text_and_depth"]["recall"]["value"],
        "tokens_per_image": summary["tokens_a_frame"],
    }
