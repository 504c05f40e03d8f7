"""Sharpness-aware minimization: the gradient of a step is that of nearby weights where the loss is higher.

Foret et al., "Sharpness-Aware Minimization for Efficiently Improving Generalization", ICLR 2021. Rangwani et al.,
"Escaping Saddle Points for Effective Generalization on Class-Imbalanced Data", NeurIPS 2022, show what it does for rare
classes: with a loss that weights them, training ends in saddle points of their loss, which a large radius escapes.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn


@contextmanager
def climbed(model: nn.Module, radius: float) -> Iterator[None]:
    """Within the block, weights are moved by w + ρ g / ‖g‖ along their gradients g (Foret et al., Eq. 2).

    Afterwards weights are exactly the former ones, and so are buffers: running statistics of batch norm are those of
    the weights themselves. Gradients stay those of the block. Nothing is read from the device.

    Args:
        model: whose gradients are those of a batch; parameters without one stay as they are.
        radius: ρ ≥ 0, the length of the move over all parameters together.

    Example:
        >>> model = nn.Linear(2, 1, bias=False)
        >>> model.weight.grad, before = torch.tensor([[3.0, 4.0]]), model.weight.detach().clone()
        >>> with climbed(model, radius=0.5):
        ...     print(model.weight.detach() - before)
        tensor([[0.3000, 0.4000]])
        >>> torch.equal(model.weight, before)
        True
    """
    moved = [(parameter, parameter.grad) for parameter in model.parameters() if parameter.grad is not None]
    changed: list[Tensor] = [*(parameter for parameter, _ in moved), *model.buffers()]
    former = [tensor.detach().clone() for tensor in changed]
    norm = nn.utils.get_total_norm([gradient for _, gradient in moved])
    scale = radius / norm.clamp(min=torch.finfo(norm.dtype).tiny)
    with torch.no_grad():
        for parameter, gradient in moved:
            parameter.add_(gradient * scale)
    try:
        yield
    finally:
        with torch.no_grad():
            for tensor, values in zip(changed, former, strict=True):
                tensor.copy_(values)
