"""All parts of a run besides its folder, made from its configuration and its data."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from longtail.data import Splits
from longtail.data.check import Progress
from longtail.losses import DeferredReweighting
from longtail.losses.contract import LongTailedLoss
from longtail.metrics.groups import GroupBounds
from longtail.runs import RunFolder
from longtail.training.batch_size import fitting_batch_size
from longtail.training.callbacks import Callback
from longtail.training.config import TrainingConfig
from longtail.training.contrastive import ContrastiveStage
from longtail.training.criterion import make_criterion
from longtail.training.epochs import Epochs, augmentation, epochs_of
from longtail.training.evaluation import Evaluation, Scorer
from longtail.training.finishing import LastAugmentation
from longtail.training.initial_state import initial_state
from longtail.training.mixing import Mix, mixing
from longtail.training.pasting import PastedEpochs
from longtail.training.ranks import Ranks
from longtail.training.seeds import derive_seed, generator_for
from longtail.training.stages import Stage, StageInput, make_stage
from longtail.training.state import TrainingState

if TYPE_CHECKING:
    from lightning_fabric import Fabric


@dataclass(frozen=True, eq=False)
class PreparedRun:
    """A run that can be trained.

    Attributes:
        config: with nothing left open.
        stage: with its network.
        state: the initial state.
        epochs: the batches to train on.
        mix: the mixing of a batch; `None` for none.
        evaluation: scores the model during and after training.
        last: the augmentation of the training samples after training.
    """

    config: TrainingConfig
    stage: Stage
    state: TrainingState
    epochs: Epochs
    mix: Mix | None
    evaluation: Evaluation
    last: LastAugmentation


def prepare(
    config: TrainingConfig,
    splits: Splits,
    fabric: "Fabric",
    *,
    callbacks: Sequence[Callback] = (),
    first_stage: RunFolder | None = None,
    progress: Progress | None = None,
) -> PreparedRun:
    """Make the parts of a run.

    Args:
        config: resolved for this machine.
        splits: of the data.
        fabric: the engine, launched.
        callbacks: whose state is part of the checkpoint.
        first_stage: the finished run that a second stage starts from.
        progress: called with the name of a step before training and its finished share, in [0, 1].

    Raises:
        ValueError: a setting that does not fit the data.
    """
    ranks = Ranks.of(fabric)
    config = config if splits.of_features else config.completed()
    if config.batch_size == 0:
        parts = config.accumulate * ranks.number
        config = dataclasses.replace(config, batch_size=fitting_batch_size(len(splits.train), parts))
    criterion, arguments = make_criterion(config, splits.class_counts)
    config = dataclasses.replace(config, loss_arguments=arguments)
    augment = None if splits.of_features else augmentation(config.augmentations, splits.channels)
    epochs = epochs_of(config, splits.train, augment, ranks.rank, ranks.number)
    mix = mixing(config.mixing, config.mixing_alpha, splits.class_counts, of_features=splits.of_features)
    last = LastAugmentation(augment, generator_for(fabric.device, config.seed, config.epochs + 1))
    torch.manual_seed(derive_seed(config.seed))
    stage: Stage = make_stage(
        StageInput(config, splits, augment, fabric.device, fabric.autocast, first_stage, progress, ranks)
    )
    if config.contrastive:
        stage = ContrastiveStage(stage, config)
    epochs = stage.batches(epochs)
    if config.mixing == "cmo":
        classes, alpha = len(splits.class_counts), config.mixing_alpha
        epochs = PastedEpochs(**vars(epochs), num_classes=classes, alpha=alpha, epochs=config.epochs)
    state = initial_state(config, stage, criterion, fabric, callbacks)
    if isinstance(criterion, (LongTailedLoss, DeferredReweighting)):
        state.notes += criterion.notes()
    if isinstance(epochs, PastedEpochs):
        state.notes += epochs.notes()
    scorer = Scorer(splits.class_counts, GroupBounds.of(config))
    evaluation = Evaluation(scorer, stage.splits, fabric.autocast, ranks)
    return PreparedRun(config, stage, state, epochs, mix, evaluation, last)
