"""The optimizer of a run."""

from typing import Any

import torch

from longtail.training.config import TrainingConfig


def make_optimizer(config: TrainingConfig, parameter_groups: list[dict[str, Any]]) -> torch.optim.Optimizer:
    """SGD with the settings of the configuration."""
    return torch.optim.SGD(
        parameter_groups,
        lr=config.learning_rate,
        momentum=config.momentum,
        weight_decay=config.weight_decay,
        fused=True,
    )
