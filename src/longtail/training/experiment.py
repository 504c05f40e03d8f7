"""One run from its configuration to its result: build, train, score, write."""

import dataclasses
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from longtail.losses import DeferredReweighting
from longtail.losses.catalogue import make_loss, paper_settings
from longtail.runs import RunFolder
from longtail.samplers import make_sampler
from longtail.training.callbacks import Callback
from longtail.training.config import TrainingConfig, parse_arguments
from longtail.training.evaluation import Scorer, best_on_test, predict_logits, prior_slope, score_all, score_in_passing
from longtail.training.images import Epochs
from longtail.training.loop import Mix, TrainingLoop
from longtail.training.machine import make_fabric, resolve
from longtail.training.network import make_network
from longtail.training.resume import adopt, differing_versions
from longtail.training.second_stage import SecondStage, SecondStageConfig, build, keep_lengths, with_features
from longtail.training.seeds import derive_seed, generator_for
from longtail.training.sets import Data, Sets, load_sets
from longtail.training.state import TrainingState
from longtail.transforms import cutmix, mixup, remix

if TYPE_CHECKING:
    from lightning_fabric import Fabric


def run_experiment(
    config: TrainingConfig,
    *,
    data: Data,
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
        data: the folder of the data set, or CIFAR already in memory, as `load_cifar` returns it; digits need none.
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
    if first_stage is not None and not isinstance(config, SecondStageConfig):
        raise ValueError("`first_stage` must be left out but for a SecondStageConfig.")
    existing = _existing_run(Path(out), resume=resume)
    if existing is not None:
        config = adopt(config, existing)
    config = _with_paper_settings(resolve(config))
    if existing is not None and existing.result is not None:
        existing.drop_checkpoint()  # left where the process ended between the result and this
        return existing
    fabric = make_fabric(config)
    with fabric.rank_zero_first():
        sets = load_sets(config, data, fabric.device, download=download)
    scorer = Scorer(sets.class_counts, config.many_above, config.few_below)
    epochs = _epochs(config, sets, fabric)
    model = _model(config, sets, fabric, first_stage)
    if isinstance(model, SecondStage):
        epochs = with_features(epochs, model, sets, fabric.autocast)
    state = _initial_state(config, model, sets, fabric, callbacks)
    folder = existing or _create(config, Path(out), fabric, resume=resume)
    with folder.lock(enabled=fabric.is_global_zero):
        if folder.result is not None:  # another process has ended it while this one was loading
            return folder
        if existing is not None:
            _restore(state, folder, writes=fabric.is_global_zero)
        loop = TrainingLoop(
            fabric,
            config,
            epochs,
            state,
            folder,
            evaluate=lambda: _evaluate(state.model, scorer, sets, fabric),
            mix=_mixing(config, sets),
            callbacks=callbacks,
            checkpoint_seconds=checkpoint_seconds,
        )
        loop.run()
        if fabric.is_global_zero:
            _finish(folder, config, state, scorer, sets, fabric, first_stage)
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


def _epochs(config: TrainingConfig, sets: Sets, fabric: "Fabric") -> Epochs:
    processes, samples = fabric.world_size, len(sets.train)
    if processes > samples:
        raise ValueError(f"There must be at least one training image a process. Got {samples} for {processes}.")
    if config.batch_size > samples:
        raise ValueError(f"`batch_size` must be at most {samples}, the training images. Got {config.batch_size}.")
    if config.batch_size % processes:
        raise ValueError(
            f"`batch_size` must be a multiple of {processes}, the number of processes. Got {config.batch_size}."
        )
    return Epochs(
        sets.train,
        config.augmentations,
        config.batch_size,
        config.seed,
        fabric.global_rank,
        processes,
        None
        if config.sampler == "shuffle"
        else make_sampler(config.sampler, sets.train.target, seed=config.seed, epochs=config.epochs),
    )


def _mixing(config: TrainingConfig, sets: Sets) -> Mix | None:
    number, alpha = len(sets.class_counts), config.mixing_alpha
    known: dict[str, Mix | None] = {
        "none": None,
        "mixup": lambda images, target: mixup(images, target, number, alpha=alpha),
        "cutmix": lambda images, target: cutmix(images, target, number, alpha=alpha),
        "remix": lambda images, target: remix(images, target, sets.class_counts, alpha=alpha),
    }
    return known[config.mixing]


def _model(config: TrainingConfig, sets: Sets, fabric: "Fabric", first_stage: RunFolder | None) -> nn.Module:
    torch.manual_seed(derive_seed(config.seed))
    if isinstance(config, SecondStageConfig):
        if first_stage is None:
            raise ValueError("`first_stage` must be the run that the second stage starts from. Got none.")
        if fabric.world_size > 1:
            raise ValueError(f"`processes` must be 1 in a second stage. Got {fabric.world_size}.")
        return build(config, first_stage, sets, fabric.autocast)
    model = make_network(config, len(sets.class_counts), sets.channels).to(fabric.device)
    return model.to(memory_format=torch.channels_last) if config.channels_last == "on" else model


def _initial_state(
    config: TrainingConfig, model: nn.Module, sets: Sets, fabric: "Fabric", callbacks: Sequence[Callback]
) -> TrainingState:
    criterion = make_loss(config.loss, sets.class_counts, **parse_arguments(config.loss_arguments))
    if config.reweight_from:
        criterion = DeferredReweighting(criterion, sets.class_counts, start_epoch=config.reweight_from)
    criterion = criterion.to(fabric.device)
    optimizer = torch.optim.SGD(
        model.parameter_groups() if isinstance(model, SecondStage) else model.parameters(),
        lr=config.learning_rate,
        momentum=config.momentum,
        weight_decay=config.weight_decay,
        fused=True,
    )
    if isinstance(model, SecondStage):
        keep_lengths(model, optimizer)
    return TrainingState(
        model, criterion, optimizer, callbacks, total=torch.zeros((), dtype=torch.float64, device=fabric.device)
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


def _evaluate(model: nn.Module, scorer: Scorer, sets: Sets, fabric: "Fabric") -> dict[str, float]:
    metrics = score_in_passing(model, sets.test, scorer, fabric.autocast)
    if len(sets.validation):
        logits, target = predict_logits(model, sets.validation, fabric.autocast), sets.validation.target.cpu()
        metrics["validation_balanced_accuracy"] = scorer(logits, target)["balanced_accuracy"]
    return metrics


def _finish(
    folder: RunFolder,
    config: TrainingConfig,
    state: TrainingState,
    scorer: Scorer,
    sets: Sets,
    fabric: "Fabric",
    first_stage: RunFolder | None,
) -> None:
    """Keep predictions and weights, then the result, whose presence says that the run is complete."""
    generator = generator_for(fabric.device, config.seed, config.epochs + 1)
    kept = {"train": sets.train, "augmented": sets.train.augmented(config.augmentations, generator), "test": sets.test}
    if len(sets.validation):
        kept["validation"] = sets.validation
    network = state.model.finished() if isinstance(state.model, SecondStage) else state.model
    predictions = {}
    for name, images in kept.items():
        logits = predict_logits(network, images, fabric.autocast)
        folder.save_predictions(name, logits, images.target)
        predictions[name] = logits.numpy(), images.target.cpu().numpy()
    folder.save_weights({"model": network.state_dict(), "criterion": state.criterion.state_dict()})
    counts = sets.class_counts
    metrics = folder.metrics
    fit_on = "validation" if sets.holds_out_every_class else "augmented"
    scores, notes = score_all(scorer, predictions["test"], predictions[fit_on])
    result: dict[str, Any] = {
        "epoch": config.epochs,
        "test": scores,
        "fit_on": fit_on,
        "best_on_test": best_on_test(metrics),
        **({"validation": scorer(*predictions["validation"])} if len(sets.validation) else {}),
        "class_counts": counts,
        "parameters": sum(parameter.numel() for parameter in network.parameters()),
        "training_minutes": round(sum(line["seconds"] for line in metrics) / 60, 2),
        "notes": [*state.notes, *(state.model.notes if isinstance(state.model, SecondStage) else ()), *notes],
        **prior_slope(state.criterion, counts),
        **(_told_of(first_stage) if first_stage else {}),
    }
    folder.finish(result)
    folder.drop_checkpoint()


def _told_of(first_stage: RunFolder) -> dict[str, Any]:
    """What the result of a second stage says of the first."""
    result = first_stage.result or {}
    return {
        "first_stage": {
            "folder": first_stage.path.name,
            "config": first_stage.header["config"],
            "training_minutes": result.get("training_minutes"),
        }
    }
