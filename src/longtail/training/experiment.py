"""One run from its configuration to its result: build, train, score, write."""

import os
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from longtail.data import load_splits
from longtail.data.check import Progress
from longtail.runs import RunFolder
from longtail.runs.check_run import check_run
from longtail.training.callbacks import Callback, check_callbacks
from longtail.training.config import TrainingConfig
from longtail.training.criterion import refuse_late_weights
from longtail.training.failed_ranks import failing_together
from longtail.training.file_check import first_checks_files
from longtail.training.finishing import finish
from longtail.training.hardware import make_fabric, resolve, seconds_to_wait_for_the_lock
from longtail.training.loop import TrainingLoop
from longtail.training.opening import (
    check_all_read_the_same,
    check_all_see,
    check_can_be_written,
    create_run,
    existing_run,
    open_when_visible,
)
from longtail.training.preparation import PreparedRun, prepare
from longtail.training.ranks import Ranks
from longtail.training.resume import adopt, check_same_data, check_same_weights, restore
from longtail.training.settings_of_stages import refuse_settings_of_other_stages
from longtail.training.stages import check_class
from longtail.training.writing import write_errors

if TYPE_CHECKING:
    from lightning_fabric import Fabric


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
        config: the settings that the result depends on.
        data: the folder of the data set, or what its source takes in its place (CIFAR in memory); digits need none.
        out: the run folder, new unless `resume`.
        resume: resume the run in `out` from its last checkpoint, bit-identically; start one where `out` does not exist.
            A finished run is left as it is.
        download: fetch the data set where it is missing.
        checkpoint_seconds: time between two checkpoints.
        callbacks: training callbacks.
        first_stage: the finished run that a second stage starts from.
        progress: called with the name of a step before training and its finished share, in [0, 1].

    Returns:
        The folder of the finished run.

    Raises:
        TypeError: a configuration, a callback or a first stage of another type.
        ValueError: a setting that does not fit the data or the machine, a configuration of another class than its stage
            has, a folder that is not a run, a resumed run whose configuration or data differ.
        FileExistsError: `out` exists and `resume` is not set.
        FileNotFoundError: the data set is missing.
        OSError: a file of the run could not be written; the run can be resumed.
        RunInUseError: another process works on the run in `out`.
        TrainingStopped: Ctrl-C or SIGTERM asked for the end; the run can be resumed.
        TrainingDivergedError: the loss or the weights are no longer finite.
        RankFailedError: another of several processes failed.

    Example:
        >>> import tempfile
        >>> from longtail.recipes import digits_lt
        >>> folder = run_experiment(digits_lt(epochs=1), data=None, out=tempfile.mkdtemp() + "/run")
        >>> folder.result["epoch"], folder.result["class_counts"][:3]
        (1, [138, 89, 57])
    """
    _check_types(config, callbacks, first_stage)
    existing = existing_run(out, resume=resume)
    config = config.located()
    check_class(config)
    if existing is not None:
        config = adopt(config, existing)
    else:
        refuse_settings_of_other_stages(config)
        refuse_late_weights(config)
    config = resolve(config)
    if existing is not None and existing.result is not None:
        with suppress(OSError):  # of a process that ended right after writing the result; a read-only disk keeps it
            existing.drop_checkpoint()
        return existing
    if existing is not None:
        check_same_weights(existing, config)
    fabric = make_fabric(config)
    ranks = Ranks.of(fabric)
    with failing_together(ranks, _how_to_resume(resume=resume)):
        check_all_see(existing, out, ranks)
        if ranks.first:
            check_can_be_written(out)
        with first_checks_files(fabric, ranks):
            splits = load_splits(config, data, fabric.device, download=download, progress=progress)
        check_all_read_the_same(splits, ranks)
        if existing is not None:
            check_same_data(existing, splits)
        run = prepare(config, splits, fabric, callbacks=callbacks, first_stage=first_stage, progress=progress)
        if existing is None and ranks.first:
            create_run(run.config, out, resume=resume)
        fabric.barrier()
        folder = existing or open_when_visible(out)
        with folder.lock(enabled=ranks.first, wait=seconds_to_wait_for_the_lock()):
            if ranks.from_first(folder.result is not None):  # another process finished it while this one was loading
                return folder
            check_same_data(folder, splits)
            if existing is not None:
                restore(run.state, folder, ranks, epochs=run.config.epochs, steps=run.epochs.steps)
            with write_errors(folder):
                if ranks.first and folder.data is None:
                    folder.save_data(splits.info)
                _train(fabric, run, folder, callbacks, checkpoint_seconds)
                finish(folder, run.state, run.stage, run.evaluation, run.last)
        fabric.barrier()
    return folder


def _check_types(config: TrainingConfig, callbacks: Sequence[Callback], first_stage: RunFolder | None) -> None:
    if not isinstance(config, TrainingConfig):
        raise TypeError(
            f"`config` must be a TrainingConfig. Got {config!r} ({type(config).__name__}). Recipes return one: "
            "`longtail.recipes.digits_lt(epochs=5)`."
        )
    if first_stage is not None:
        check_run("first_stage", first_stage)
    check_callbacks(callbacks)


def _how_to_resume(*, resume: bool) -> str:
    """What to do after a process of several was lost."""
    option = "" if resume else " with --resume"
    return (
        f"Start the same command again{option}: training continues from its last checkpoint. With --max-restarts 3 "
        "torchrun does so by itself."
    )


def _train(
    fabric: "Fabric", run: PreparedRun, folder: RunFolder, callbacks: Sequence[Callback], checkpoint_seconds: float
) -> None:
    loop = TrainingLoop(
        fabric,
        run.config,
        run.epochs,
        run.state,
        folder,
        evaluate=lambda: run.evaluation.during_training(run.state.evaluated),
        after_step=run.stage.after_step,
        mix=run.mix,
        callbacks=callbacks,
        checkpoint_seconds=checkpoint_seconds,
    )
    loop.run()
