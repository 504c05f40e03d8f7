"""The losses by the names that configurations and command lines use.

A package registers an `Entry` under the entry point group `longtail.losses`.
"""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from torch import Tensor, nn

from longtail import losses
from longtail.losses.contract import LongTailedLoss
from longtail.losses.margins import Margins
from longtail.registry import find_registered


@dataclass(frozen=True)
class Entry:
    """One loss by name.

    Attributes:
        module: the class.
        source: authors, venue and year.
        counts: whether it takes class counts; otherwise it takes their number.
        head: the classifier that it needs, "linear" or "cosine".
        settings: the arguments of its paper's experiments on CIFAR100-LT, where they are not its defaults.
    """

    module: Callable[..., nn.Module]
    source: str
    counts: bool = True
    head: str = "linear"
    settings: MappingProxyType[str, Any] = field(default_factory=lambda: MappingProxyType({}))


CALLER_S_OWN = (
    "class_counts",
    "num_classes",
    "weight",
    "ignore_index",
    "reduction",
    "process_group",
    "validate",
    "margins_without_grad",
    "fused",
)


class _CrossEntropy(LongTailedLoss):
    """Cross-entropy itself, with the checks of the other losses."""

    def margins(self) -> Margins:
        """Margins of 0."""
        return Margins()


LOSSES = {
    "ce": Entry(_CrossEntropy, "cross-entropy, as in PyTorch", counts=False),
    "focal": Entry(losses.FocalLoss, "Lin et al., ICCV 2017", counts=False),
    "class-balanced": Entry(losses.ClassBalancedLoss, "Cui et al., CVPR 2019"),
    "ldam": Entry(losses.LDAMLoss, "Cao et al., NeurIPS 2019", head="cosine"),
    "eql": Entry(losses.EQLLoss, "Tan et al., CVPR 2020"),
    "balanced-softmax": Entry(losses.BalancedSoftmaxLoss, "Ren et al., NeurIPS 2020"),
    "logit-adjustment": Entry(losses.LogitAdjustmentLoss, "Menon et al., ICLR 2021"),
    "eql-v2": Entry(losses.EQLv2Loss, "Tan et al., CVPR 2021", counts=False),
    "seesaw": Entry(losses.SeesawLoss, "Wang et al., CVPR 2021", counts=False),
    "lade": Entry(losses.LADELoss, "Hong et al., CVPR 2021"),
    "label-aware-smoothing": Entry(losses.LabelAwareSmoothingLoss, "Zhong et al., CVPR 2021"),
    "vs": Entry(losses.VSLoss, "Kini et al., NeurIPS 2021"),
    "gcl": Entry(losses.GCLLoss, "Li et al., CVPR 2022", head="cosine"),
    "gala": Entry(
        losses.GALALoss,
        "Zhang et al., ICASSP 2024",
        counts=False,
        settings=MappingProxyType({"lambda_positive": 1.2, "form": "released", "accumulate": "released"}),
    ),
}


def find_loss(name: str) -> Entry:
    """The entry of that name, of this package or of another.

    Raises:
        ValueError: there is none.
        TypeError: another package registered something else.

    Example:
        >>> find_loss("ldam").head
        'cosine'
    """
    entry = find_registered(LOSSES, name, argument="loss", group="longtail.losses")
    if not isinstance(entry, Entry):
        raise TypeError(f"`LOSSES[{name!r}]` must be a `longtail.losses.catalogue.Entry`. Got {entry!r}.")
    return entry


def paper_settings(name: str) -> dict[str, Any]:
    """The arguments with which a loss ran in its paper, where they are not its defaults.

    Raises:
        ValueError: no loss of that name.

    Example:
        >>> paper_settings("gala")
        {'lambda_positive': 1.2, 'form': 'released', 'accumulate': 'released'}
    """
    return dict(find_loss(name).settings)


def settable_arguments(name: str) -> dict[str, Any]:
    """The arguments of a loss that a configuration may set, with their defaults.

    Raises:
        ValueError: no loss of that name.

    Example:
        >>> settable_arguments("focal")
        {'gamma': 1.0, 'label_smoothing': 0.0}
    """
    parameters = inspect.signature(find_loss(name).module).parameters.values()
    return {p.name: p.default for p in parameters if p.name not in CALLER_S_OWN and p.default is not p.empty}


def cosine_scale(name: str, arguments: Mapping[str, Any]) -> float | None:
    """The scale of the cosine head that a loss needs, by its arguments or its default; `None` for a linear head.

    Example:
        >>> cosine_scale("ldam", {}), cosine_scale("ldam", {"scale": 20.0}), cosine_scale("gala", {})
        (30.0, 20.0, None)
    """
    entry = find_loss(name)
    if entry.head != "cosine":
        return None
    scale = arguments.get("scale", inspect.signature(entry.module).parameters["scale"].default)
    if not isinstance(scale, int | float) or isinstance(scale, bool):
        raise ValueError(f"`loss_arguments` of {name!r}: `scale` must be a number. Got {scale!r}.")
    return scale


def make_loss(name: str, class_counts: Tensor, **arguments: Any) -> nn.Module:
    """Build a loss for a training set of these class counts.

    Args:
        name: a key of `LOSSES`.
        class_counts: (C,) training samples of each class.
        **arguments: as the module takes them, without those that belong to the loop (`CALLER_S_OWN`).

    Raises:
        ValueError: no loss of that name, no argument of that name, or a value that the loss refuses.

    Example:
        >>> import torch
        >>> make_loss("gala", torch.tensor([90, 10]), lambda_positive=1.0).lambda_positive
        1.0
    """
    known, entry = settable_arguments(name), find_loss(name)
    for argument in arguments:
        if argument not in known:
            raise ValueError(f"`loss_arguments` of {name!r} must be among {', '.join(known)}. Got {argument!r}.")
    try:
        return entry.module(class_counts if entry.counts else len(class_counts), **arguments)
    except TypeError as error:
        raise ValueError(f"`loss_arguments` of {name!r}: {error}") from error


def loss_of_paper(name: str, class_counts: Tensor, arguments: Mapping[str, Any]) -> tuple[nn.Module, dict[str, Any]]:
    """A loss as in its paper but for the `arguments` that are named, and all that it was given.

    Example:
        >>> import torch
        >>> loss_of_paper("gala", torch.tensor([90, 10]), {"form": "paper"})[1]
        {'lambda_positive': 1.2, 'form': 'paper', 'accumulate': 'released'}
    """
    named = {**find_loss(name).settings, **arguments}
    return make_loss(name, class_counts, **named), named


def parse_arguments(pairs: tuple[str, ...]) -> dict[str, float | int | bool | str | None]:
    """Turn ("lambda_positive=1.0", "form=paper") into keyword arguments.

    Example:
        >>> parse_arguments(("lambda_positive=1.0", "form=paper", "lambda_negative=None"))
        {'lambda_positive': 1.0, 'form': 'paper', 'lambda_negative': None}
    """
    arguments: dict[str, float | int | bool | str | None] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not (name.isidentifier() and equals and value):
            raise ValueError(f"`loss_arguments` must have the form name=value. Got {pair!r}.")
        if name in arguments:
            raise ValueError(f"`loss_arguments` must name {name!r} once. Got {pair!r} after another.")
        arguments[name] = _parse_value(value)
    return arguments


def _parse_value(text: str) -> float | int | bool | str | None:
    words: dict[str, bool | None] = {"True": True, "False": False, "None": None}
    if text in words:
        return words[text]
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text
