"""The parts of a run, made from its configuration: batches, mixing, loss, optimizer, stage, state."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from longtail.data import Augment, Splits
from longtail.losses import DeferredReweighting
from longtail.losses.catalogue import make_loss
from longtail.runs import RunFolder
from longtail.samplers import make_sampler
from longtail.training.callbacks import Callback
from longtail.training.config import TrainingConfig, parse_arguments
from longtail.training.epochs import Epochs, augmentation
from longtail.training.evaluation import Scorer
from longtail.training.loop import Mix
from longtail.training.optimizer import make_average, make_optimizer
from longtail.training.seeds import derive_seed
from longtail.training.stages import Stage, StageInput, make_stage
from longtail.training.state import TrainingState
from longtail.transforms import cutmix, mixup, remix

if TYPE_CHECKING:
    from lightning_fabric import Fabric


@dataclass(frozen=True, eq=False)
class RunParts:
    """What a run is made of.

    Attributes:
        fabric: the engine, launched.
        config: resolved, and completed by the network.
        splits: the samples as the source gave them.
        augment: of the images of one batch; None where nothing is augmented.
        stage: what is trained.
        epochs: its batches.
        mix: of the images and labels of a batch; None where they are not mixed.
        state: at its beginning.
        scorer: of predictions.
    """

    fabric: "Fabric"
    config: TrainingConfig
    splits: Splits
    augment: Augment | None
    stage: Stage
    epochs: Epochs
    mix: Mix | None
    state: TrainingState
    scorer: Scorer


def assemble(
    config: TrainingConfig,
    splits: Splits,
    fabric: "Fabric",
    callbacks: Sequence[Callback],
    first_stage: RunFolder | None,
    progress: Callable[[str, float], None] | None,
) -> RunParts:
    """Make the parts of a run; arguments and errors as those of `run_experiment`."""
    of_images = len(splits.info.input_shape) > 1
    config = config.completed() if of_images else config
    scorer = Scorer(splits.class_counts, config.many_above, config.few_below)
    augment = augmentation(config.augmentations, splits.channels) if of_images else None
    epochs, mix = make_epochs(config, splits, augment, fabric), _mixing(config, splits)
    torch.manual_seed(derive_seed(config.seed))
    stage = make_stage(
        StageInput(config, splits, augment, fabric.device, fabric.autocast, fabric.world_size, first_stage, progress)
    )
    epochs = stage.batches(epochs)
    state = _initial_state(config, stage, splits, fabric, callbacks)
    return RunParts(fabric, config, splits, augment, stage, epochs, mix, state, scorer)


def make_epochs(config: TrainingConfig, splits: Splits, augment: Augment | None, fabric: "Fabric") -> Epochs:
    """The batches of this process; refuses a batch size that does not suit the samples or the processes."""
    processes, samples = fabric.world_size, len(splits.train)
    if processes > samples:
        raise ValueError(f"There must be at least one training image a process. Got {samples} for {processes}.")
    if config.batch_size > samples and not config.ONE_BATCH_WILL_DO:
        raise ValueError(
            f"`batch_size` must be at most {samples}, the training images. Got {config.batch_size}. "
            f"Pass --batch-size {max(processes, samples // 2 // processes * processes)}."
        )
    if config.batch_size % processes:
        raise ValueError(
            f"`batch_size` must be a multiple of {processes}, the number of processes. Got {config.batch_size}."
        )
    if config.accumulate * processes > config.batch_size:
        raise ValueError(
            f"`accumulate` must leave a sample in each part of the {config.batch_size // processes} that a process has "
            f"of a batch. Got {config.accumulate}."
        )
    sampler = None
    if config.sampler != "shuffle":
        sampler = make_sampler(config.sampler, splits.train.target, seed=config.seed, epochs=config.epochs)
    return Epochs(splits.train, augment, config.batch_size, config.seed, fabric.global_rank, processes, sampler)


def _mixing(config: TrainingConfig, splits: Splits) -> Mix | None:
    if config.mixing == "cutmix" and len(splits.info.input_shape) == 1:
        raise ValueError('`mixing` must not be "cutmix" for features, which have no pixels. Got "cutmix".')
    counts, alpha = splits.class_counts, config.mixing_alpha
    known: dict[str, Mix | None] = {
        "none": None,
        "mixup": lambda images, target: mixup(images, target, len(counts), alpha=alpha),
        "cutmix": lambda images, target: cutmix(images, target, len(counts), alpha=alpha),
        "remix": lambda images, target: remix(images, target, counts, alpha=alpha),
    }
    return known[config.mixing]


def _initial_state(
    config: TrainingConfig, stage: Stage, splits: Splits, fabric: "Fabric", callbacks: Sequence[Callback]
) -> TrainingState:
    criterion = make_loss(config.loss, splits.class_counts, **parse_arguments(config.loss_arguments))
    if config.reweight_from:
        criterion = DeferredReweighting(criterion, splits.class_counts, start_epoch=config.reweight_from)
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
