"""The loss of a run, and all its arguments for the run folder."""

from torch import Tensor, nn

from longtail.losses import DeferredReweighting
from longtail.losses.catalogue import loss_of_paper, parse_arguments
from longtail.training.config import TrainingConfig


def refuse_late_weights(config: TrainingConfig) -> None:
    """Raise if class-balanced weights would begin after the last epoch.

    Raises:
        ValueError: names both epochs.
    """
    if config.reweight_from > config.epochs:
        raise ValueError(
            f"`reweight_from` must be at most `epochs`, {config.epochs}: weights would never begin. "
            f"Got {config.reweight_from}. Name an earlier epoch, or leave it out."
        )


def make_criterion(config: TrainingConfig, class_counts: Tensor) -> tuple[nn.Module, tuple[str, ...]]:
    """The loss that the configuration names, with deferred re-weighting if it asks for that.

    Args:
        config: arguments of the loss that it does not set are those of the paper.
        class_counts: (C,) training samples.

    Returns:
        The loss, and all its arguments as `name=value`.

    Raises:
        ValueError: arguments that the loss does not take.
    """
    named = parse_arguments(config.loss_arguments)
    criterion, arguments = loss_of_paper(config.loss, class_counts, named)
    if config.reweight_from:
        criterion = DeferredReweighting(criterion, class_counts, start_epoch=config.reweight_from)
    return criterion, tuple(f"{name}={value}" for name, value in sorted(arguments.items()))
