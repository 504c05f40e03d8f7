"""The network of a run: built from its configuration, or loaded from its folder."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from longtail.data import DataInfo
from longtail.losses.catalogue import cosine_scale, parse_arguments
from longtail.models import Network, build_classifier, describe_classifier
from longtail.models import make_network as network_by_name
from longtail.models.network import make_classifier
from longtail.runs import RunFolder
from longtail.runs.check_run import complete_result
from longtail.training.config import TrainingConfig


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
    """The entry of a network in the result of a run, from which `trained_network` builds it."""
    return {
        **describe_classifier(network.classifier),
        "num_classes": len(info.class_names),
        "input_shape": info.input_shape,
    }


def trained_network(folder: RunFolder) -> Network:
    """The network of a complete run, on the CPU, in `eval()`.

    Args:
        folder: of a first or a second stage.

    Returns:
        Images (N, C, H, W), normalised as the run's configuration says, to logits.

    Raises:
        ValueError: the run is not complete, or of another kind, its classifier is of an unknown class, or its weights
            are of another network or not finite.

    Example:
        >>> import tempfile, torch
        >>> from longtail.recipes import digits_lt
        >>> from longtail.training import run_experiment
        >>> folder = run_experiment(digits_lt(epochs=1), data=None, out=tempfile.mkdtemp() + "/run")
        >>> trained_network(folder)(torch.zeros(2, 1, 8, 8)).shape
        torch.Size([2, 10])
    """
    head = head_of(folder)
    weights = folder.load_weights().get("model")
    model = TrainingConfig.model_of(folder.header["config"])
    try:
        network = rebuilt_network(model, head, weights)  # type: ignore[arg-type]
    except (RuntimeError, TypeError):
        raise ValueError(
            f"{folder.path / 'weights.pt'} must hold the weights of {model}, as run.json says. It does not."
        ) from None
    if not all(bool(tensor.isfinite().all()) for tensor in network.state_dict().values()):
        raise ValueError(
            f"{folder.path / 'weights.pt'} must hold finite numbers. It holds others: it is damaged, or training "
            "diverged. Train the run again."
        )
    network.class_names = None if folder.data is None else tuple(folder.data["class_names"])
    return network


def rebuilt_network(model: str, head: Mapping[str, Any], weights: Mapping[str, torch.Tensor]) -> Network:
    """A trained network, in `eval()`.

    Args:
        model: the name of the backbone.
        head: as `described` gives it.
        weights: the tensors of the network.

    Raises:
        RuntimeError: weights of another network.
    """
    network = _built(model, head)
    network.load_state_dict(weights)
    return network.eval()


def head_of(folder: RunFolder) -> dict[str, Any]:
    """The entry of the network in the result of a complete run: `classifier`, its settings and the two sizes.

    Raises:
        ValueError: the run is not complete, or of another kind.
    """
    result = complete_result("folder", folder)
    try:
        TrainingConfig.model_of(folder.header["config"])
        head = result.get("network") or _head_of_old_run(folder.header["config"], result)
    except (KeyError, TypeError):
        raise ValueError(f"`folder` must be a training run. Got {folder.path}, which is of another kind.") from None
    _check_head(head, folder)
    return head


def _check_head(head: Any, folder: RunFolder) -> None:
    """Raise unless it is what `described` gives."""
    try:
        sides = head["input_shape"]
        fits = isinstance(head["classifier"], str) and len(sides) in (1, 3)
        numbers = [head["num_classes"], *sides]
    except (KeyError, TypeError):
        fits, numbers = False, []
    if not fits or not all(type(number) is int and number >= 0 for number in numbers):
        raise ValueError(
            f"{folder.path / 'result.json'} is damaged: its `network` must have `classifier`, `num_classes` and "
            "`input_shape`. Restore the file, or train the run again."
        )


def _built(model: str, head: Mapping[str, Any]) -> Network:
    """The network with initial weights."""
    shape, num_classes, scale = head["input_shape"], head["num_classes"], head.get("scale")
    if len(shape) == 1:
        network = Network(nn.Identity(), make_classifier(shape[0], num_classes, scale))
    else:
        network = network_by_name(model, num_classes, cosine_scale=scale, in_channels=shape[0], size=shape[1] or None)
    settings = {name: value for name, value in head.items() if name not in ("num_classes", "input_shape")}
    if describe_classifier(network.classifier) != settings:
        num_features = len(network.classifier.weight[0])  # type: ignore[index]
        with torch.random.fork_rng(devices=[]):  # draws of a stage must not depend on the classifier that it replaces
            name = settings.pop("classifier")
            network.classifier = build_classifier(name, num_features, num_classes, settings)
    return network


def _head_of_old_run(config: Mapping[str, Any], result: Mapping[str, Any]) -> dict[str, Any]:
    """The entry for a run that is older than the entry; its data are images of a built-in data set."""
    scale = cosine_scale(config["loss"], parse_arguments(tuple(config["loss_arguments"])))
    cosine = {"classifier": "cosine", "scale": scale}
    named = {"nearest-mean": {"classifier": "nearest-mean"}}  # other second stages end with a linear classifier
    first = {"classifier": "linear"} if scale is None else cosine
    return {
        **(named.get(config["classifier"], {"classifier": "linear"}) if "classifier" in config else first),
        "num_classes": len(result["class_counts"]),
        "input_shape": (len(config["mean"]), 0, 0),
    }
