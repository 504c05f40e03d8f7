"""`longtail retrain RUN`."""

from pathlib import Path
from typing import Annotated, Literal

import tyro

Method = Literal[
    "decoupled-gala",
    "decoupled-balanced-softmax",
    "balms",
    "crt",
    "lws",
    "tau-norm",
    "ncm",
    "mislas",
    "weight-balancing",
    "disalign",
]


def retrain(
    run: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="RUN")],
    *,
    method: Method = "crt",
    data: Path | None = None,
    groups: Path | None = None,
    root: Path | None = None,
    val: Path | None = None,
    test: Path | None = None,
    out: Path | None = None,
    resume: bool = False,
    seed: int | None = None,
    epochs: int | None = None,
    batch_size: int | None = None,
    learning_rate: float | None = None,
    weight_decay: float | None = None,
    views: int | None = None,
    threads: int | None = None,
    workers: int | None = None,
    checkpoint_seconds: float = 60.0,
) -> None:
    """Retrain the classifier of a finished run on its features (decoupled training), as a run of its own.

    Args:
        run: Folder of the first stage.
        method: The second stage, with its paper's settings: decoupled-gala, a new classifier with GALA and class-aware
            sampling (after a run with mixup); decoupled-balanced-softmax, a new one with Balanced Softmax; balms,
            the same with learnt sampling rates; crt, a new classifier with class-aware sampling; lws,
            one scale per class; tau-norm, τ-normalised classifier weights; ncm, nearest class means; mislas, scales and
            classifier with label-aware smoothing (after a run with mixup); weight-balancing, classifier
            weights of limited norm (after a run with a large weight decay); disalign, logits calibrated by a magnitude
            and a margin per class and a confidence per sample, with class weights.
        data: Data of the first stage; by default the path that it read. Digits need none.
        groups: The table of groups of your own data, if it has moved; likewise root, val and test.
        root: Folder that the paths of a list or table are relative to.
        val: Validation samples.
        test: Test samples.
        out: Folder of the new run; by default that of the first stage with the method appended.
        resume: Resume the run in that folder, bit-identically; start it if the folder does not exist.
        seed: Of the second stage; by default that of the first.
        epochs: Passes over the training set; by default as in the paper.
        batch_size: Samples per step; by default that of the first stage or, on the large data sets, of the paper.
        learning_rate: By default as in the paper, scaled by the samples of a step.
        weight_decay: By default as in the paper.
        views: Augmented copies of each training image whose features are kept; by default 4. Not for mislas nor, on
            the data sets with a recipe, for tau-norm and ncm, which use none.
        threads: Threads of the CPU; by default as many as PyTorch takes.
        workers: Processes that decode image files ahead of the step; by default as in the first stage.
        checkpoint_seconds: Time between two checkpoints.
    """
    from longtail.arguments import check_strength
    from longtail.cli.data_of_run import data_of_run, origin_of
    from longtail.cli.training_run import train_and_print
    from longtail.recipes.second_stages import second_stage
    from longtail.runs import RunFolder

    check_strength("checkpoint_seconds", checkpoint_seconds)
    first = RunFolder.open(run)
    moved = {"groups": groups, "root": root, "val": val, "test": test}
    asked = {
        **{name: str(path) for name, path in moved.items() if path is not None},
        "seed": seed,
        "epochs": epochs,
        "batch_size": batch_size,
        "learning_rate": learning_rate,
        "weight_decay": weight_decay,
        "views": views,
        "threads": threads,
        "workers": workers,
    }
    config = second_stage(first, method, **{name: value for name, value in asked.items() if value is not None})
    train_and_print(
        config,
        data=data or origin_of(first) if resume else data_of_run(first, data, config.dataset),
        out=out or _beside(run, method, seed),
        resume=resume,
        checkpoint_seconds=checkpoint_seconds,
        first_stage=first,
    )


def _beside(run: Path, method: str, seed: int | None) -> Path:
    """The path of the first stage, with the method, and the seed if it is given, appended to its name."""
    named = run if run.name and not run.is_symlink() else run.resolve()  # of runs/LATEST the run that it leads to
    return named.with_name(f"{named.name}-{method}" + ("" if seed is None else f"-seed{seed}"))
