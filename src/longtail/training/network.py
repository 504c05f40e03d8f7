"""The network of a run: as its configuration says, and as its folder has it."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from longtail.losses.catalogue import cosine_scale
from longtail.models import CosineClassifier, NearestMeans, Network
from longtail.models import make_network as network_by_name
from longtail.runs import RunFolder
from longtail.training.config import TrainingConfig, parse_arguments

HEADS = {nn.Linear: "linear", CosineClassifier: "cosine", NearestMeans: "nearest-mean"}


def make_network(config: TrainingConfig, num_classes: int, channels: int) -> Network:
    """A new network, with the classifier that the loss needs."""
    return network_by_name(
        config.model,
        num_classes,
        cosine_scale=cosine_scale(config.loss, parse_arguments(config.loss_arguments)),
        in_channels=channels,
        pretrained=config.pretrained,
        weights=config.weights,
    )


def described(network: Network, channels: int) -> dict[str, Any]:
    """What the result of a run keeps of its network, so that `trained_network` can build it again."""
    head = network.classifier
    return {
        "classifier": HEADS[type(head)],
        "num_classes": len(head.weight),
        "in_channels": channels,
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
        config = TrainingConfig.model_of(folder.header["config"])
        head = folder.result.get("network") or _told_by_weights(weights)
    except (KeyError, TypeError):
        raise ValueError(f"`folder` must be a training run. Got {folder.path}, which is of another kind.") from None
    network = network_by_name(
        config, head["num_classes"], cosine_scale=head.get("scale"), in_channels=head["in_channels"]
    )
    if head["classifier"] == "nearest-mean":
        network.classifier = NearestMeans(weights["classifier.centre"], weights["classifier.weight"])
    try:
        network.load_state_dict(weights)
    except RuntimeError:
        raise ValueError(
            f"{folder.path / 'weights.pt'} must hold the weights of {config}, as run.json says. It does not."
        ) from None
    return network.eval()


def _told_by_weights(weights: Mapping[str, torch.Tensor]) -> dict[str, Any]:
    """The classifier of a run that was kept before results told it."""
    scale = weights.get("classifier.scale")
    return {
        "classifier": "nearest-mean" if "classifier.centre" in weights else "linear" if scale is None else "cosine",
        "num_classes": len(weights["classifier.weight"]),
        "in_channels": weights["conv.weight"].shape[1],
        **({} if scale is None else {"scale": float(scale)}),
    }
