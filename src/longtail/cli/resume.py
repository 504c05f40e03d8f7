"""`longtail train --resume RUN`: a run continues with the configuration in its folder alone."""

import dataclasses
from pathlib import Path
from typing import Annotated

import tyro


def resume(
    run: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="RUN")],
    *,
    data: Path | None = None,
    checkpoint_seconds: float = 60.0,
) -> None:
    """Resume an interrupted run, bit-identically, with the configuration in its folder.

    Args:
        run: Folder of the run.
        data: Its data; by default the path that it read. Digits need none.
        checkpoint_seconds: Time between two checkpoints.
    """
    from longtail.cli.data_of_run import data_of_run, origin_of
    from longtail.cli.train import train
    from longtail.runs import RunFolder
    from longtail.training.stored_config import stored_config

    folder = RunFolder.open(run)
    config = stored_config(folder)
    if config.stage == "second-stage":
        raise ValueError(
            f"--resume must name a run of longtail train. Got {run}, of longtail retrain: type that command again with "
            "--resume."
        )
    train(
        dataclasses.replace(config, processes=None),
        data=data_of_run(folder, data, config.dataset) if folder.result is None else data or origin_of(folder),
        out=run,
        resume=True,
        checkpoint_seconds=checkpoint_seconds,
    )
