"""The optimizer by its name, and the moving average of the weights."""

from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from longtail.training.optimiser_config import OptimiserConfig

if TYPE_CHECKING:
    from timm.utils import ModelEmaV3


def make_optimizer(config: OptimiserConfig, groups: list[dict[str, Any]], *, scaled: bool) -> torch.optim.Optimizer:
    """The optimizer of a run.

    Args:
        config: its name and settings.
        groups: of the stage's parameters, which may have a weight decay of their own.
        scaled: whether gradients are those of a scaled loss (float16).

    Raises:
        ValueError: it can't be made on this machine.
    """
    if config.optimizer == "sgd":
        return torch.optim.SGD(
            groups,
            lr=config.learning_rate,
            momentum=config.momentum,
            weight_decay=config.weight_decay,
            fused=not scaled,  # a fused optimizer removes the scale only after gradients were clipped
        )
    from timm.optim import create_optimizer_v2

    try:
        return create_optimizer_v2(
            groups,
            opt=config.optimizer,
            lr=config.learning_rate,
            weight_decay=config.weight_decay,
            momentum=config.momentum,
        )
    except (AssertionError, ImportError, RuntimeError, TypeError, ValueError) as error:
        raise ValueError(
            f"`optimizer`: timm could not make {config.optimizer!r}: {error}. Pass adamw or sgd."
        ) from error


def make_average(config: OptimiserConfig, model: nn.Module) -> "ModelEmaV3 | None":
    """The moving average of a model's weights and buffers; `None` if the configuration has no average.

    The decay rises to `config.ema` over the first steps, so that initial weights don't dominate a short run.
    """
    if not config.ema:
        return None
    from timm.utils import ModelEmaV3

    return ModelEmaV3(model, decay=config.ema, use_warmup=True)
