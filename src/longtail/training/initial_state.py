"""The initial state of a run."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import nn

from longtail.training.callbacks import Callback
from longtail.training.config import TrainingConfig
from longtail.training.optimizer import make_average, make_optimizer
from longtail.training.stages import Stage
from longtail.training.state import TrainingState

if TYPE_CHECKING:
    from lightning_fabric import Fabric


def initial_state(
    config: TrainingConfig, stage: Stage, criterion: nn.Module, fabric: "Fabric", callbacks: Sequence[Callback]
) -> TrainingState:
    """Model, loss and optimizer; a moving average and the scaler of the loss where the configuration has them."""
    scaler = getattr(fabric.strategy.precision, "scaler", None)
    return TrainingState(
        stage.model,
        criterion.to(fabric.device),
        make_optimizer(config, stage.parameter_groups(), scaled=scaler is not None),
        callbacks,
        total=torch.zeros((), dtype=torch.float64, device=fabric.device),
        average=make_average(config, stage.model),
        scaler=scaler,
    )
