"""`longtail train --resume RUN`: a run continues with the configuration in its folder alone."""

import dataclasses
from pathlib import Path

import tyro

from longtail.runs import RunFolder


def resume(run: tyro.conf.Positional[Path], *, data: Path | None = None, checkpoint_seconds: float = 60.0) -> None:
    """Resume an interrupted run, bit-identically, with the configuration in its folder.

    Args:
        run: Folder of the run.
        data: Its data; by default the path that it read. Digits need none.
        checkpoint_seconds: Time between two checkpoints.
    """
    from longtail.cli.train import train
    from longtail.training.stored_config import stored_config

    folder = RunFolder.open(run)
    config = stored_config(folder)
    if config.stage == "second-stage":
        raise ValueError(
            f"--resume must name a run of longtail train. Got {run}, of longtail retrain: type that command again with "
            "--resume."
        )
    data = data or folder.origin
    if data is None and config.dataset != "digits" and folder.result is None:
        raise ValueError(f"--data must name the data of {run}, which are not where they were when it began. Got none.")
    train(
        dataclasses.replace(config, processes=None),
        data=data,
        out=run,
        resume=True,
        checkpoint_seconds=checkpoint_seconds,
    )
