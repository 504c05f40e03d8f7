"""Keeping an added bias in models that are built from a configuration (Hugging Face).

`from_pretrained` builds the model from its configuration and drops unknown parameters: if the head is built without a
bias, the bias added by folding is lost. If the configuration has an option for the bias, it is set.
"""

import copy
from typing import Any

import torch
from torch import nn

from longtail.repair.output_layer import INSTEAD


def allow_bias(model: nn.Module, layer: str) -> None:
    """Set the option of the configuration that builds a layer with a bias, if the model has a configuration.

    The option is found by building the model on the meta device with each option that may be it. Other layers to which
    the option adds a bias get a bias of zeros.

    Args:
        model: the model, which is changed in place.
        layer: name of a layer without a bias.

    Raises:
        ValueError: there is no such option, so `save_pretrained` and `from_pretrained` would lose the bias.
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
        "it without one, and its configuration has no option for it: `save_pretrained` and `from_pretrained` would "
        f"lose the fix. {INSTEAD}"
    )


def _configured_part(model: nn.Module, layer: str) -> tuple[Any, str] | None:
    """The outermost submodule with a configuration that contains the layer, and the layer's name in it."""
    parts = layer.split(".") if layer else []
    for depth in range(len(parts)):
        holder = model.get_submodule(".".join(parts[:depth]))
        if hasattr(holder, "save_pretrained") and hasattr(holder, "config"):
            return holder, ".".join(parts[depth:])
    return None


def _switches(config: Any) -> list[str]:
    return [name for name, value in vars(config).items() if "bias" in name and value is False]


def _parameters_added(owner: Any, switch: str) -> set[str]:
    """Names of the parameters that the option adds; empty if it removes any."""
    config = copy.deepcopy(owner.config)
    setattr(config, switch, True)
    try:
        with torch.device("meta"):
            built = type(owner)(config)
    except Exception:  # a constructor of another library may raise anything
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
