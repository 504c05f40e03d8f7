"""One run from its configuration to its result: build, train, score, write."""

import dataclasses
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import nn

from longtail.data import Splits, load_splits
from longtail.losses.catalogue import paper_settings
from longtail.runs import RunFolder
from longtail.training.assembly import RunParts, assemble
from longtail.training.callbacks import Callback
from longtail.training.config import TrainingConfig, parse_arguments
from longtail.training.evaluation import Scorer, predict_logits, score_in_passing
from longtail.training.finishing import finish
from longtail.training.loop import TrainingLoop
from longtail.training.machine import make_fabric, resolve
from longtail.training.resume import adopt, differing_versions
from longtail.training.stages import Progress
from longtail.training.state import TrainingState

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
        config: what the result depends on.
        data: the folder of the data set, or what its source takes in its place (CIFAR in memory); digits need none.
        out: the run folder, new unless `resume`.
        resume: go on with the run in `out` from its last checkpoint, to the very result that it would have had; a
            complete run is left as it is. Begins a new one where `out` does not exist.
        download: fetch the data set where it is missing.
        checkpoint_seconds: time between two checkpoints.
        callbacks: what rides along.
        first_stage: the complete run that a `SecondStageConfig` starts from.
        progress: is told what is done before training begins, and the share of it.

    Raises:
        ValueError: a setting that does not fit the data or the machine, a folder that is not a run, a resumed run
            whose configuration differs.
        FileExistsError: `out` is there and `resume` is not set.
        FileNotFoundError: the data set is missing.
        TrainingStopped, TrainingDivergedError: as in `TrainingLoop.run`.
    """
    _check_callbacks(callbacks)
    existing = _existing_run(Path(out), resume=resume)
    if existing is not None:
        config = adopt(config, existing)
    config = _with_paper_settings(resolve(config))
    if existing is not None and existing.result is not None:
        existing.drop_checkpoint()  # left where the process ended between the result and this
        return existing
    fabric = make_fabric(config)
    with fabric.rank_zero_first():
        splits = load_splits(config, data, fabric.device, download=download, progress=progress)
    if existing is not None:
        _check_same_data(existing, splits)
    run = assemble(config, splits, fabric, callbacks, first_stage, progress)
    folder = existing or _create(run.config, Path(out), fabric, resume=resume)
    with folder.lock(enabled=fabric.is_global_zero):
        if folder.result is not None:  # another process has ended it while this one was loading
            return folder
        _check_same_data(folder, splits)
        if existing is not None:
            _restore(run.state, folder, writes=fabric.is_global_zero)
        if folder.data is None and fabric.is_global_zero:
            folder.save_data(splits.info)
        _train(run, folder, callbacks, checkpoint_seconds)
        if fabric.is_global_zero:
            finish(folder, run)
    fabric.barrier()
    return folder


def _train(run: RunParts, folder: RunFolder, callbacks: Sequence[Callback], checkpoint_seconds: float) -> None:
    TrainingLoop(
        run.fabric,
        run.config,
        run.epochs,
        run.state,
        folder,
        evaluate=lambda: _evaluate(run.state.evaluated, run.scorer, run.stage.splits, run.fabric),
        after_step=run.stage.after_step,
        mix=run.mix,
        callbacks=callbacks,
        checkpoint_seconds=checkpoint_seconds,
    ).run()


def _existing_run(out: Path, *, resume: bool) -> RunFolder | None:
    if resume and out.exists():
        return RunFolder.open(out)
    if out.exists() or out.is_symlink():
        kind = "To go on with it pass --resume." if (out / "run.json").is_file() else "It is not a run."
        raise FileExistsError(f"`out` must not exist yet. Got {out}. {kind}")
    return None


def _check_callbacks(callbacks: Sequence[Callback]) -> None:
    names = [type(callback).__name__ for callback in callbacks if callback.state_dict()]
    if len(names) != len(set(names)):
        raise ValueError(f"`callbacks` with a state must be of different classes. Got {', '.join(names)}.")


def _with_paper_settings(config: TrainingConfig) -> TrainingConfig:
    """Name every argument of the loss, so that the run folder tells them."""
    arguments = paper_settings(config.loss) | parse_arguments(config.loss_arguments)
    return dataclasses.replace(
        config, loss_arguments=tuple(f"{name}={value}" for name, value in sorted(arguments.items()))
    )


def _create(config: TrainingConfig, out: Path, fabric: "Fabric", *, resume: bool) -> RunFolder:
    if fabric.is_global_zero:
        try:
            RunFolder.create(out, config=config, seed=config.seed)
        except FileExistsError:
            if not resume:
                raise
            adopt(config, RunFolder.open(out))  # another process began it while this one was loading
    fabric.barrier()
    return RunFolder.open(out)


def _check_same_data(folder: RunFolder, splits: Splits) -> None:
    """A resumed run must find the data that it began with; older run folders do not say which."""
    known = folder.data
    if known is not None and known.get("fingerprint") != splits.info.fingerprint:
        raise ValueError(
            f"`data` must be the data that the run {folder.path} was begun with. Its samples or labels differ. "
            "Start a new run with another --out."
        )


def _restore(state: TrainingState, folder: RunFolder, *, writes: bool) -> None:
    stored = folder.load_checkpoint()
    if stored is not None:
        try:
            state.load_state_dict(stored)
        except (RuntimeError, LookupError, TypeError, AttributeError, ValueError) as error:
            raise ValueError(f"The checkpoint in {folder.path} must be of this run. It does not fit.") from error
    state.notes += [note for note in differing_versions(folder) if note not in state.notes]
    if writes:
        folder.forget_metrics_from(state.epoch)


def _evaluate(model: nn.Module, scorer: Scorer, splits: Splits, fabric: "Fabric") -> dict[str, float]:
    metrics = score_in_passing(model, splits.test, scorer, fabric.autocast)
    if len(splits.validation):
        logits, target = predict_logits(model, splits.validation, fabric.autocast), splits.validation.target.cpu()
        metrics["validation_balanced_accuracy"] = scorer(logits, target)["balanced_accuracy"]
    return metrics
