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
from longtail.training.stages import Progress, Stage, StageInput, make_stage
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
    of_images = len(splits.info.input_shape) > 1
    config = config.completed() if of_images else config
    scorer = Scorer(splits.class_counts, config.many_above, config.few_below)
    augment = augmentation(config.augmentations, splits.channels) if of_images else None
    epochs, mix = _epochs(config, splits, augment, fabric), _mixing(config, splits)
    torch.manual_seed(derive_seed(config.seed))
    stage = make_stage(
        StageInput(config, splits, augment, fabric.device, fabric.autocast, fabric.world_size, first_stage, progress)
    )
    epochs = stage.batches(epochs)
    state = _initial_state(config, stage, splits, fabric, callbacks)
    folder = existing or _create(config, Path(out), fabric, resume=resume)
    with folder.lock(enabled=fabric.is_global_zero):
        if folder.result is not None:  # another process has ended it while this one was loading
            return folder
        _check_same_data(folder, splits)
        if existing is not None:
            _restore(state, folder, writes=fabric.is_global_zero)
        if folder.data is None and fabric.is_global_zero:
            folder.save_data(splits.info)
        loop = TrainingLoop(
            fabric,
            config,
            epochs,
            state,
            folder,
            evaluate=lambda: _evaluate(state.model, scorer, stage.splits, fabric),
            after_step=stage.after_step,
            mix=mix,
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
    if config.batch_size > samples and not config.ONE_BATCH_WILL_DO:
        raise ValueError(
            f"`batch_size` must be at most {samples}, the training images. Got {config.batch_size}. "
            f"Pass --batch-size {max(processes, samples // 2 // processes * processes)}."
        )
    if config.batch_size % processes:
        raise ValueError(
            f"`batch_size` must be a multiple of {processes}, the number of processes. Got {config.batch_size}."
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
    predictions = _keep_predictions(folder, config, stage, augment, fabric)
    folder.save_weights({"model": network.state_dict(), "criterion": state.criterion.state_dict()})
    metrics, counts = folder.metrics, splits.class_counts
    fit_on = "validation" if splits.holds_out_every_class else "augmented"
    scores, notes = score_all(scorer, predictions["test"], predictions[fit_on])
    if len(splits.validation) and fit_on != "validation":
        notes.append("re-balancing is fitted on training samples: not every class has a validation sample")
    provenance = stage.provenance()
    result: dict[str, Any] = {
        "epoch": config.epochs,
        "test": scores,
        "fit_on": fit_on,
        "best_on_test": best_on_test(metrics),
        **({"validation": scorer(*predictions["validation"])} if len(splits.validation) else {}),
        "class_counts": counts,
        "network": described(network, splits.info),
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
    stage: Stage,
    augment: Augment | None,
    fabric: "Fabric",
) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Logits and labels of every split, in the run folder and in memory."""
    generator = generator_for(fabric.device, config.seed, config.epochs + 1)
    splits, network = stage.splits, stage.scored()
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
