"""Batch norm folded into the convolutions before it: the same features with fewer passes over memory."""

import copy
from collections import Counter

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_weights

from longtail.models.network import Network, like_of

Pair = tuple[str, str]  # names of a convolution and of the batch norm that follows it


def fold_batch_norm(network: Network) -> Network:
    """A copy of a network for inference, in `eval()`, whose batch norm is part of its convolutions.

    Which batch norm follows which convolution is observed in a forward pass. If the features of the copy then differ
    by more than rounding, because a convolution's output is used elsewhere too, it is a plain copy. docs/speed.md says
    what it saves.

    Args:
        network: left as it is.

    Example:
        >>> from longtail.models import make_network
        >>> folded = fold_batch_norm(make_network("resnet8-cifar", num_classes=10))
        >>> any(isinstance(module, nn.BatchNorm2d) for module in folded.modules())
        False
    """
    plain = copy.deepcopy(network).eval()
    if all(_what_remains(module) is None for module in plain.modules()):  # whatever its inputs are
        return plain
    folded = copy.deepcopy(plain)
    images = _images(plain)
    with torch.no_grad():
        expected = plain.features(images)
        for convolution, batch_norm in _pairs(folded, images):
            _fold(folded, convolution, batch_norm)
        same = torch.allclose(folded.features(images), expected, rtol=1e-3, atol=1e-3 * expected.abs().max().item())
    return folded if same else plain


def _images(network: Network) -> Tensor:
    config, like = network.input_config, like_of(network.classifier)
    images = torch.randn(2, config.channels, *(config.size or (64, 64)), generator=torch.Generator().manual_seed(0))
    return images.to(like)


def _pairs(network: Network, images: Tensor) -> list[Pair]:
    """Batch norms whose input is the very tensor that a convolution returned, each called once."""
    outputs: dict[int, tuple[str, Tensor]] = {}
    pairs: list[Pair] = []
    calls: Counter[str] = Counter()

    def observe(name: str, module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        calls[name] += 1
        if isinstance(module, nn.Conv2d):
            outputs[id(output)] = name, output  # the tensor is kept, so that its id stays its own
        elif id(inputs[0]) in outputs:
            pairs.append((outputs[id(inputs[0])][0], name))

    hooks = [
        module.register_forward_hook(lambda *call, name=name: observe(name, *call))
        for name, module in network.named_modules()
        if isinstance(module, nn.Conv2d) or _what_remains(module) is not None
    ]
    network.features(images)
    for hook in hooks:
        hook.remove()
    return [pair for pair in pairs if calls[pair[0]] == calls[pair[1]] == 1]


def _what_remains(module: nn.Module) -> nn.Module | None:
    """What stays in the place of a folded batch norm; `None` for a module that cannot be folded."""
    if not isinstance(module, nn.BatchNorm2d) or module.running_var is None:
        return None
    if type(module) is nn.BatchNorm2d:
        return nn.Identity()
    drop, activation = (getattr(module, name, None) for name in ("drop", "act"))  # timm's batch norm with activation
    return nn.Sequential(drop, activation) if drop is not None and activation is not None else None


def _fold(network: Network, convolution: str, batch_norm: str) -> None:
    conv, norm = network.get_submodule(convolution), network.get_submodule(batch_norm)
    assert isinstance(conv, nn.Conv2d)
    assert isinstance(norm, nn.BatchNorm2d)
    remains = _what_remains(norm)
    assert norm.running_mean is not None
    assert norm.running_var is not None
    assert remains is not None
    conv.weight, conv.bias = fuse_conv_bn_weights(
        conv.weight, conv.bias, norm.running_mean, norm.running_var, norm.eps, norm.weight, norm.bias
    )
    network.set_submodule(batch_norm, remains)
