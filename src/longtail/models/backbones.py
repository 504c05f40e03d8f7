"""Backbones by name: the project's own, those that other packages register, timm's, and functions of the user.

A backbone is an `nn.Module` that maps inputs to features (N, num_features), or to feature maps that `Network` averages.
"""

import importlib
import inspect
from collections.abc import Callable
from dataclasses import dataclass, replace
from difflib import get_close_matches
from functools import partial
from importlib.metadata import entry_points
from typing import cast

import torch
from torch import nn

from longtail.arguments import check_integer
from longtail.models import timm_backbones
from longtail.models.cifar_resnet import DEPTHS, CifarBackbone
from longtail.models.input_config import InputConfig

ENTRY_POINTS = "longtail.models"

BACKBONES: dict[str, Callable[..., nn.Module]] = {
    f"resnet{depth}-cifar": partial(CifarBackbone, depth) for depth in DEPTHS
}


@dataclass(frozen=True)
class Backbone:
    """The result of `make_backbone`: a backbone, its number of features and the images that it expects.

    Attributes:
        module: maps images (N, channels, H, W) to features (N, num_features) or feature maps (N, num_features, H, W).
        num_features: number of features, at least 1.
        input_config: size and normalisation of the images.

    Example:
        >>> backbone = make_backbone(nn.Sequential(nn.Flatten(), nn.Linear(3 * 8 * 8, 16)), size=8)
        >>> backbone.num_features, backbone.input_config.size
        (16, (8, 8))
        >>> backbone.module(torch.zeros(2, 3, 8, 8)).shape
        torch.Size([2, 16])
    """

    module: nn.Module
    num_features: int
    input_config: InputConfig


def make_backbone(
    model: str | nn.Module, *, pretrained: bool = False, in_channels: int = 3, size: int | None = None
) -> Backbone:
    """Build a backbone from its name.

    Args:
        model: a key of `BACKBONES` (`resnet32-cifar`) or the name of an entry point of the group `longtail.models`; a
            model of timm (`resnet50`, `vit_small_patch16_224.augreg_in1k`, `hf-hub:OWNER/NAME`, `local-dir:PATH`);
            `package.module:function`, a function that returns an `nn.Module`; or a module, which is used as it is.
        pretrained: load the weights that timm has for this model. Only for models of timm.
        in_channels: 3 for coloured images, 1 for grey ones.
        size: height and width of the images; by default what the model was made for.

    Returns:
        The module in training mode, the number of its features, and what it expects its images to be. A module of the
        user's own may state these in the attributes `num_features` and `input_config`.

    Raises:
        ValueError: no model of that name, one without pretrained weights, or one that gives no features.
        ModuleNotFoundError: the model is timm's, which is not installed.
        OSError: the pretrained weights can be neither found nor downloaded.

    Example:
        >>> backbone = make_backbone("resnet32-cifar", in_channels=1)
        >>> backbone.num_features, backbone.input_config.size
        (64, (32, 32))
    """
    backbone = build_backbone(model, pretrained=pretrained, in_channels=in_channels, size=size)
    initialise_backbone(model, backbone.module)
    return backbone


def build_backbone(model: str | nn.Module, *, pretrained: bool, in_channels: int, size: int | None) -> Backbone:
    """`make_backbone` before `initialise_backbone`."""
    check_integer("in_channels", in_channels, minimum=1)
    if size is not None:
        check_integer("size", size, minimum=1)
    if isinstance(model, str) and not _is_own(model) and not _is_function(model):
        return _from_timm(model, pretrained, in_channels, size)
    if pretrained:
        raise ValueError(
            f"`pretrained` loads the weights of timm's models. Got {_name(model)}, which is not one. "
            "Drop --pretrained; --weights FILE loads weights of your own."
        )
    module = model if isinstance(model, nn.Module) else _call(model, _function_of(model), in_channels)
    config = getattr(module, "input_config", None) or _input_config_of(module, in_channels)
    if size is not None:
        config = replace(config, size=(size, size))
    return Backbone(module, _num_features(_name(model), module, config), config)


def initialise_backbone(model: str | nn.Module, module: nn.Module) -> None:
    """Call the `initialise` of a registered backbone; `make_network` does so once the classifier exists."""
    initialise = getattr(module, "initialise", None)
    if isinstance(model, str) and _is_own(model) and initialise is not None:
        initialise()


def _from_timm(name: str, pretrained: bool, in_channels: int, size: int | None) -> Backbone:
    if not timm_backbones.is_model(name):
        raise ValueError(_unknown(name))
    module, config = timm_backbones.create(name, pretrained=pretrained, in_channels=in_channels, size=size)
    # The attribute num_features of timm's models is not always the width of what they return.
    return Backbone(module, _measured_features(name, module, config), config)


def _is_own(name: str) -> bool:
    return name in BACKBONES or name in entry_points(group=ENTRY_POINTS).names


def _is_function(name: str) -> bool:
    return ":" in name and not name.startswith(timm_backbones.SOURCES)


def _function_of(name: str) -> Callable[..., nn.Module]:
    if name in BACKBONES:
        return BACKBONES[name]
    if _is_own(name):
        return cast("Callable[..., nn.Module]", entry_points(group=ENTRY_POINTS)[name].load())
    path, _, attribute = name.partition(":")
    rule = f"`model` must name a function that can be imported, as package.module:function. Got {name!r}"
    try:
        function = getattr(importlib.import_module(path), attribute, None)
    except (ImportError, ValueError) as error:
        raise ValueError(f"{rule}: {error}. Is its folder on PYTHONPATH?") from error
    if not callable(function):
        raise ValueError(f"{rule}: {path} has no function {attribute!r}.")
    return cast("Callable[..., nn.Module]", function)


def _call(name: str, function: Callable[..., nn.Module], in_channels: int) -> nn.Module:
    takes_channels = "in_channels" in inspect.signature(function).parameters
    module = function(in_channels=in_channels) if takes_channels else function()
    if not isinstance(module, nn.Module):
        raise ValueError(f"`model` must return an nn.Module. {name} returned {type(module).__name__}.")
    return module


def _input_config_of(module: nn.Module, in_channels: int) -> InputConfig:
    if hasattr(module, "pretrained_cfg"):
        return timm_backbones.input_config(module, in_channels)
    return InputConfig(channels=in_channels)


def _num_features(name: str, module: nn.Module, config: InputConfig) -> int:
    stated = getattr(module, "num_features", None)
    if isinstance(stated, int) and not hasattr(module, "pretrained_cfg"):
        return stated
    return _measured_features(name, module, config)


def _measured_features(name: str, module: nn.Module, config: InputConfig) -> int:
    """The width of the features, by one forward pass on zeros."""
    if getattr(module, "num_classes", 0) and hasattr(module, "reset_classifier"):
        raise ValueError(f"`model` must give features. {name} ends with a classifier: create it with num_classes=0.")
    shape = (1, config.channels, *(config.size or (224, 224)))
    training = module.training
    device = next((tensor.device for tensor in module.state_dict().values()), None)
    try:
        with torch.no_grad():
            features = module.eval()(torch.zeros(shape, device=device))
    except (RuntimeError, AssertionError, ValueError, TypeError) as error:
        reason = str(error).partition("\n")[0].rstrip(".")
        hint = "" if hasattr(module, "pretrained_cfg") else " For other inputs, give it an attribute `num_features`."
        raise ValueError(f"`model` must take images of the shape {shape}. {name} failed: {reason}.{hint}") from error
    finally:
        module.train(training)
    if not isinstance(features, torch.Tensor) or features.dim() not in (2, 4):
        got = tuple(features.shape) if isinstance(features, torch.Tensor) else type(features).__name__
        raise ValueError(f"`model` must give features (N, D) or feature maps (N, D, H, W). {name} gives {got}.")
    return features.shape[1]


def _name(model: str | nn.Module) -> str:
    return model if isinstance(model, str) else type(model).__name__


def _unknown(name: str) -> str:
    own = [*BACKBONES, *entry_points(group=ENTRY_POINTS).names]
    near = get_close_matches(name, own, n=1) + get_close_matches(name, timm_backbones.names(name), n=2)
    guess = f" Did you mean {' or '.join(near)}?" if near else ""
    return (
        f"`model` must be {', '.join(own)}, a model of timm (`timm.list_models()`) or package.module:function. "
        f"Got {name!r}.{guess}"
    )
