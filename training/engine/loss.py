"""The loss on learnt tokens only, and logits made only for them."""

from __future__ import annotations

from typing import Any

import torch
from tokenizers import Tokenizer

from spacesgg_ros.cli.console import InputError
from spacesgg_ros.vlm.text_tokenizer import COORDINATE_FORMS, find_coordinates

COORDINATES = 1000
"""A coordinate in graph text is an integer from 0 to 999."""

_REACH = 4
"""Standard deviations to each side that a soft target covers."""


_TABLES = ("_place", "_ids", "_bumps", "_after_name", "_after_predicate", "_opening")

_LISTED_WEIGHT = 5.0
"""Of the chance, beside the cross entropy, that a number of a copy belongs to no listed box."""


class AnswerLogits:
    """Lets ``lm_head`` see the hidden states that predict a learnt token, and no others.

    A hook rather than a forward of its own, so that the model is called as its wrappers (DDP,
    FSDP, DeepSpeed, peft) expect it to be called.
    """

    def __init__(self, lm_head: torch.nn.Module) -> None:
        self._mask: torch.Tensor | None = None
        self._handle = lm_head.register_forward_pre_hook(self._select)

    def __call__(
        self, model: torch.nn.Module, inputs: dict[str, Any]
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Logits ``(n, vocabulary)``, and which of the ids after the first, ``(B, T - 1)``, they
        are to predict.

        Args:
            inputs: of the model, with ``labels`` ``(B, T)``; -100 is not learnt.
        """
        inputs = dict(inputs)
        learnt = inputs.pop("labels")[:, 1:] != -100
        self._mask = learnt
        logits = model(**inputs, use_cache=False).logits
        self._mask = None
        return logits, learnt

    def remove(self) -> None:
        """Give ``lm_head`` back as it was."""
        self._handle.remove()

    def _select(self, _: torch.nn.Module, arguments: tuple[torch.Tensor]) -> Any:
        if self._mask is None:
            return None
        return (arguments[0][:, :-1][self._mask],)


class TokenLoss:
    """Cross entropy, summed over tokens.

    With ``sigma`` above 0 a coordinate's target is a bump over its neighbours, because 412 is
    nearly right where 413 is. Not so after a predicate: the boxes there are copies that say
    which objects are meant, and only the exact numbers do. Which one is meant may be unclear, but
    it is one that was listed: to copy no listed box costs more than a wrong choice.
    Where two are likely, a small decoder otherwise writes a number between them.
    """

    def __init__(
        self, tokenizer: Tokenizer | None = None, sigma: float = 0.0, end: int = -1
    ) -> None:
        """Raises InputError if ``sigma`` is given and an integer is not one token.

        Args:
            end: the token that ends an answer.
        """
        self._sigma, self._end = sigma, end
        self._place = self._ids = self._bumps = torch.empty(0)
        if not sigma:
            return
        if tokenizer is None:
            raise ValueError("sigma needs the tokenizer")
        ids = torch.tensor(coordinate_ids(tokenizer))
        # index of the form times 1000 plus the value
        self._place = torch.full((tokenizer.get_vocab_size(),), -1)
        self._place[ids.flatten()] = torch.arange(ids.numel())
        vocabulary = tokenizer.get_vocab().items()
        self._after_name, self._after_predicate = (
            torch.tensor([n for token, n in vocabulary if token.startswith(tag)])
            for tag in ("</ref>", "</pred>")
        )
        self._opening = torch.tensor([n for token, n in vocabulary if token.endswith("[[")])
        reach = max(1, round(_REACH * sigma))
        near = torch.arange(COORDINATES)[:, None] + torch.arange(-reach, reach + 1)
        exists = (near >= 0) & (near < COORDINATES)
        distance = torch.arange(-reach, reach + 1).float()
        bumps = torch.exp(-(distance**2) / (2 * sigma**2)) * exists
        self._bumps = bumps / bumps.sum(1, keepdim=True)
        self._bumps = self._bumps.repeat(len(ids), 1)
        self._ids = ids[:, near.clamp(0, COORDINATES - 1)].flatten(0, 1)

    def __call__(
        self, logits: torch.Tensor, ids: torch.Tensor, learnt: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Sum over learnt tokens, a float32 scalar.

        Args:
            logits: ``(n, vocabulary)``, of the learnt tokens.
            ids: of any shape, conversations in their order; what is not learnt is read, too: an
                answer may copy a box from its beginning that was given.
            learnt: bool, shape of ``ids``, n of them true; all by default.
        """
        logits, ids = logits.float(), ids.flatten()
        learnt = torch.ones_like(ids, dtype=torch.bool) if learnt is None else learnt.flatten()
        targets = ids[learnt]
        if not self._sigma:
            return torch.nn.functional.cross_entropy(logits, targets, reduction="sum")
        if self._place.device != targets.device:
            for name in _TABLES:
                setattr(self, name, getattr(self, name).to(targets.device))
        is_copy = self._is_copy(ids)
        coordinate = self._place[targets]
        is_soft = (coordinate >= 0) & ~is_copy[learnt]
        exact, soft = (~is_soft).nonzero()[:, 0], is_soft.nonzero()[:, 0]
        # read by index: whole rows of logits would be copied otherwise
        log_p = torch.nn.functional.log_softmax(logits, dim=-1)
        said = log_p[exact, targets[exact]].sum()
        near = log_p[soft[:, None], self._ids[coordinate[soft]]]
        loss = -said - (near * self._bumps[coordinate[soft]]).sum()
        return loss + _LISTED_WEIGHT * self._miss(log_p, ids, learnt, is_copy)

    def _miss(
        self, log_p: torch.Tensor, ids: torch.Tensor, learnt: torch.Tensor, is_copy: torch.Tensor
    ) -> torch.Tensor:
        """How many numbers of copies, on average, go on as no box listed in the same answer.

        A chance and not its logarithm, which would drown all else while nothing is learnt yet.
        """
        coordinate = self._place[ids]
        opens = torch.isin(ids, self._opening)
        count = (coordinate >= 0).cumsum(0)
        slot = count - torch.where(opens, count, 0).cummax(0).values - 1
        place = ((coordinate >= 0) & (slot < 4)).nonzero()[:, 0]
        box = opens.cumsum(0)[place]
        at = torch.zeros(int(opens.sum()) + 1, 4, dtype=torch.long, device=ids.device)
        at[box, slot[place]] = place
        is_whole = torch.bincount(box, minlength=len(at)) == 4
        is_whole[0] = False  # numbers before the first box
        at = at[is_whole]
        ends = ids == self._end
        answer = ends.cumsum(0) - ends.long()
        names, copies = at[~is_copy[at[:, 0]]], at[is_copy[at[:, 0]]]
        copies = copies[learnt[copies].all(1)]
        listed = answer[copies[:, :1]] == answer[names[:, 0]]
        same = answer[names[:, :1]] == answer[names[:, 0]]
        chance = log_p[(learnt.cumsum(0) - 1)[copies]].exp()
        hit = log_p.new_zeros(())
        for k in range(4):
            # listed: boxes that go on from here as the copy might; those alike count once
            value = ids[names[:, k]]
            same = same & (value[:, None] == value)
            allowed = listed & ~same.tril(-1).any(1)
            hit = hit + (chance[:, k, value] * allowed).sum()
            own = ids[copies[:, k], None]
            listed = listed & (own == value)
            hit = hit + (chance[:, k].gather(1, own)[:, 0] * ~listed.any(1)).sum()
        return copies.numel() - hit

    def _is_copy(self, ids: torch.Tensor) -> torch.Tensor:
        """Which of ``(n,)`` tokens, in their order, stand after a predicate."""
        place = torch.arange(1, len(ids) + 1, device=ids.device)
        name, predicate = (
            torch.where(torch.isin(ids, tags), place, 0).cummax(0).values
            for tags in (self._after_name, self._after_predicate)
        )
        return predicate > name


def coordinate_ids(tokenizer: Tokenizer) -> list[list[int]]:
    """Token ids of 0 to 999, in each form that the tokenizer has one token for.

    Raises:
        InputError: one of them is not a single token.
    """
    ids = [find_coordinates(tokenizer, form) for form in COORDINATE_FORMS]
    if not ids[0]:
        pieces = tokenizer.encode("999", add_special_tokens=False).tokens
        raise InputError(
            f"coordinate_sigma needs a tokenizer that writes 0 to 999 as one token each; this one "
            f"writes 999 as {len(pieces)}: set coordinate_sigma to 0"
        )
    return [some for some in ids if some]
