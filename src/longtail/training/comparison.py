"""Many runs that are to be compared: what is missing is run, what was cut off resumed, what is done left alone."""

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from longtail.runs import RunFolder, RunInUseError
from longtail.training.callbacks import Callback
from longtail.training.config import TrainingConfig
from longtail.training.experiment import run_experiment
from longtail.training.stopping import TrainingDivergedError


@dataclass(frozen=True)
class Outcome:
    """How one run of a comparison ended: its folder, or why there is none."""

    method: str
    config: TrainingConfig
    folder: RunFolder | None = None
    failure: str | None = None


def run_all(
    configs: Mapping[str, Sequence[TrainingConfig]],
    *,
    data: str | os.PathLike[str] | None,
    out: str | os.PathLike[str],
    download: bool = False,
    checkpoint_seconds: float = 60.0,
    callbacks: Callable[[], Iterable[Callback]] = list,
) -> Iterator[Outcome]:
    """Run each configuration in a folder of its own, `out`/METHOD-seedK.

    Args:
        configs: for each method its runs, which differ in the seed.
        data: the folder of the data set; digits need none.
        out: the folder of the comparison; runs that it holds are gone on with.
        download: fetch the data set where it is missing.
        checkpoint_seconds: time between two checkpoints.
        callbacks: what rides along, made anew for each run.

    Yields:
        What became of each run, as it ends. A run that fails is an outcome, not the end of the comparison.
    """
    for method, runs in configs.items():
        for config in runs:
            try:
                folder = run_experiment(
                    config,
                    data=data,
                    out=Path(out) / f"{method}-seed{config.seed}",
                    resume=True,
                    download=download,
                    checkpoint_seconds=checkpoint_seconds,
                    callbacks=list(callbacks()),
                )
            except (ValueError, OSError, RunInUseError, TrainingDivergedError) as error:
                yield Outcome(method, config, failure=" ".join(str(error).split()))
            else:
                yield Outcome(method, config, folder)
