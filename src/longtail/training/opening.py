"""The run folder of an experiment: opened to resume it, or created."""

import os
from pathlib import Path

from longtail.runs import RunFolder
from longtail.training.config import TrainingConfig
from longtail.training.resume import adopt, checksum_of_weights


def existing_run(out: str | os.PathLike[str], *, resume: bool) -> RunFolder | None:
    """The run to resume; `None` for a new run.

    Raises:
        FileExistsError: `out` exists and `resume` is not set.
        FileNotFoundError, ValueError: `out` is not a run.
    """
    out = Path(out)
    if resume and out.exists():
        return RunFolder.open(out)
    if out.exists() or out.is_symlink():
        kind = (
            "Resume it with --resume, or name another folder with --out."
            if (out / "run.json").is_file()
            else "It is not a run."
        )
        raise FileExistsError(f"`out` must not exist yet. Got {out}. {kind}")
    return None


def create_run(config: TrainingConfig, out: str | os.PathLike[str], *, resume: bool) -> None:
    """Create the run folder. With `resume`, one that another process has just created for the same run will do.

    Raises:
        FileExistsError: `out` exists and `resume` is not set.
        ValueError: `out` has a run with other settings.
    """
    try:
        RunFolder.create(out, config=config, seed=config.seed, weights=checksum_of_weights(config))
    except FileExistsError:
        if not resume:
            raise
        adopt(config, RunFolder.open(out))
