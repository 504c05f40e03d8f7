"""One run from its configuration to its result: build, train, score, write."""

import dataclasses
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from longtail.losses import DeferredReweighting
from longtail.losses.catalogue import cosine_scale, make_loss, paper_settings
from longtail.models import CifarResNet
from longtail.runs import RunFolder
from longtail.samplers import make_sampler
from longtail.training.callbacks import Callback
from longtail.training.config import TrainingConfig, parse_arguments
from longtail.training.evaluation import Scorer, best_on_test, predict_logits, prior_slope, score_all, score_in_passing
from longtail.training.images import Epochs
from longtail.training.loop import Mix, TrainingLoop
from longtail.training.machine import make_fabric, resolve
from longtail.training.resume import adopt, differing_versions
from longtail.training.seeds import derive_seed, generator_for
from longtail.training.sets import Sets, load_sets
from longtail.training.state import TrainingState
from longtail.transforms import cutmix, mixup, remix

if TYPE_CHECKING:
    from lightning_fabric import Fabric


def run_experiment(
    config: TrainingConfig,
    *,
    data: str | os.PathLike[str] | None,
    out: str | os.PathLike[str],
    resume: bool = False,
    download: bool = False,
    checkpoint_seconds: float = 60.0,
    callbacks: Sequence[Callback] = (),
) -> RunFolder:
    """Train and score one run.

    Args:
        config: what the result depends on.
        data: the folder of the data set; digits need none.
        out: the run folder, new unless `resume`.
        resume: go on with the run in `out` from its last checkpoint, to the very result that it would have had; a
            complete run is left as it is. Begins a new one where `out` does not exist.
        download: fetch the data set where it is missing.
        checkpoint_seconds: time between two checkpoints.
        callbacks: what rides along.

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
        sets = load_sets(config, data, fabric.device, download=download)
    scorer = Scorer(sets.class_counts, config.many_above, config.few_below)
    epochs = _epochs(config, sets, fabric)
    state = _initial_state(config, sets, fabric, callbacks)
    folder = existing or _create(config, Path(out), fabric)
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
            _finish(folder, config, state, scorer, sets, fabric)
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


def _initial_state(
    config: TrainingConfig, sets: Sets, fabric: "Fabric", callbacks: Sequence[Callback]
) -> TrainingState:
    torch.manual_seed(derive_seed(config.seed))
    arguments = parse_arguments(config.loss_arguments)
    scale = cosine_scale(config.loss, arguments)
    model = CifarResNet(config.depth, len(sets.class_counts), scale, sets.channels).to(fabric.device)
    if config.channels_last == "on":
        model = model.to(memory_format=torch.channels_last)
    criterion = make_loss(config.loss, sets.class_counts, **arguments)
    if config.reweight_from:
        criterion = DeferredReweighting(criterion, sets.class_counts, start_epoch=config.reweight_from)
    criterion = criterion.to(fabric.device)
    optimizer = torch.optim.SGD(
        model.parameters(),
        lr=config.learning_rate,
        momentum=config.momentum,
        weight_decay=config.weight_decay,
        fused=True,
    )
    return TrainingState(
        model, criterion, optimizer, callbacks, total=torch.zeros((), dtype=torch.float64, device=fabric.device)
    )


def _create(config: TrainingConfig, out: Path, fabric: "Fabric") -> RunFolder:
    if fabric.is_global_zero:
        RunFolder.create(out, config=config, seed=config.seed)
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


def _set_to_fit_on(sets: Sets) -> str:
    """Held-out images where every class has one, else the training images, augmented once more."""
    held_out = torch.bincount(sets.validation.target.cpu(), minlength=len(sets.class_counts))
    return "validation" if bool((held_out > 0).all()) else "augmented"


def _finish(
    folder: RunFolder, config: TrainingConfig, state: TrainingState, scorer: Scorer, sets: Sets, fabric: "Fabric"
) -> None:
    """Keep predictions and weights, then the result, whose presence says that the run is complete."""
    generator = generator_for(fabric.device, config.seed, config.epochs + 1)
    kept = {"train": sets.train, "augmented": sets.train.augmented(config.augmentations, generator), "test": sets.test}
    if len(sets.validation):
        kept["validation"] = sets.validation
    predictions = {}
    for name, images in kept.items():
        logits = predict_logits(state.model, images, fabric.autocast)
        folder.save_predictions(name, logits, images.target)
        predictions[name] = logits.numpy(), images.target.cpu().numpy()
    folder.save_weights({"model": state.model.state_dict(), "criterion": state.criterion.state_dict()})
    counts = sets.class_counts
    metrics = folder.metrics
    fit_on = _set_to_fit_on(sets)
    scores, notes = score_all(scorer, predictions["test"], predictions[fit_on])
    result: dict[str, Any] = {
        "epoch": config.epochs,
        "test": scores,
        "fit_on": fit_on,
        "best_on_test": best_on_test(metrics),
        **({"validation": scorer(*predictions["validation"])} if len(sets.validation) else {}),
        "class_counts": counts,
        "parameters": sum(parameter.numel() for parameter in state.model.parameters()),
        "training_minutes": round(sum(line["seconds"] for line in metrics) / 60, 2),
        "notes": state.notes + notes,
        **prior_slope(state.criterion, counts),
    }
    folder.finish(result)
    folder.drop_checkpoint()
