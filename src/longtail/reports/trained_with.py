"""What a run was trained with, in a few words: its loss, and what is beside it."""

from collections.abc import Mapping
from typing import Any


def trained_with(config: Mapping[str, Any]) -> str:
    """The loss, deferred re-weighting, the mixing, contrastive learning and SAM.

    Args:
        config: settings as a run folder has them, `loss` among them.

    Example:
        >>> trained_with({"loss": "ldam", "reweight_from": 161, "sam_radius": 0.8})
        'ldam with DRW and SAM'
    """
    mixing = config.get("mixing", "none")
    beside = ["DRW"] if config.get("reweight_from") else []
    beside += [] if mixing == "none" else [str(mixing)]
    if config.get("contrastive"):
        beside += [f"{config.get('contrastive_loss', 'balanced')} contrastive learning"]
    beside += ["SAM"] if config.get("sam_radius") else []
    return str(config["loss"]) + (f" with {' and '.join(beside)}" if beside else "")
