"""One run from its configuration to its result: build, train, score, write."""

import dataclasses
import os
from collections.abc import Sequence
from typing import Any

import torch

from longtail.data import load_splits
from longtail.runs import RunFolder
from longtail.training.callbacks import Callback, check_states
from longtail.training.config import TrainingConfig
from longtail.training.criterion import make_criterion
from longtail.training.epochs import augmentation, epochs_of
from longtail.training.evaluation import Evaluation, Scorer
from longtail.training.finishing import LastAugmentation, finish
from longtail.training.first_state import first_state
from longtail.training.loop import TrainingLoop
from longtail.training.machine import make_fabric, resolve
from longtail.training.mixing import mixing
from longtail.training.opening import create_run, existing_run
from longtail.training.resume import adopt, check_same_data, check_same_weights, restore
from longtail.training.seeds import derive_seed, generator_for
from longtail.training.stages import Progress, StageInput, check_class, make_stage


def run_experiment(
    config: TrainingConfig,
    *,
    data: Any,
    out: str | os.PathLike[str],
    resume: bool = False,
    download: bool = False,
    checkpoint_seconds: float = 60.0,
    callbacks: Sequence[Callback] = (),
    first_stage: RunFolder | None = None,
    progress: Progress | None = None,
) -> RunFolder:
    """Train and score one run.

    Args:
        config: what the result depends on.
        data: the folder of the data set, or what its source takes in its place (CIFAR in memory); digits need none.
        out: the run folder, new unless `resume`.
        resume: resume the run in `out` from its last checkpoint, bit-identically; start one where `out` does not exist.
            A finished run is left as it is.
        download: fetch the data set where it is missing.
        checkpoint_seconds: time between two checkpoints.
        callbacks: training callbacks.
        first_stage: the finished run that a second stage starts from.
        progress: is told what is done before training begins, and the share of it.

    Raises:
        ValueError: a setting that does not fit the data or the machine, a configuration of another class than its stage
            has, a folder that is not a run, a resumed run whose configuration or data differ.
        FileExistsError: `out` is there and `resume` is not set.
        FileNotFoundError: the data set is missing.
        TrainingStopped, TrainingDivergedError: as in `TrainingLoop.run`.
    """
    check_states(callbacks)
    existing = existing_run(out, resume=resume)
    config = config.located()
    check_class(config)
    if existing is not None:
        config = adopt(config, existing)
    config = resolve(config)
    if existing is not None and existing.result is not None:
        existing.drop_checkpoint()  # left where the process ended between the result and this
        return existing
    if existing is not None:
        check_same_weights(existing, config)
    fabric = make_fabric(config)
    with fabric.rank_zero_first():
        splits = load_splits(config, data, fabric.device, download=download, progress=progress)
    if existing is not None:
        check_same_data(existing, splits)
    config = config if splits.of_features else config.completed()
    criterion, arguments = make_criterion(config, splits.class_counts)
    config = dataclasses.replace(config, loss_arguments=arguments)
    augment = None if splits.of_features else augmentation(config.augmentations, splits.channels)
    epochs = epochs_of(config, splits.train, augment, fabric.global_rank, fabric.world_size)
    mix = mixing(config.mixing, config.mixing_alpha, splits.class_counts, of_features=splits.of_features)
    last = LastAugmentation(augment, generator_for(fabric.device, config.seed, config.epochs + 1))
    torch.manual_seed(derive_seed(config.seed))
    stage = make_stage(
        StageInput(config, splits, augment, fabric.device, fabric.autocast, fabric.world_size, first_stage, progress)
    )
    epochs = stage.batches(epochs)
    state = first_state(config, stage, criterion, fabric, callbacks)
    scorer = Scorer(splits.class_counts, config.many_above, config.few_below)
    evaluation = Evaluation(scorer, stage.splits, fabric.autocast)
    if existing is None and fabric.is_global_zero:
        create_run(config, out, resume=resume)
    fabric.barrier()
    folder = existing or RunFolder.open(out)
    with folder.lock(enabled=fabric.is_global_zero):
        if folder.result is not None:  # another process has ended it while this one was loading
            return folder
        check_same_data(folder, splits)
        if existing is not None:
            restore(state, folder, writes=fabric.is_global_zero)
        if folder.data is None and fabric.is_global_zero:
            folder.save_data(splits.info)
        loop = TrainingLoop(
            fabric,
            config,
            epochs,
            state,
            folder,
            evaluate=lambda: evaluation.in_passing(state.evaluated),
            after_step=stage.after_step,
            mix=mix,
            callbacks=callbacks,
            checkpoint_seconds=checkpoint_seconds,
        )
        loop.run()
        if fabric.is_global_zero:
            finish(folder, state, stage, evaluation, last)
    fabric.barrier()
    return folder
