"""Folding offsets and a temperature into the layer that computes the logits."""

import copy
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.parameter import UninitializedParameter
from torch.nn.utils.parametrize import is_parametrized

LAYERS = (nn.Linear, nn.Conv1d, nn.Conv2d)
DTYPES = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
SCALES = (0.0, 1.0, 30.0)  # of the random inputs in the check of a layer
INSTEAD = "Apply it to the logits instead."
ROUNDINGS = 64  # tolerance, in rounding errors
Layer = TypeVar("Layer", bound=nn.Module)


def folded(layer: Layer, offset: np.ndarray, temperature: float = 1.0, name: str = "linear") -> Layer:
    """A copy of a layer that computes (Wx + b + o) / T; a bias is added if it has none.

    Args:
        layer: an `nn.Linear` or a 1 × 1 convolution, or a subclass that computes the same.
        offset: (C,).
        temperature: T > 0.
        name: name of the layer in messages.

    Raises:
        TypeError: the layer computes something else.
        ValueError: another number of classes, an offset of −inf, or the result overflows its dtype.
    """
    check_foldable(layer, len(offset), name)
    if not np.isfinite(offset).all():
        place = int(np.flatnonzero(~np.isfinite(offset))[0])
        raise ValueError(
            f"`{name}` must have a finite offset for each class. Got {offset[place]} for class {place}: is its target "
            f"prior 0? {INSTEAD}"
        )
    weight, bias = _parameters(layer)
    shift = torch.tensor(offset, dtype=torch.float64, device=weight.device)
    moved = shift if bias is None else bias.detach().double() + shift
    learning = (weight if bias is None else bias).requires_grad
    result = copy.deepcopy(layer)
    result.bias = nn.Parameter((moved / temperature).to(weight.dtype), requires_grad=learning)
    if temperature != 1:
        with torch.no_grad():
            _parameters(result)[0].copy_(weight.double() / temperature)
    if not all(bool(parameter.isfinite().all()) for parameter in result.parameters()):
        raise ValueError(f"`{name}` must hold W / T and (b + o) / T. Its dtype {weight.dtype} overflows: use float32.")
    if bias is None and not _computes_its_parameters(result):
        raise TypeError(f"`{name}` must use its bias. {type(layer).__name__} ignores it. {INSTEAD}")
    return result


def check_foldable(layer: nn.Module, num_classes: int, name: str = "linear") -> None:
    """Raise unless a layer has one output per class and computes Wx + b with its own weight and bias.

    This is checked on random inputs, so that subclasses from other libraries can be used.
    """
    if not isinstance(layer, LAYERS):
        raise TypeError(
            f"`{name}` must be an nn.Linear or a 1 × 1 convolution, whose output is Wx + b. "
            f"Got {type(layer).__name__}. {INSTEAD}"
        )
    _check_plain(layer, name)
    _check_parameters(layer, name)
    outputs = layer.out_features if isinstance(layer, nn.Linear) else layer.out_channels
    if outputs != num_classes:
        raise ValueError(f"`{name}` must have {num_classes} outputs, one per class. Got {outputs}.")
    if not isinstance(layer, nn.Linear) and not _one_by_one(layer):
        raise TypeError(f"`{name}` must be a 1 × 1 convolution of stride 1 and one group, not padded. Got {layer}.")
    if not _computes_its_parameters(layer):
        raise TypeError(
            f"`{name}` must compute Wx + b of its parameters. {type(layer).__name__} computes something else. {INSTEAD}"
        )


def _check_plain(layer: nn.Module, name: str) -> None:
    if isinstance(layer.weight, UninitializedParameter):
        raise TypeError(f"`{name}` must be initialised. Got a lazy layer: call the model once first.")
    hooks = layer._forward_pre_hooks or layer._forward_hooks or "forward" in vars(layer)
    if is_parametrized(layer) or hooks:
        raise TypeError(
            f"`{name}` must hold plain parameters. Got one with hooks or parametrizations, such as weight norm: "
            "remove them first (`torch.nn.utils.parametrize.remove_parametrizations`)."
        )


def _one_by_one(layer: nn.Conv1d | nn.Conv2d) -> bool:
    padded = any(layer._reversed_padding_repeated_twice)
    return set(layer.kernel_size) == set(layer.stride) == {1} and layer.groups == 1 and not padded


def _check_parameters(layer: nn.Module, name: str) -> None:
    """A layer with more parameters (LoRA) may compute Wx + b now and something else after further training."""
    known = dict(layer.named_parameters())
    if "weight" not in known or not set(known) <= {"weight", "bias"}:
        found = ", ".join(known) or "none"
        raise TypeError(f"`{name}` must have no parameters but weight and bias. Got {found}. {INSTEAD}")
    if known["weight"].is_meta:
        raise TypeError(f"`{name}` must hold weights. They are on the meta device: load them first.")
    if known["weight"].dtype not in DTYPES:
        raise TypeError(f"`{name}` must not be quantised. Got a weight of {known['weight'].dtype}. {INSTEAD}")


def _computes_its_parameters(layer: nn.Module) -> bool:
    weight, bias = _parameters(layer)
    tried = copy.deepcopy(layer).eval()
    places = (3,) * (weight.dim() - 2)
    draws = torch.randn(8, weight.shape[1], *places, generator=torch.Generator().manual_seed(0))
    with torch.no_grad(), torch.autocast(weight.device.type, enabled=False):
        for scale in SCALES:
            inputs = (scale * draws).to(weight.device, weight.dtype)
            expected = _affine(inputs, weight, bias)
            found = tried(inputs)
            if not isinstance(found, Tensor) or found.shape != expected.shape or found.dtype != expected.dtype:
                return False
            absolute = inputs.abs().double(), weight.abs().double(), None if bias is None else bias.abs().double()
            size = float(_affine(*absolute).amax())
            if not float((found - expected).abs().amax()) <= ROUNDINGS * torch.finfo(weight.dtype).eps * size:
                return False
    return True


def _affine(inputs: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """Wx + b at every position."""
    if weight.dim() == 2:
        return F.linear(inputs, weight, bias)
    return F.conv1d(inputs, weight, bias) if weight.dim() == 3 else F.conv2d(inputs, weight, bias)


def _parameters(layer: nn.Module) -> tuple[Tensor, Tensor | None]:
    """Weight and bias."""
    found = dict(layer.named_parameters(recurse=False))
    return found["weight"], found.get("bias")
