"""What the contrastive losses ask of their projections and targets."""

import torch
from torch import Tensor

from longtail.arguments import as_class_indices


def check_vectors(**named: Tensor) -> None:
    """Raise unless all are floating point, of two dimensions and as wide as the first."""
    first = ""
    for name, tensor in named.items():
        first = first or name
        if not isinstance(tensor, Tensor):
            raise TypeError(f"`{name}` must be a tensor. Got {type(tensor).__name__}.")
        if tensor.dim() != 2 or not tensor.is_floating_point():
            raise ValueError(
                f"`{name}` must be floating point of two dimensions. Got {tensor.dtype} {tuple(tensor.shape)}."
            )
        width = named[first].shape[1]
        if tensor.shape[1] != width:
            raise ValueError(f"`{name}` must have as many columns as `{first}`, {width}. Got {tensor.shape[1]}.")


def labels_of_views(projections: Tensor, target: Tensor, num_classes: int) -> Tensor:
    """The target as (N,) int64, a label for each row of the projections."""
    if not isinstance(target, Tensor):
        raise TypeError(f"`target` must be a tensor. Got {type(target).__name__}.")
    # Elsewhere the check of values would wait for the device, or break a compiled graph.
    checks_values = target.device.type == "cpu" and not torch.compiler.is_compiling()
    labels = as_class_indices("target", target, num_classes if checks_values else None)
    if labels.shape != projections.shape[:1]:
        raise ValueError(f"`target` must have the shape {tuple(projections.shape[:1])}. Got {tuple(labels.shape)}.")
    return labels
