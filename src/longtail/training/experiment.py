"""One run from its configuration to its result: build, train, score, write."""

import dataclasses
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn

from longtail.data import Augment, Splits, load_splits
from longtail.losses import DeferredReweighting
from longtail.losses.catalogue import make_loss, paper_settings
from longtail.runs import RunFolder
from longtail.samplers import make_sampler
from longtail.training.callbacks import Callback
from longtail.training.config import TrainingConfig, parse_arguments
from longtail.training.epochs import Epochs, augmentation
from longtail.training.evaluation import Scorer, best_on_test, predict_logits, prior_slope, score_all, score_in_passing
from longtail.training.loop import Mix, TrainingLoop
from longtail.training.machine import make_fabric, resolve
from longtail.training.network import described
from longtail.training.resume import adopt, differing_versions
from longtail.training.seeds import derive_seed, generator_for
from longtail.training.stages import Stage, StageInput, make_stage
from longtail.training.state import TrainingState
from longtail.transforms import cutmix, mixup, remix

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
        splits = load_splits(config, data, fabric.device, download=download)
    scorer = Scorer(splits.class_counts, config.many_above, config.few_below)
    augment = augmentation(config.augmentations, splits.channels)
    epochs = _epochs(config, splits, augment, fabric)
    torch.manual_seed(derive_seed(config.seed))
    stage = make_stage(
        StageInput(config, splits, augment, fabric.device, fabric.autocast, fabric.world_size, first_stage)
    )
    epochs = stage.batches(epochs)
    state = _initial_state(config, stage, splits, fabric, callbacks)
    folder = existing or _create(config, Path(out), fabric, resume=resume)
    with folder.lock(enabled=fabric.is_global_zero):
        if folder.result is not None:  # another process has ended it while this one was loading
            return folder
        if existing is not None:
            _restore(state, folder, writes=fabric.is_global_zero)
        _keep_data(folder, splits, writes=fabric.is_global_zero)
        loop = TrainingLoop(
            fabric,
            config,
            epochs,
            state,
            folder,
            evaluate=lambda: _evaluate(state.model, scorer, splits, fabric),
            after_step=stage.after_step,
            mix=_mixing(config, splits),
            callbacks=callbacks,
            checkpoint_seconds=checkpoint_seconds,
        )
        loop.run()
        if fabric.is_global_zero:
            _finish(folder, config, state, stage, scorer, splits, augment, fabric)
    fabric.barrier()
    return folder


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


def _epochs(config: TrainingConfig, splits: Splits, augment: Augment | None, fabric: "Fabric") -> Epochs:
    processes, samples = fabric.world_size, len(splits.train)
    if processes > samples:
        raise ValueError(f"There must be at least one training image a process. Got {samples} for {processes}.")
    if config.batch_size > samples:
        raise ValueError(f"`batch_size` must be at most {samples}, the training images. Got {config.batch_size}.")
    if config.batch_size % processes:
        raise ValueError(
            f"`batch_size` must be a multiple of {processes}, the number of processes. Got {config.batch_size}."
        )
    sampler = None
    if config.sampler != "shuffle":
        sampler = make_sampler(config.sampler, splits.train.target, seed=config.seed, epochs=config.epochs)
    return Epochs(splits.train, augment, config.batch_size, config.seed, fabric.global_rank, processes, sampler)


def _mixing(config: TrainingConfig, splits: Splits) -> Mix | None:
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
    optimizer = torch.optim.SGD(
        stage.parameter_groups(),
        lr=config.learning_rate,
        momentum=config.momentum,
        weight_decay=config.weight_decay,
        fused=True,
    )
    total = torch.zeros((), dtype=torch.float64, device=fabric.device)
    return TrainingState(stage.model, criterion.to(fabric.device), optimizer, callbacks, total=total)


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


def _keep_data(folder: RunFolder, splits: Splits, *, writes: bool) -> None:
    """Write what the folder keeps of the data, or see that a resumed run finds the data that it began with."""
    known = folder.data
    if known is None:
        if writes:
            folder.save_data(splits.info)
    elif known["fingerprint"] != splits.info.fingerprint:
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


def _finish(
    folder: RunFolder,
    config: TrainingConfig,
    state: TrainingState,
    stage: Stage,
    scorer: Scorer,
    splits: Splits,
    augment: Augment | None,
    fabric: "Fabric",
) -> None:
    """Keep predictions and weights, then the result, whose presence says that the run is complete."""
    network = stage.finished()
    predictions = _keep_predictions(folder, config, network, splits, augment, fabric)
    folder.save_weights({"model": network.state_dict(), "criterion": state.criterion.state_dict()})
    metrics, counts = folder.metrics, splits.class_counts
    fit_on = "validation" if splits.holds_out_every_class else "augmented"
    scores, notes = score_all(scorer, predictions["test"], predictions[fit_on])
    provenance = stage.provenance()
    result: dict[str, Any] = {
        "epoch": config.epochs,
        "test": scores,
        "fit_on": fit_on,
        "best_on_test": best_on_test(metrics),
        **({"validation": scorer(*predictions["validation"])} if len(splits.validation) else {}),
        "class_counts": counts,
        "network": described(network, splits.channels),
        "parameters": sum(parameter.numel() for parameter in network.parameters()),
        "training_minutes": round(sum(line["seconds"] for line in metrics) / 60, 2),
        "notes": [*state.notes, *provenance.pop("notes", ()), *notes],
        **prior_slope(state.criterion, counts),
        **provenance,
    }
    folder.finish(result)
    folder.drop_checkpoint()


def _keep_predictions(
    folder: RunFolder,
    config: TrainingConfig,
    network: nn.Module,
    splits: Splits,
    augment: Augment | None,
    fabric: "Fabric",
) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Logits and labels of every split, in the run folder and in memory."""
    generator = generator_for(fabric.device, config.seed, config.epochs + 1)
    kept = {
        "train": splits.train,
        "augmented": splits.train.augmented(augment, generator),
        "test": splits.test,
        **({"validation": splits.validation} if len(splits.validation) else {}),
    }
    predictions = {}
    for name, split in kept.items():
        logits = predict_logits(network, split, fabric.autocast)
        folder.save_predictions(name, logits, split.target)
        predictions[name] = logits.numpy(), split.target.cpu().numpy()
    return predictions
