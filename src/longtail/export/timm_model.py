"""A trained network as a model of timm, with its classifier."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from longtail.data import DataInfo
from longtail.models import Network

TOLERANCE = 1e-4  # relative to the largest logit
KEPT = ("first_conv", "classifier", "license", "origin_url")  # of the configuration of the backbone


@dataclass(frozen=True, eq=False)
class TimmModel:
    """Weights and configuration from which timm builds a network.

    Attributes:
        weights: tensors by the names of timm.
        config: the content of config.json.
    """

    weights: dict[str, Tensor]
    config: dict[str, Any]


def as_timm_model(network: Network, info: DataInfo) -> TimmModel | None:
    """The network as a model of timm; `None` if timm can't build it.

    It can't for other backbones, for classifiers that are not linear, and if its model computes other logits from the
    same weights, such as one that the user created with other arguments.

    Args:
        network: in `eval()`.
        info: of the training data.
    """
    base = getattr(network.backbone, "pretrained_cfg", None)
    if not base or type(network.classifier) is not nn.Linear:
        return None
    arguments = _arguments(base, info)
    try:
        model = _built(base, arguments, len(info.class_names))
        model.load_state_dict(_renamed(network, model))
    except (RuntimeError, TypeError, KeyError, ValueError):
        return None
    if not _same(network, model, info):
        return None
    return TimmModel(model.state_dict(), _config(base, arguments, model, info))


def _arguments(base: dict[str, Any], info: DataInfo) -> dict[str, Any]:
    """Arguments of timm's `create_model` besides the name and the number of classes."""
    channels, size, _ = info.input_shape
    return {
        **({"in_chans": channels} if channels != 3 else {}),
        **({"img_size": size} if base.get("fixed_input_size") else {}),
    }


def _built(base: dict[str, Any], arguments: dict[str, Any], num_classes: int) -> nn.Module:
    import timm

    with torch.random.fork_rng(devices=[]):
        model: nn.Module = timm.create_model(base["architecture"], num_classes=num_classes, **arguments)
    return model.eval()


def _renamed(network: Network, model: nn.Module) -> dict[str, Tensor]:
    """The weights under timm's names; those of a classifier that is a convolution in timm are reshaped."""
    name, expected = model.pretrained_cfg["classifier"], model.state_dict()  # type: ignore[index]
    if not isinstance(name, str):
        raise ValueError("several classifiers")
    own = {f"{name}.{part}": tensor for part, tensor in network.classifier.state_dict().items()}
    own = {key: tensor.reshape(expected[key].shape) for key, tensor in own.items()}
    return {**network.backbone.state_dict(), **own}


def _same(network: Network, model: nn.Module, info: DataInfo) -> bool:
    images = torch.randn(2, *info.input_shape, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        expected, found = network(images), model(images)
    return bool((found - expected).abs().max() <= TOLERANCE * max(1.0, float(expected.abs().max())))


def _config(base: dict[str, Any], arguments: dict[str, Any], model: nn.Module, info: DataInfo) -> dict[str, Any]:
    return {
        "architecture": base["architecture"],
        "num_classes": len(info.class_names),
        "num_features": model.num_features,
        "pretrained_cfg": {
            **{name: base[name] for name in KEPT if base.get(name) is not None},
            # with a first_conv, timm would adapt the weights to grey images, to which they are adapted already
            **({"first_conv": None} if "in_chans" in arguments else {}),
            "fixed_input_size": bool(base.get("fixed_input_size")),
            "input_size": info.input_shape,
            "mean": info.mean,
            "std": info.std,
            "crop_pct": info.crop_pct,
            "crop_mode": "center",
            "interpolation": info.interpolation,
            "num_classes": len(info.class_names),
            "label_names": info.class_names,
            "custom_load": False,
        },
        **({"model_args": arguments} if arguments else {}),
    }
