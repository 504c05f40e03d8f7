"""Offsets and a temperature in a linear layer: what costs nothing at inference."""

import copy

import numpy as np
import torch
from torch import nn
from torch.nn.utils.parametrize import is_parametrized


def folded(linear: nn.Linear, offset: np.ndarray, temperature: float = 1.0) -> nn.Linear:
    """A copy of a layer that gives (Wx + b + o) / T; its bias is made if missing.

    Raises:
        TypeError: not a plain `nn.Linear`.
        ValueError: another number of classes.
    """
    check_foldable(linear, len(offset))
    result = copy.deepcopy(linear)
    shift = torch.tensor(offset, dtype=torch.float64, device=linear.weight.device)
    bias = shift if linear.bias is None else linear.bias.detach().double() + shift
    learning = (linear.weight if linear.bias is None else linear.bias).requires_grad
    result.bias = nn.Parameter((bias / temperature).to(linear.weight.dtype), requires_grad=learning)
    if temperature != 1:
        with torch.no_grad():
            result.weight.copy_(linear.weight.double() / temperature)
    return result


def check_foldable(linear: nn.Module, num_classes: int, name: str = "linear") -> None:
    """Raise unless it is an `nn.Linear` with one output a class whose output is Wx + b of its own parameters."""
    if getattr(type(linear), "forward", None) is not nn.Linear.forward:
        raise TypeError(f"`{name}` must be an nn.Linear, whose output is Wx + b. Got {type(linear).__name__}.")
    assert isinstance(linear, nn.Linear)
    if is_parametrized(linear) or linear._forward_pre_hooks or linear._forward_hooks:
        raise TypeError(
            f"`{name}` must hold plain parameters. Got one with hooks or parametrizations, such as weight norm: "
            "remove them first (`torch.nn.utils.parametrize.remove_parametrizations`)."
        )
    if linear.out_features != num_classes:
        raise ValueError(f"`{name}` must have {num_classes} outputs, one a class. Got {linear.out_features}.")
