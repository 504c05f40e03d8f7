"""Sharpness-aware minimization, as Foret et al. (ICLR 2021) write it: Eq. 2 with p = 2, Eq. 3 and Algorithm 1."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

Loss = Callable[[Sequence[Tensor]], Tensor]


def descend(loss: Loss, weights: Sequence[Tensor], *, radius: float, rate: float, steps: int) -> list[Tensor]:
    """Weights after steps of w − η ∇L(w + ε̂), with ε̂ = ρ ∇L(w) / ‖∇L(w)‖₂, in float64."""
    now = [tensor.double() for tensor in weights]
    for _ in range(steps):
        gradient = _gradient(loss, now)
        norm = sum(float((part**2).sum()) for part in gradient) ** 0.5
        moved = [tensor + radius * part / norm for tensor, part in zip(now, gradient, strict=True)]
        now = [tensor - rate * part for tensor, part in zip(now, _gradient(loss, moved), strict=True)]
    return now


def _gradient(loss: Loss, weights: Sequence[Tensor]) -> tuple[Tensor, ...]:
    at = [tensor.clone().requires_grad_() for tensor in weights]
    return torch.autograd.grad(loss(at), at)
