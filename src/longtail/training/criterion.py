"""The loss of a run, with every argument named, so that the run folder tells them."""

from torch import Tensor, nn

from longtail.losses import DeferredReweighting
from longtail.losses.catalogue import loss_of_paper, parse_arguments
from longtail.training.config import TrainingConfig


def make_criterion(config: TrainingConfig, class_counts: Tensor) -> tuple[nn.Module, tuple[str, ...]]:
    """The loss of the configuration, re-weighted from an epoch on where that is asked for, and its arguments.

    Args:
        config: arguments that it does not name are as in the paper.
        class_counts: (C,) training samples.

    Raises:
        ValueError: arguments that the loss does not take.
    """
    named = parse_arguments(config.loss_arguments)
    criterion, arguments = loss_of_paper(config.loss, class_counts, named)
    if config.reweight_from:
        criterion = DeferredReweighting(criterion, class_counts, start_epoch=config.reweight_from)
    return criterion, tuple(f"{name}={value}" for name, value in sorted(arguments.items()))
