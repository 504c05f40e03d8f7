"""A network by name: its backbone, the classifier that the loss needs, its weights."""

import os

from torch import nn

from longtail.arguments import check_num_classes
from longtail.models.backbones import build_backbone, initialise_backbone
from longtail.models.network import Network, make_classifier
from longtail.models.weights import load_weights


def make_network(
    model: str | nn.Module,
    num_classes: int,
    *,
    cosine_scale: float | None = None,
    in_channels: int = 3,
    size: int | None = None,
    pretrained: bool = False,
    weights: str | os.PathLike[str] | None = None,
) -> Network:
    """Build a network for `num_classes` classes.

    Args:
        model: as `make_backbone` takes it.
        num_classes: C, at least 2.
        cosine_scale: `None` for a linear classifier with bias, or the scale of a `CosineClassifier`.
        in_channels: 3 for coloured images, 1 for grey ones.
        size: height and width of the images; by default what the model was made for.
        pretrained: load timm's weights for this model.
        weights: a file of weights instead, as `load_weights` takes it.

    Returns:
        The network; its `input_config` says what its images should be, and its `weight_report`, which is `None` without
        `weights`, what was loaded. With the same `torch.manual_seed`, `resnet32-cifar` gives the weights and outputs of
        `CifarResNet(32, …)`.

    Raises:
        ValueError, ModuleNotFoundError, OSError: as `make_backbone` and `load_weights` do; or both `pretrained` and
            `weights` are given.

    Example:
        >>> import torch
        >>> network = make_network("resnet8-cifar", num_classes=10)
        >>> network(torch.zeros(2, 3, 32, 32)).shape
        torch.Size([2, 10])
    """
    check_num_classes(num_classes)
    if pretrained and weights is not None:
        raise ValueError(f"`pretrained` and `weights` exclude each other. Got weights={str(weights)!r} beside it.")
    backbone = build_backbone(model, pretrained=pretrained, in_channels=in_channels, size=size)
    classifier = make_classifier(backbone.num_features, num_classes, cosine_scale)
    initialise_backbone(model, backbone.module)
    network = Network(backbone.module, classifier, backbone.input_config)
    if weights is not None:
        network.weight_report = load_weights(network, weights)
    return network
