"""Losses in the training loops of other libraries: one module for each, imported when its name is first used.

Your own loop, accelerate, timm and skorch need only the loss itself: docs/trainers.md.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from longtail.integrations.lightning import LightningLosses
    from longtail.integrations.transformers import TransformersLoss

__all__ = ["LightningLosses", "TransformersLoss"]

_MODULES = {"LightningLosses": "lightning", "TransformersLoss": "transformers"}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"longtail.integrations.{_MODULES[name]}"), name)
