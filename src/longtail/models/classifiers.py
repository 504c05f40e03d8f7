"""Classifiers by name: how a run folder describes the one that a network ends with, and how it is built again.

A classifier of your own is one line: `CLASSIFIERS["mine"] = ClassifierKind(Mine, Mine)`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from longtail.models.adaptive_calibration import AdaptiveCalibration
from longtail.models.cosine import CosineClassifier
from longtail.models.nearest_mean import NearestMeans


@dataclass(frozen=True)
class ClassifierKind:
    """A class of classifiers that a run folder can describe, an entry of `CLASSIFIERS`.

    Attributes:
        module: the class.
        build: from (num_features, num_classes, **settings) to a classifier, whose weights are then loaded.
        settings: from a classifier to the keyword arguments of `build`: plain values.

    Example:
        >>> class Scaled(nn.Linear):
        ...     def forward(self, features):
        ...         return 10 * super().forward(features)
        >>> CLASSIFIERS["scaled"] = ClassifierKind(Scaled, Scaled)
        >>> describe_classifier(Scaled(8, 3)), build_classifier("scaled", 8, 3, {})
        ({'classifier': 'scaled'}, Scaled(in_features=8, out_features=3, bias=True))
        >>> del CLASSIFIERS["scaled"]
    """

    module: type[nn.Module]
    build: Callable[..., nn.Module]
    settings: Callable[[Any], dict[str, Any]] = lambda _classifier: {}


def _bias_of(linear: nn.Linear) -> dict[str, Any]:
    return {} if linear.bias is not None else {"bias": False}


CLASSIFIERS: dict[str, ClassifierKind] = {
    "linear": ClassifierKind(nn.Linear, nn.Linear, _bias_of),
    "cosine": ClassifierKind(CosineClassifier, CosineClassifier, lambda cosine: {"scale": float(cosine.scale)}),
    "nearest-mean": ClassifierKind(
        NearestMeans,
        lambda num_features, num_classes: NearestMeans(
            torch.zeros(num_features), torch.zeros(num_classes, num_features)
        ),
    ),
    "calibrated-linear": ClassifierKind(
        AdaptiveCalibration,
        lambda num_features, num_classes, bias=True: AdaptiveCalibration(nn.Linear(num_features, num_classes, bias)),
        lambda calibrated: _bias_of(calibrated.linear),
    ),
}


def describe_classifier(classifier: nn.Module) -> dict[str, Any]:
    """The name of a classifier under `classifier`, and its settings; of one that is not registered its class.

    Example:
        >>> describe_classifier(nn.Linear(8, 3, bias=False))
        {'classifier': 'linear', 'bias': False}
    """
    for name, kind in CLASSIFIERS.items():
        if type(classifier) is kind.module:
            return {"classifier": name, **kind.settings(classifier)}
    return {"classifier": f"{type(classifier).__module__}.{type(classifier).__qualname__}"}


def build_classifier(name: str, num_features: int, num_classes: int, settings: Mapping[str, Any]) -> nn.Module:
    """The classifier that was described so, without its weights.

    Raises:
        ValueError: no classifier of that name is registered.

    Example:
        >>> build_classifier("linear", 8, 3, {"bias": False})
        Linear(in_features=8, out_features=3, bias=False)
    """
    if name not in CLASSIFIERS:
        raise ValueError(
            f"`classifier` must be registered in longtail.models.CLASSIFIERS ({', '.join(CLASSIFIERS)}). Got {name}. "
            "Register it before its network is loaded."
        )
    return CLASSIFIERS[name].build(num_features, num_classes, **settings)
