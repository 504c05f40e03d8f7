"""Sharpness-aware minimization: the gradient of a step is taken at nearby weights with a higher loss.

Foret et al., "Sharpness-Aware Minimization for Efficiently Improving Generalization", ICLR 2021. Rangwani et al.,
"Escaping Saddle Points for Effective Generalization on Class-Imbalanced Data", NeurIPS 2022, show what it does for rare
classes: with a loss that weights them, training ends in saddle points of their loss, which a large radius escapes.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import torch
from torch import nn

SMALLEST_NORM = 1e-12
"""Shorter gradients move weights by less than ρ: squares of small numbers underflow, and 0 has no direction."""


@contextmanager
def perturbed(model: nn.Module, radius: float, parameters: Iterable[nn.Parameter] | None = None) -> Iterator[None]:
    """Within the block, weights are moved by w + ρ g / ‖g‖ along their gradients g (Foret et al., Eq. 2).

    Afterwards weights are exactly the former ones, and so are buffers: running statistics of batch norm are those of
    the weights themselves. Gradients stay those of the block. Nothing is read from the device.

    Args:
        model: whose gradients are those of a batch.
        radius: ρ ≥ 0, the length of the move over all parameters together.
        parameters: of the model, those that are trained; by default all. Others, and those without a gradient, stay as
            they are.

    Example:
        >>> model = nn.Linear(2, 1, bias=False)
        >>> model.weight.grad, before = torch.tensor([[3.0, 4.0]]), model.weight.detach().clone()
        >>> with perturbed(model, radius=0.5):
        ...     print(model.weight.detach() - before)
        tensor([[0.3000, 0.4000]])
        >>> torch.equal(model.weight, before)
        True
    """
    trained = model.parameters() if parameters is None else parameters
    moved = [parameter for parameter in trained if parameter.grad is not None]
    former = [parameter.detach().clone() for parameter in moved]
    _perturb(moved, radius)
    try:
        with buffers_restored(model):
            yield
    finally:
        with torch.no_grad():
            for parameter, values in zip(moved, former, strict=True):
                parameter.copy_(values)


@contextmanager
def buffers_restored(module: nn.Module) -> Iterator[None]:
    """Afterwards buffers are the former ones, with their former values.

    Example:
        >>> norm = nn.BatchNorm1d(2)
        >>> with buffers_restored(norm):
        ...     outputs = norm(torch.ones(3, 2))
        >>> norm.running_mean
        tensor([0., 0.])
    """
    former = [
        (owner, name, buffer, buffer.clone())
        for owner in module.modules()
        for name, buffer in owner.named_buffers(recurse=False)
    ]
    try:
        yield
    finally:
        with torch.no_grad():
            for owner, name, buffer, values in former:
                buffer.copy_(values)
                owner._buffers[name] = buffer


def _perturb(moved: Iterable[nn.Parameter], radius: float) -> None:
    """Not within `perturbed`, which would keep the gradients in memory throughout its block."""
    pairs = [(parameter, parameter.grad) for parameter in moved if parameter.grad is not None]
    norm = nn.utils.get_total_norm([gradient for _, gradient in pairs])
    scale = radius / norm.clamp(min=SMALLEST_NORM)
    with torch.no_grad():
        for parameter, gradient in pairs:
            parameter.add_(gradient * scale)
