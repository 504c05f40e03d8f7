"""A bias that a fold makes, in models whose class builds itself from a configuration (Hugging Face).

`from_pretrained` builds the model of the configuration and drops parameters that it does not know: a head that is built
without a bias loses the one that a fold made. Where a switch of the configuration builds it with one, it is set.
"""

import copy
from typing import Any

import torch
from torch import nn

from longtail.repair.output_layer import INSTEAD


def allow_bias(model: nn.Module, layer: str) -> None:
    """Set the switch of the configuration that builds a layer with a bias, where the layer is part of such a model.

    The switch is found by trying: the model is built on the device meta with each switch that could be it. Other layers
    that it builds with a bias get one of zeros, which changes nothing.

    Args:
        model: a copy that may be changed.
        layer: the name of a layer without a bias.

    Raises:
        ValueError: there is no such switch, so that `save_pretrained` and `from_pretrained` would lose the bias.
    """
    found = _configured_part(model, layer)
    if found is None:
        return
    owner, own = found
    for switch in _switches(owner.config):
        added = _parameters_added(owner, switch)
        others = added - {f"{own}.bias"}
        if added > others and all(_lacks_bias(owner, name) for name in others):
            setattr(owner.config, switch, True)
            for name in others:
                _add_zero_bias(owner.get_submodule(name.removesuffix(".bias")))
            return
    raise ValueError(
        f"`module` must be able to keep a bias in its layer {layer!r}, which has none. {type(owner).__name__} builds "
        "it without one, and its configuration has no switch for it: `save_pretrained` and `from_pretrained` would "
        f"lose the fix. {INSTEAD}"
    )


def _configured_part(model: nn.Module, layer: str) -> tuple[Any, str] | None:
    """The outermost part that holds the layer and can be saved with its configuration, and the layer's name in it."""
    parts = layer.split(".") if layer else []
    for depth in range(len(parts)):
        holder = model.get_submodule(".".join(parts[:depth]))
        if hasattr(holder, "save_pretrained") and hasattr(holder, "config"):
            return holder, ".".join(parts[depth:])
    return None


def _switches(config: Any) -> list[str]:
    return [name for name, value in vars(config).items() if "bias" in name and value is False]


def _parameters_added(owner: Any, switch: str) -> set[str]:
    """Names of the parameters that the model has with the switch and not without; none if it lacks others then."""
    config = copy.deepcopy(owner.config)
    setattr(config, switch, True)
    try:
        with torch.device("meta"):
            built = type(owner)(config)
    except Exception:  # a constructor of another library: whatever it raises, the switch is of no use
        return set()
    before = {name for name, _ in owner.named_parameters()}
    after = {name for name, _ in built.named_parameters()}
    return after - before if before < after else set()


def _lacks_bias(owner: nn.Module, name: str) -> bool:
    holder = owner.get_submodule(name.rpartition(".")[0])
    return name.endswith(".bias") and isinstance(holder, nn.Linear) and holder.bias is None


def _add_zero_bias(linear: nn.Module) -> None:
    assert isinstance(linear, nn.Linear)
    linear.bias = nn.Parameter(linear.weight.new_zeros(linear.out_features), requires_grad=linear.weight.requires_grad)
