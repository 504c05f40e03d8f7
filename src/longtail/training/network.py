"""The network of a run: as its configuration says, and as its folder has it."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from longtail.data import DataInfo
from longtail.losses.catalogue import cosine_scale
from longtail.models import CosineClassifier, NearestMeans, Network
from longtail.models import make_network as network_by_name
from longtail.models.network import make_classifier
from longtail.runs import RunFolder
from longtail.training.config import TrainingConfig, parse_arguments

HEADS = {nn.Linear: "linear", CosineClassifier: "cosine", NearestMeans: "nearest-mean"}


def make_network(config: TrainingConfig, num_classes: int, info: DataInfo) -> Network:
    """A new network, with the classifier that the loss needs; features need no backbone."""
    scale = cosine_scale(config.loss, parse_arguments(config.loss_arguments))
    if len(info.input_shape) == 1:
        return Network(nn.Identity(), make_classifier(info.input_shape[0], num_classes, scale))
    return network_by_name(
        config.model,
        num_classes,
        cosine_scale=scale,
        in_channels=info.input_shape[0],
        size=info.input_shape[1],
        pretrained=bool(config.pretrained),
        weights=config.weights,
    )


def described(network: Network, info: DataInfo) -> dict[str, Any]:
    """What the result of a run keeps of its network, so that `trained_network` can build it again."""
    head = network.classifier
    return {
        "classifier": HEADS[type(head)],
        "num_classes": len(head.weight),
        "input_shape": info.input_shape,
        **({"scale": float(head.scale)} if isinstance(head, CosineClassifier) else {}),
    }


def trained_network(folder: RunFolder) -> Network:
    """The network of a complete run, on the CPU, in `eval()`.

    Args:
        folder: of a first or a second stage.

    Returns:
        Images (N, C, H, W), normalised as the run's configuration says, to logits.

    Raises:
        ValueError: the run is not complete, or of another kind.

    Example:
        >>> import tempfile, torch
        >>> from longtail.recipes import digits_lt
        >>> from longtail.training import run_experiment
        >>> folder = run_experiment(digits_lt(epochs=1), data=None, out=tempfile.mkdtemp() + "/run")
        >>> trained_network(folder)(torch.zeros(2, 1, 8, 8)).shape
        torch.Size([2, 10])
    """
    if folder.result is None:
        raise ValueError(f"`folder` must be a complete run. Got {folder.path}, which has no result yet. Resume it.")
    weights = folder.load_weights()["model"]
    try:
        model = TrainingConfig.model_of(folder.header["config"])
        head = folder.result.get("network") or _told_by_weights(weights)
    except (KeyError, TypeError):
        raise ValueError(f"`folder` must be a training run. Got {folder.path}, which is of another kind.") from None
    network = _built(model, head)
    if head["classifier"] == "nearest-mean":
        network.classifier = NearestMeans(weights["classifier.centre"], weights["classifier.weight"])
    try:
        network.load_state_dict(weights)
    except RuntimeError:
        raise ValueError(
            f"{folder.path / 'weights.pt'} must hold the weights of {model}, as run.json says. It does not."
        ) from None
    network.class_names = None if folder.data is None else tuple(folder.data["class_names"])
    return network.eval()


def _built(model: str, head: Mapping[str, Any]) -> Network:
    """The network without its weights."""
    shape, scale = head["input_shape"], head.get("scale")
    if len(shape) == 1:
        return Network(nn.Identity(), make_classifier(shape[0], head["num_classes"], scale))
    return network_by_name(model, head["num_classes"], cosine_scale=scale, in_channels=shape[0], size=shape[1] or None)


def _told_by_weights(weights: Mapping[str, torch.Tensor]) -> dict[str, Any]:
    """The classifier of a run that was kept before results told it."""
    scale = weights.get("classifier.scale")
    first = "backbone.conv.weight" if "backbone.conv.weight" in weights else "conv.weight"
    return {
        "classifier": "nearest-mean" if "classifier.centre" in weights else "linear" if scale is None else "cosine",
        "num_classes": len(weights["classifier.weight"]),
        "input_shape": (weights[first].shape[1], 0, 0),
        **({} if scale is None else {"scale": float(scale)}),
    }
