"""Text by a language model behind an OpenAI-compatible endpoint."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Sequence
from dataclasses import dataclass

from .endpoint import EndpointConfig
from .generator import Failure, GenerationFailed, WritingRequest, WritingResult
from .openai_client import Chat, ChatClient
from .parse_answer import parse_answer
from .system_prompts import write_facts, write_system
from .template import ask_description


@dataclass(frozen=True)
class OpenAIGenerator:
    """Lets a model say the facts in its own words; unusable answers are failures.

    Answers are cached as they came, so that a second run parses them again and asks nothing.
    """

    endpoint: EndpointConfig

    def write(self, requests: Sequence[WritingRequest]) -> list[WritingResult]:
        """One result for each request, in order."""
        chats = {k: chat for k, r in enumerate(requests) if (chat := _make_chat(r)) is not None}
        with ChatClient(self.endpoint) as client:
            answers = dict(zip(chats, client.ask_all(list(chats.values())), strict=True))
        return [self._read(request, answers.get(k)) for k, request in enumerate(requests)]

    def _read(
        self, request: WritingRequest, answer: str | GenerationFailed | None
    ) -> WritingResult:
        if answer is None:
            told = f"{request.facts.id} has no fact for it"
            return WritingResult(failure=GenerationFailed(Failure.NOTHING_TO_SAY, told))
        if isinstance(answer, GenerationFailed):
            return WritingResult(failure=answer)
        prompt = ask_description(random.Random(f"{request.seed}/{request.id}"))
        try:
            exchanges = parse_answer(answer, request.format, prompt)
        except GenerationFailed as failed:
            return WritingResult(failure=failed)
        provenance = {"generator": "openai", "model": self.endpoint.model}
        return WritingResult(exchanges, provenance=provenance)


def _make_chat(request: WritingRequest) -> Chat | None:
    user = write_facts(request)
    if not user:
        return None
    digest = hashlib.sha256(f"{request.seed}/{request.id}".encode()).digest()
    # 31 bits: what every server takes as a seed.
    seed = int.from_bytes(digest[:4], "big") >> 1
    return Chat(write_system(request), user, seed)
