"""A language model as a rewriter: one sentence a chat, through any OpenAI-compatible endpoint."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from ..writing.endpoint import EndpointConfig
from ..writing.generator import STOPPING, GenerationFailed

SYSTEM = (
    "You put one sentence about a picture into other words. It says where one thing is in "
    "relation to another. Keep the names of both things and keep which of them is where; you may "
    "tell it from the other thing's side. Add nothing: no third thing, no number, no colour, no "
    "guess. Answer with that one sentence and nothing else."
)
MAX_TOKENS = 64
"""Of one sentence; a longer answer is not one."""


@dataclass(frozen=True)
class ModelRewriter:
    """Asks a language model; a :class:`~.refinement.Rewriter`, picklable.

    Attributes:
        endpoint: how it is asked; its cache lets a stopped run go on without asking again.
        seed: another seed, other answers where the server samples.
    """

    endpoint: EndpointConfig
    seed: int = 0

    @property
    def name(self) -> str:
        """The model's."""
        return self.endpoint.model

    def rewrite(self, sentences: list[str]) -> list[str | GenerationFailed]:
        """One answer or failure for each sentence, in order.

        Raises:
            GenerationFailed: no further request can succeed (server gone, budget spent).
        """
        from ..writing.openai_client import Chat, ChatClient

        chats = [Chat(SYSTEM, sentence, self._seed_of(sentence)) for sentence in sentences]
        with ChatClient(self.endpoint) as client:
            answers = client.ask_all(chats)
        for answer in answers:
            if isinstance(answer, GenerationFailed) and answer.reason in STOPPING:
                raise answer
        return answers

    def _seed_of(self, sentence: str) -> int:
        """The same sentence, the same request, wherever it stands."""
        digest = hashlib.sha256(f"{self.seed}/{sentence}".encode()).digest()
        return int.from_bytes(digest[:4], "big") & 0x7FFFFFFF
