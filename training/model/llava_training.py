"""Train projector and decoder on the tower's tokens, in two stages.

Stage 1 (align): images to object lists. Stage 2 (tune): images to whole scene graphs, mixed
with the three VSD tasks (classify, describe, open-ended). The
tower is frozen, so its tokens are cached. Only the answer's tokens carry loss; a coordinate's
target is a narrow bump over its neighbours, because 412 is nearly right where 413 is.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from tokenizers import Tokenizer
from torch.nn import functional
from transformers import LlavaForConditionalGeneration

from spacesgg_ros.graph.text import write_graph
from spacesgg_ros.graph.types import TextGraph
from spacesgg_ros.training.data.targets import mirror_record, spatial_questions, target_graph
from spacesgg_ros.vlm import prompts
from spacesgg_ros.vlm.tower import SpaceSGGTower

from .tower_data import FeatureSet
from .tower_training import run_head

COORDINATES = 1000
COORDINATE_SIGMA = 4.0
QUESTIONS_PER_FRAME = 6


@dataclass(frozen=True)
class LlavaRecipe:
    """Hyper-parameters of both stages."""

    align_minutes: float = 11
    tune_minutes: float = 18
    batch_size: int = 32
    learning_rate: float = 1.5e-3
    weight_decay: float = 0.05
    warmup_steps: int = 150
    question_share: float = 0.2
    """Of the steps of stage 2: VSD questions instead of graphs."""
    seed: int = 0


@torch.inference_mode()
def cache_tokens(tower: SpaceSGGTower, features: FeatureSet, path: Path) -> np.ndarray:
    """``(frames, 2, tokens, hidden)`` float16: plain and mirrored, memory-mapped at ``path``."""
    tower.eval()
    shape = (len(features.records), 2, tower.config.num_tokens, tower.config.hidden_size)
    out = np.lib.format.open_memmap(path, "w+", np.float16, shape)
    for start in range(0, shape[0], 25):
        indices = np.arange(start, min(start + 25, shape[0]))
        c3, c4 = features.maps(indices)
        for side, (a, b) in enumerate(((c3, c4), (c3.flip(-1), c4.flip(-1)))):
            out[indices, side] = tower.tokens(run_head(tower, a, b)).numpy()
    out.flush()
    return out


class Example(NamedTuple):
    """What follows the image in one training text.

    Attributes:
        frame: index of the image. mirrored: 1 if the image is seen in a mirror, else 0.
        ids: token ids of the rest of the prompt and the answer.
        learn_from: where in ``ids`` the answer starts; only from there on is loss.
    """

    frame: int
    mirrored: int
    ids: list[int]
    learn_from: int


@dataclass
class TextSet:
    """Examples of every task, plain and mirrored; ``before``: ids in front of the image."""

    before: list[int]
    objects: list[Example]
    graphs: list[Example]
    questions: list[Example]

    @staticmethod
    def build(records: list[dict], tokenizer: Tokenizer) -> TextSet:
        """Encode what the decoder should answer about ``records``."""
        image, eos = tokenizer.token_to_id(prompts.IMAGE_TOKEN), tokenizer.token_to_id("</s>")
        texts = TextSet([], [], [], [])

        def example(frame: int, mirrored: int, prompt: str, answer: str) -> Example:
            asked = tokenizer.encode(prompts.render_vicuna(prompt)).ids
            at = asked.index(image)
            texts.before = asked[:at]
            answered = tokenizer.encode(answer, add_special_tokens=False).ids
            return Example(frame, mirrored, [*asked[at + 1 :], *answered, eos], len(asked) - at - 1)

        for frame, plain in enumerate(records):
            for mirrored, record in enumerate((plain, mirror_record(plain))):
                graph = target_graph(record)
                for task, text in (
                    (texts.objects, write_graph(TextGraph(graph.objects))),
                    (texts.graphs, write_graph(graph)),
                ):
                    task.append(example(frame, mirrored, prompts.SCENE_GRAPH_PROMPT, text))
                asked = spatial_questions(record)
                picked = np.random.default_rng(frame).permutation(len(asked))
                for k in picked[:QUESTIONS_PER_FRAME]:
                    texts.questions.append(example(frame, mirrored, *asked[k]))
        return texts


class CoordinateLoss:
    """Cross entropy whose target for a coordinate is a Gaussian over the coordinate tokens."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        ids = [tokenizer.token_to_id(str(n)) for n in range(COORDINATES)]
        self.ids = torch.tensor(ids)
        self.value = torch.full((tokenizer.get_vocab_size(),), -1)
        self.value[self.ids] = torch.arange(COORDINATES)
        n = torch.arange(COORDINATES, dtype=torch.float32)
        bumps = torch.exp(-((n[:, None] - n[None]) ** 2) / (2 * COORDINATE_SIGMA**2))
        self.bumps = bumps / bumps.sum(1, keepdim=True)

    def __call__(self, logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """Mean loss of ``logits`` (n, vocab) against token ids (n,)."""
        log_p = logits.log_softmax(-1)
        value = self.value[targets]
        exact = functional.nll_loss(log_p, targets, reduction="none")
        coordinates = value >= 0
        soft = -(log_p[coordinates][:, self.ids] * self.bumps[value[coordinates]]).sum(-1)
        return (exact[~coordinates].sum() + soft.sum()) / len(targets)


def smooth_coordinate_embeddings(embedding: torch.nn.Embedding, tokenizer: Tokenizer) -> None:
    """Start coordinate tokens as a random projection of Fourier features of their value."""
    value = torch.arange(COORDINATES)[:, None] / (COORDINATES - 1)
    phase = value * math.pi * 2.0 ** torch.arange(7)
    features = torch.cat([phase.sin(), phase.cos()], dim=1)
    projection = torch.randn(features.shape[1], embedding.embedding_dim)
    ids = torch.tensor([tokenizer.token_to_id(str(n)) for n in range(COORDINATES)])
    with torch.no_grad():
        std = embedding.weight.std()
        smooth = features @ projection
        embedding.weight[ids] = smooth / smooth.std() * std


def train_llava(
    model: LlavaForConditionalGeneration,
    tokenizer: Tokenizer,
    tokens: np.ndarray,
    texts: TextSet,
    recipe: LlavaRecipe,
    log: Callable[[dict], None],
    save: Callable[[], None],
) -> None:
    """Both stages, in place; calls ``save`` every few minutes and at the end."""
    torch.manual_seed(recipe.seed)
    rng = np.random.default_rng(recipe.seed)
    loss_of = CoordinateLoss(tokenizer)
    trained = [*model.model.multi_modal_projector.parameters()]
    trained += [*model.model.language_model.parameters()]
    optimiser = torch.optim.AdamW(
        trained, lr=recipe.learning_rate, betas=(0.9, 0.95), weight_decay=recipe.weight_decay
    )
    model.train()
    total = 60 * (recipe.align_minutes + recipe.tune_minutes)
    start = saved = time.monotonic()
    losses: list[float] = []
    samples = step = 0
    questions = bucketed_batches(texts.questions, recipe.batch_size, rng)
    for stage, examples, until in (
        ("align", texts.objects, 60 * recipe.align_minutes),
        ("tune", texts.graphs, total),
    ):
        batches = bucketed_batches(examples, recipe.batch_size, rng)
        while (elapsed := time.monotonic() - start) < until:
            step += 1
            rate = min(1, step / recipe.warmup_steps)
            rate *= 0.03 + 0.97 * 0.5 * (1 + math.cos(math.pi * min(1, elapsed / total)))
            for group in optimiser.param_groups:
                group["lr"] = recipe.learning_rate * rate
            asked = stage == "tune" and rng.random() < recipe.question_share
            batch = next(questions if asked else batches)
            loss = batch_loss(model, texts.before, tokens, batch, loss_of)
            optimiser.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(trained, 1.0)
            optimiser.step()
            samples += len(batch)
            if not asked:
                losses.append(loss.item())
            if step % 50 == 0:
                log(
                    {
                        "stage": stage,
                        "step": step,
                        "samples": samples,
                        "minutes": round(elapsed / 60, 2),
                        "loss": round(float(np.mean(losses[-40:])), 4),
                    }
                )
            if time.monotonic() - saved > 300:
                save()
                saved = time.monotonic()
    model.eval()
    save()


def bucketed_batches(
    examples: list[Example], size: int, rng: np.random.Generator
) -> Iterator[list[Example]]:
    """Batches of similar length, every example once an epoch, for ever."""
    pool = size * 16
    while True:
        order = rng.permutation(len(examples))
        for start in range(0, len(order), pool):
            chunk = sorted(
                (examples[i] for i in order[start : start + pool]), key=lambda e: len(e.ids)
            )
            batches = [chunk[k : k + size] for k in range(0, len(chunk), size)]
            for k in rng.permutation(len(batches)):
                yield batches[k]


def batch_loss(
    model: LlavaForConditionalGeneration,
    before: list[int],
    tokens: np.ndarray,
    batch: list[Example],
    loss_of: CoordinateLoss,
) -> torch.Tensor:
    """Loss of a batch; logits are made only where an answer's token is predicted."""
    embed = model.get_input_embeddings()
    images = torch.from_numpy(np.stack([tokens[e.frame, e.mirrored] for e in batch])).float()
    images = model.model.multi_modal_projector(images)
    length = max(len(e.ids) for e in batch)
    ids = torch.zeros(len(batch), length, dtype=torch.long)
    learnt = torch.zeros(len(batch), length, dtype=torch.bool)
    for row, e in enumerate(batch):
        ids[row, : len(e.ids)] = torch.tensor(e.ids)
        learnt[row, e.learn_from : len(e.ids)] = True
    start = embed(torch.tensor(before)).expand(len(batch), -1, -1)
    sequence = torch.cat([start, images, embed(ids[:, :-1])], dim=1)
    hidden = model.model.language_model(inputs_embeds=sequence, use_cache=False).last_hidden_state
    hidden = hidden[:, -length:]  # position k predicts ids[:, k]
    return loss_of(model.lm_head(hidden[learnt]), ids[learnt])
