"""Runs that are to be compared: missing ones are started, interrupted ones resumed, finished ones left as they are."""

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import torch

from longtail.data import load_splits
from longtail.data.check import Progress
from longtail.runs import RunFolder, RunInUseError
from longtail.started_processes import first_process, started_processes
from longtail.training.callbacks import Callback
from longtail.training.config import TrainingConfig
from longtail.training.epochs import check_batches
from longtail.training.experiment import run_experiment
from longtail.training.hardware import resolve
from longtail.training.network import make_network
from longtail.training.opening import check_can_be_written
from longtail.training.resume import adopt
from longtail.training.settings_of_stages import refuse_settings_of_other_stages
from longtail.training.stopping import TrainingDivergedError
from longtail.training.stored_config import stored_config

EXPECTED = (ValueError, OSError, RunInUseError, TrainingDivergedError)


@dataclass(frozen=True)
class Job:
    """One method with one seed.

    Attributes:
        method: name of the method.
        config: of its run, or of its first stage.
        first_stage: name of the method that is its first stage; several jobs may share that run.
        second_stage: makes the configuration of the second stage from the folder of the first.
    """

    method: str
    config: TrainingConfig
    first_stage: str | None = None
    second_stage: Callable[[RunFolder], TrainingConfig] | None = None


@dataclass(frozen=True)
class Outcome:
    """How one job of a comparison ended: its folder, or why there is none."""

    job: Job
    folder: RunFolder | None = None
    failure: str | None = None


def check_settings(jobs: Iterable[Job], out: str | os.PathLike[str]) -> None:
    """Check the settings of new runs, and that the runs in `out` have those of the jobs, before any work starts.

    Raises:
        ValueError: a setting that the stage ignores, a run has other settings, or `out` is itself a run.
    """
    if (Path(out) / "run.json").is_file():
        raise ValueError(
            f"`out` must be the folder of a comparison. Got {os.fspath(out)}, which is a run. Name another."
        )
    for job in jobs:
        path = Path(out) / f"{job.first_stage or job.method}-seed{job.config.seed}"
        if not (path / "run.json").is_file():
            refuse_settings_of_other_stages(job.config)
            continue
        try:
            folder = RunFolder.open(path)
            stored_config(folder)
        except ValueError:
            continue  # a damaged run fails alone, later
        adopt(job.config, folder)


def check_data_and_network(
    jobs: Iterable[Job],
    *,
    data: str | os.PathLike[str] | None,
    out: str | os.PathLike[str],
    download: bool = False,
    progress: Progress | None = None,
) -> None:
    """Read the data and build the network as the runs will: an error in them would end each run in the same way.

    Nothing is read if all runs are finished. Of several processes the first reads.

    Raises:
        FileNotFoundError, ValueError: the data or weights are missing or damaged, or do not fit the settings.
        OSError: no run can be written to `out`.
    """
    unfinished = next((job for job in jobs if not _is_finished(job, out)), None)
    if unfinished is None or not first_process():
        return
    check_can_be_written(out)
    config = resolve(unfinished.config.located())
    splits = load_splits(config, data, torch.device(config.device), download=download, progress=progress)
    check_batches(config, len(splits.train), started_processes())
    make_network(config if splits.of_features else config.completed(), len(splits.info.class_names), splits.info)


def _is_finished(job: Job, out: str | os.PathLike[str]) -> bool:
    """Whether no stage of the job is left to run."""
    names = {job.first_stage or job.method, job.method}
    return all((Path(out) / f"{name}-seed{job.config.seed}" / "result.json").is_file() for name in names)


def run_all(
    jobs: Iterable[Job],
    *,
    data: str | os.PathLike[str] | None,
    out: str | os.PathLike[str],
    download: bool = False,
    checkpoint_seconds: float = 60.0,
    callbacks: Callable[[], Iterable[Callback]] = list,
    train: Callable[..., RunFolder] | None = None,
    progress: Progress | None = None,
) -> Iterator[Outcome]:
    """Run each job in a folder of its own, `out`/METHOD-seedK.

    Args:
        jobs: what is compared.
        data: the folder of the data set; digits need none.
        out: the folder of the comparison; existing runs are resumed.
        download: fetch the data set where it is missing.
        checkpoint_seconds: time between two checkpoints.
        callbacks: makes the callbacks of one run.
        train: runs one configuration; `run_experiment` by default.
        progress: called with the name of a step before training and its finished share, in [0, 1].

    Yields:
        The outcome of each job, as it ends. A run that fails does not end the comparison.
    """

    def run(method: str, config: TrainingConfig, first_stage: RunFolder | None = None) -> RunFolder:
        return (train or run_experiment)(
            config,
            data=data,
            out=Path(out) / f"{method}-seed{config.seed}",
            resume=True,
            download=download,
            checkpoint_seconds=checkpoint_seconds,
            callbacks=list(callbacks()),
            first_stage=first_stage,
            progress=progress,
        )

    failed: dict[tuple[str, int], Exception] = {}

    def both_stages(job: Job) -> RunFolder:
        first = (job.first_stage or job.method, job.config.seed)
        if first in failed:  # a first stage that failed for one method is not trained again for the next
            raise failed[first]
        try:
            folder = run(first[0], job.config)
        except Exception as error:
            failed[first] = error
            raise
        return folder if job.second_stage is None else run(job.method, job.second_stage(folder), folder)

    finished: list[RunFolder] = []
    for job in jobs:
        try:
            folder = both_stages(job)
            _check_same_samples(folder, finished)
            finished.append(folder)
            yield Outcome(job, folder)
        except EXPECTED as error:
            yield Outcome(job, failure=" ".join(str(error).split()))
        except Exception as error:  # an unexpected error must not end the comparison either
            yield Outcome(job, failure=f"{type(error).__name__}: {' '.join(str(error).split())}")


def _check_same_samples(folder: RunFolder, others: list[RunFolder]) -> None:
    """Refuse a run that was finished earlier, on data that have changed since."""
    if not others or folder.data is None or others[0].data is None:
        return
    if folder.data.get("fingerprint") != others[0].data.get("fingerprint"):
        raise ValueError(
            f"`out` must hold runs on the same samples. Those of {folder.path.name} and {others[0].path.name} differ: "
            "the data have changed in between. Name a new folder with --out."
        )
