"""The stage `finetune`: a pretrained network is trained further, all of it or a part."""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from longtail.models import Network
from longtail.training.config import TrainingConfig
from longtail.training.epochs import Epochs
from longtail.training.network import make_network
from longtail.training.stages import STAGES, StageInput, StageKind


class PartlyTrained(nn.Module):
    """A network whose batch norm stays in `eval()` wherever its scale is frozen.

    Args:
        network: with `requires_grad` set.

    Shape:
        inputs of the network to logits (N, C).
    """

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.network = network

    def train(self, mode: bool = True) -> "PartlyTrained":
        """As usual, but the statistics of frozen batch norm do not change either."""
        super().train(mode)
        for module in self.network.modules():
            if isinstance(module, _BatchNorm) and module.weight is not None and not module.weight.requires_grad:
                module.eval()
        return self

    def forward(self, inputs: Tensor) -> Tensor:
        """Logits (N, C)."""
        logits: Tensor = self.network(inputs)
        return logits


class FineTuning:
    """The stage that trains a pretrained network further, all of it or a part (stage "finetune").

    Args:
        given: the configuration, and splits of images.

    Raises:
        ValueError: a first stage, features instead of images, or a `tune` of more layers than there are.

    Example:
        >>> from contextlib import nullcontext
        >>> from longtail.data import load_splits
        >>> from longtail.recipes import finetune
        >>> cpu, images = torch.device("cpu"), torch.zeros(30, 16, 16, 3, dtype=torch.uint8).numpy()
        >>> own = {"model": "resnet8-cifar", "pretrained": False, "size": 16, "mean": (0.5,) * 3, "std": (0.25,) * 3}
        >>> config = finetune(tune="head", **own).completed()
        >>> splits = load_splits(config, (images, ["otter"] * 20 + ["seal"] * 10), cpu)
        >>> stage = FineTuning(StageInput(config, splits, None, cpu, nullcontext))
        >>> [name for name, parameter in stage.finished().named_parameters() if parameter.requires_grad]
        ['classifier.weight', 'classifier.bias']
    """

    def __init__(self, given: StageInput) -> None:
        config, info = given.config, given.splits.info
        if given.first_stage is not None:
            raise ValueError("`first_stage` must be left out for fine-tuning.")
        if len(info.input_shape) == 1:
            raise ValueError(
                '`stage` "finetune" needs images. The data are features: longtail train features --data PATH.'
            )
        self.splits, self.config = given.splits, config
        network = make_network(config, len(info.class_names), info).to(given.device)
        if config.channels_last == "on":
            network = network.to(memory_format=torch.channels_last)
        self.layers = layer_numbers(network)
        _freeze(network, config.tune, self.layers)
        self.model = PartlyTrained(network)

    def parameter_groups(self) -> list[dict[str, Any]]:
        """One group for each layer and weight decay: earlier layers may learn more slowly, biases do not decay."""
        return parameter_groups(self.model.network, self.layers, self.config)

    def batches(self, default: Epochs) -> Epochs:
        """The training samples."""
        return default

    def after_step(self) -> None:
        """Do nothing."""

    def scored(self) -> Network:
        """The network itself."""
        return self.model.network

    def finished(self) -> Network:
        """The network itself."""
        return self.model.network

    def provenance(self) -> dict[str, Any]:
        """Where its weights come from, and which parameters were trained."""
        config, report = self.config, self.model.network.weight_report
        weights = f"weights {config.weights}" if config.weights else "not pretrained"
        trained = sum(p.numel() for p in self.model.parameters() if p.requires_grad)
        return {
            "backbone": "pretrained" if config.pretrained else weights,
            "trained_parameters": trained,
            "notes": [] if report is None else [report.summary()],
        }


def layer_numbers(network: Network) -> dict[str, int]:
    """The layer of each parameter, counted from 0 at the input; the classifier is the last.

    The layers of a timm model are those of its `group_matcher`, those of any other the modules of its backbone.
    """
    backbone: Any = network.backbone
    if hasattr(backbone, "group_matcher"):
        from timm.models import group_parameters

        found = group_parameters(backbone, backbone.group_matcher(coarse=False))
        groups = list(found.values())
    else:
        groups = list(_by_module(backbone))
    numbers = {f"backbone.{name}": number for number, names in enumerate(groups) for name in names}
    return numbers | {f"classifier.{name}": len(groups) for name, _ in network.classifier.named_parameters()}


def _by_module(backbone: nn.Module) -> Iterator[list[str]]:
    """Names of the parameters of each module, in order; a `Sequential` counts as the modules that it holds."""
    for name, child in backbone.named_children():
        if isinstance(child, nn.Sequential):
            yield from ([f"{name}.{own}" for own in names] for names in _by_module(child))
        elif own := [f"{name}.{parameter}" for parameter, _ in child.named_parameters()]:
            yield own
    if direct := [parameter for parameter, _ in backbone.named_parameters(recurse=False)]:
        yield direct


def _freeze(network: Network, tune: str, layers: dict[str, int]) -> None:
    """Freeze all parameters that `tune` does not name."""
    if tune == "all":
        return
    first = max(layers.values())
    if tune.startswith("last:"):
        first -= int(tune.removeprefix("last:"))
        if first < 0:
            raise ValueError(f"`tune` must name at most {max(layers.values())} layers. Got {tune!r}.")
    for name, parameter in network.named_parameters():
        parameter.requires_grad_(layers[name] >= first or (tune == "bias" and name.endswith("bias")))


def parameter_groups(network: Network, layers: dict[str, int], config: TrainingConfig) -> list[dict[str, Any]]:
    """Parameter groups of the optimizer, one for each learning rate and weight decay.

    Matrices and convolutions decay, other parameters and those that the backbone exempts do not.
    """
    last = max(layers.values())
    exempt: set[str] = getattr(network.backbone, "no_weight_decay", set)()
    groups: dict[tuple[float, bool], list[nn.Parameter]] = {}
    for name, parameter in network.named_parameters():
        if parameter.requires_grad:
            decays = parameter.ndim > 1 and name.removeprefix("backbone.") not in exempt
            factor = config.layer_decay ** (last - layers[name])
            groups.setdefault((factor, decays), []).append(parameter)
    return [
        {"params": parameters, "factor": factor, "weight_decay": config.weight_decay if decays else 0.0}
        for (factor, decays), parameters in groups.items()
    ]


STAGES["finetune"] = StageKind(FineTuning)
