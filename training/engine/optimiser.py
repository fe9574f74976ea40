"""Optimisers: AdamW, and Muon for the matrices of small decoders."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch.optim.adamw import adamw

from .recipe import LearningRates, Optimiser

# Keller Jordan's quintic Newton-Schulz iteration, https://kellerjordan.github.io/posts/muon/
_QUINTIC = (3.4445, -4.7750, 2.0315)
_ITERATIONS = 5
_MUON_MOMENTUM = 0.95
_ADAM_RMS = 0.2
"""An update of this root mean square a weight is about AdamW's (arXiv 2502.16982), so that both
take the same learning rates and weight decay."""


def part_of(parameter_name: str) -> str:
    """Which part of a LLaVA, wrapped by anything, a parameter belongs to."""
    for part, module in (("vision_tower", "vision_tower"), ("projector", "multi_modal_projector")):
        if module in parameter_name:
            return part
    return "language_model"


def make_groups(
    named: Iterable[tuple[str, torch.nn.Parameter]], rates: LearningRates, settings: Optimiser
) -> list[dict[str, Any]]:
    """Parameter groups by part, decay and kind of update; frozen parameters are left out.

    Vectors (norms, biases) do not decay. With Muon, matrices of projector and decoder layers
    are in groups of their own; embeddings and the head are not among them, as a row of theirs
    is a token's own.
    """
    groups: dict[tuple[str, bool, bool], dict[str, Any]] = {}
    for name, parameter in named:
        if not parameter.requires_grad:
            continue
        part, decays = part_of(name), parameter.ndim >= 2
        in_layers = part == "projector" or ".layers." in name
        muon = settings.name == "muon" and parameter.ndim == 2 and in_layers
        own = getattr(rates, part)
        group = groups.setdefault(
            (part, decays, muon),
            {
                "params": [],
                "lr": rates.default if own is None else own,
                "weight_decay": settings.weight_decay if decays else 0.0,
                "name": part,
            },
        )
        if settings.name == "muon":
            group["muon"] = muon
        group["params"].append(parameter)
    return list(groups.values())


def make_optimiser(groups: list[dict[str, Any]], settings: Optimiser) -> torch.optim.Optimizer:
    """The optimiser a recipe asks for."""
    beta1, beta2 = settings.betas
    if settings.name == "muon":
        return Muon(groups, betas=(beta1, beta2), epsilon=settings.epsilon)
    # Fused: one pass over memory instead of a dozen.
    return torch.optim.AdamW(groups, betas=(beta1, beta2), eps=settings.epsilon, fused=True)


class Muon(torch.optim.Optimizer):
    """Momentum made orthogonal for groups with ``muon: True``, AdamW for the others.

    torch's own Muon always iterates in bfloat16, which CPUs without AMX emulate slowly, and takes
    no other parameters.
    """

    def __init__(
        self, groups: list[dict[str, Any]], betas: tuple[float, float], epsilon: float
    ) -> None:
        """Args: groups: each with ``lr``, ``weight_decay`` and ``muon``."""
        super().__init__(groups, {"betas": betas, "eps": epsilon})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """One update from the gradients in place."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            parameters = [p for p in group["params"] if p.grad is not None]
            if group["muon"]:
                self._step_muon(group, parameters)
            elif parameters:
                self._step_adamw(group, parameters)
        return loss

    def _step_muon(self, group: dict[str, Any], parameters: list[torch.Tensor]) -> None:
        by_shape: dict[torch.Size, list[torch.Tensor]] = {}
        for p in parameters:
            by_shape.setdefault(p.shape, []).append(p)
        for shape, alike in by_shape.items():
            updates = []
            for p in alike:
                momentum = self.state[p].setdefault("momentum", torch.zeros_like(p))
                momentum.lerp_(p.grad, 1 - _MUON_MOMENTUM)
                updates.append(p.grad.lerp(momentum, _MUON_MOMENTUM))
            scale = _ADAM_RMS * math.sqrt(max(shape))
            for p, update in zip(alike, orthogonalise(torch.stack(updates)), strict=True):
                p.mul_(1 - group["lr"] * group["weight_decay"])
                p.add_(update, alpha=-group["lr"] * scale)

    def _step_adamw(self, group: dict[str, Any], parameters: list[torch.Tensor]) -> None:
        states = [self.state[p] for p in parameters]
        for p, state in zip(parameters, states, strict=True):
            if not state:
                state["step"] = torch.zeros((), dtype=torch.float32, device=p.device)
                state["exp_avg"] = torch.zeros_like(p)
                state["exp_avg_sq"] = torch.zeros_like(p)
        beta1, beta2 = group["betas"]
        adamw(
            parameters,
            [p.grad for p in parameters],  # type: ignore[misc]
            [s["exp_avg"] for s in states],
            [s["exp_avg_sq"] for s in states],
            [],
            [s["step"] for s in states],
            fused=True,
            amsgrad=False,
            beta1=beta1,
            beta2=beta2,
            lr=group["lr"],
            weight_decay=group["weight_decay"],
            eps=group["eps"],
            maximize=False,
        )


def orthogonalise(matrices: torch.Tensor) -> torch.Tensor:
    """The nearest matrices with singular values around 1, ``(n, rows, columns)``.

    In bfloat16, as the iteration forgives rounding, but on CPUs without units for it (AMX).
    """
    tall = matrices.shape[1] > matrices.shape[2]
    x = matrices.mT if tall else matrices
    has_amx = getattr(torch.cpu, "_is_amx_tile_supported", lambda: False)  # not in every torch
    is_slow = x.device.type == "cpu" and not has_amx()
    x = x.float() if is_slow else x.bfloat16()
    x = x / (x.norm(dim=(1, 2), keepdim=True) + 1e-7)
    a, b, c = _QUINTIC
    for _ in range(_ITERATIONS):
        gram = x @ x.mT
        x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return (x.mT if tall else x).to(matrices.dtype)
