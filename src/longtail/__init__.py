"""longtail: classifiers that treat rare classes fairly.

    from longtail import GALALoss               # in the place of nn.CrossEntropyLoss; no class counts needed
    from longtail import PredictionRebalancer   # re-balances the predictions of a model that is already trained

The rooms: `losses`, `posthoc`, `metrics`, `data`, `transforms`, `models`, `runs`, `samplers`, `training`, `recipes`,
`repair`, `estimators`, `export`, `reports`, `cli`.
"""

import importlib
from typing import TYPE_CHECKING, Any

from longtail.losses import BalancedSoftmaxLoss, GALALoss, balanced_softmax_loss, gala_loss
from longtail.posthoc import PostHocLogitAdjustment, PredictionRebalancer

if TYPE_CHECKING:
    from longtail.auto import fit, load

__version__ = "0.1.0"

__all__ = [
    "BalancedSoftmaxLoss",
    "GALALoss",
    "PostHocLogitAdjustment",
    "PredictionRebalancer",
    "balanced_softmax_loss",
    "fit",
    "gala_loss",
    "load",
]

_ROOMS = (
    "analysis",
    "auto",
    "cli",
    "data",
    "doctor",
    "estimators",
    "export",
    "metrics",
    "models",
    "recipes",
    "repair",
    "reports",
    "runs",
    "samplers",
    "training",
    "transforms",
)


def __getattr__(name: str) -> Any:
    if name in ("fit", "load"):
        return getattr(importlib.import_module("longtail.auto"), name)
    if name not in _ROOMS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return importlib.import_module(f"longtail.{name}")
