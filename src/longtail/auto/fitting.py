"""Training on the user's own data, with offsets and probabilities fitted on the held-out samples."""

import dataclasses
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from longtail.arguments import check_flag, check_keywords, keywords_of
from longtail.data.check import Progress
from longtail.models import DEFAULT_BACKBONE
from longtail.recipes import features
from longtail.repair import diagnose
from longtail.runs import RunFolder
from longtail.signatures import naming_misspelt
from longtail.started_processes import first_process
from longtail.training import Callback, OwnConfig, TrainingConfig, run_experiment


@naming_misspelt
def fit(
    data: Any, *, model: str = DEFAULT_BACKBONE, loss: str = "gala", out: str | os.PathLike[str] | None = None,
    resume: bool = False, **settings: Any,
) -> RunFolder:  # fmt: skip
    """Train a classifier on your own data: the recipe `features`, then offsets fitted on the held-out samples.

    Args:
        data: a folder of class folders, a list, a table, arrays, a data set object, a DataFrame of paths, or (X, y), as
            `longtail.data.read_data` takes them.
        model: the network whose features are used, as `longtail.models.make_backbone` takes it; features need none.
        loss: a name of `longtail.losses.catalogue`.
        out: the run folder, which must not exist without `resume`; by default a new one in `runs`.
        resume: resume the run in `out`, bit-identically; start it if the folder does not exist.
        **settings: any other argument of `longtail.recipes.features`: `weights="file.safetensors"`, `seed=1`, ….

    Returns:
        The run folder; `longtail.load(run.path)` gives predictions.

    Raises:
        ValueError, TypeError, OSError: data that can't be read or trained on, settings that do not fit.

    Example:
        >>> import numpy as np, tempfile
        >>> rng = np.random.default_rng(0)
        >>> y = np.repeat(["otter", "seal", "whale"], [60, 30, 10])
        >>> X = rng.normal(size=(100, 8)).astype(np.float32) + 3 * (y == "whale")[:, None]
        >>> run = fit((X, y), out=tempfile.mkdtemp() + "/run", batch_size=16)
        >>> run.data["class_names"]
        ['otter', 'seal', 'whale']
    """
    check_keywords("fit", settings, [field.name for field in dataclasses.fields(OwnConfig)])
    check_flag("resume", resume)
    if resume and out is None:
        raise ValueError("`out` must name the run with `resume`. Got none. Pass its folder, out='runs/…'.")
    config = features(loss=loss, model=model, **settings)
    folder = new_folder(f"features-{loss}-seed{config.seed}") if out is None else out
    return train_and_fix(config, data=data, out=folder, resume=resume)


@naming_misspelt
def train_and_fix(
    config: TrainingConfig,
    *,
    data: Any,
    out: str | os.PathLike[str],
    resume: bool = False,
    callbacks: Sequence[Callback] = (),
    progress: Progress | None = None,
    **more: Any,
) -> RunFolder:
    """`run_experiment`, then a `fix.json` in the run folder, fitted on the held-out samples.

    The fix says whether its offsets are used and whether its probabilities are calibrated. Without held-out samples
    of at least two classes there is none, nor for a finished run on a read-only disk. Of several processes the first
    fits it.

    Example:
        >>> import numpy as np, tempfile
        >>> y = np.repeat(["otter", "seal"], [60, 30])
        >>> X = np.random.default_rng(0).normal(size=(90, 4)).astype(np.float32)
        >>> config = features(loss="ce", epochs=1, batch_size=16)
        >>> run = train_and_fix(config, data=(X, y), out=tempfile.mkdtemp() + "/run")
        >>> run.fix_path.name, run.fix_path.is_file()
        ('fix.json', True)
    """
    check_keywords("train_and_fix", more, keywords_of(train_and_fix, run_experiment))
    folder = run_experiment(config, data=data, out=out, resume=resume, callbacks=callbacks, progress=progress, **more)
    if not first_process() or folder.fix_path.exists():
        return folder
    if not folder.file("predictions-validation.npz").exists():
        return folder
    if not os.access(folder.path, os.W_OK):  # a finished run on a read-only disk is only looked at
        return folder
    logits, target = folder.load_predictions("validation")
    if len(set(target.tolist())) > 1:
        names, counts = (folder.data or {})["class_names"], (folder.result or {})["class_counts"]
        diagnose(logits, target, class_counts=counts, class_names=names, progress=progress).fix.save(folder.fix_path)
    return folder


def new_folder(name: str) -> Path:
    """`runs/NAME`, or with a number behind it where that is taken."""
    path, number = Path("runs") / name, 1
    while path.exists():
        number += 1
        path = Path("runs") / f"{name}-{number}"
    return path
