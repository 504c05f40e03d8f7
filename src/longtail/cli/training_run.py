"""A training run of a command: its progress, its result, and what is served."""

from collections.abc import Sequence
from typing import Any

from longtail.auto import train_and_fix
from longtail.cli.passes import Passes
from longtail.cli.served import say_what_is_served
from longtail.cli.table import print_result
from longtail.runs import RunFolder
from longtail.started_processes import first_process
from longtail.training import Callback
from longtail.training.config import TrainingConfig
from longtail.training.experiment import run_experiment
from longtail.training.progress import ProgressReport


def train_and_print(config: TrainingConfig, *, callbacks: Sequence[Callback] = (), **options: Any) -> RunFolder:
    """Train one run; the first of several processes shows its progress and prints its result.

    Args:
        config: the settings that the result depends on.
        callbacks: training callbacks of all processes.
        **options: of `run_experiment`.
    """
    first, own = first_process(), config.dataset == "own"
    with Passes(counted=False) as passes:
        folder = (train_and_fix if own else run_experiment)(
            config,
            callbacks=[ProgressReport(), *callbacks] if first else callbacks,
            progress=passes if first else None,
            **options,
        )
    if first:
        print_result(folder)
        if own:
            say_what_is_served(folder)
    return folder
