"""The run folder of an experiment: found again or created."""

import os
from pathlib import Path

from longtail.runs import RunFolder
from longtail.training.config import TrainingConfig
from longtail.training.resume import adopt, checksum_of_weights


def existing_run(out: str | os.PathLike[str], *, resume: bool) -> RunFolder | None:
    """The run that is resumed; None where a new one begins.

    Raises:
        FileExistsError: `out` is there and is not to be resumed.
        FileNotFoundError, ValueError: it is no run.
    """
    out = Path(out)
    if resume and out.exists():
        return RunFolder.open(out)
    if out.exists() or out.is_symlink():
        kind = "To go on with it pass --resume." if (out / "run.json").is_file() else "It is not a run."
        raise FileExistsError(f"`out` must not exist yet. Got {out}. {kind}")
    return None


def create_run(config: TrainingConfig, out: str | os.PathLike[str], *, resume: bool) -> None:
    """Create the run folder, unless another process has begun the same run in the meantime and that is asked for.

    Raises:
        FileExistsError: `out` is there and is not to be resumed.
        ValueError: the run in it is another.
    """
    try:
        RunFolder.create(out, config=config, seed=config.seed, weights=checksum_of_weights(config))
    except FileExistsError:
        if not resume:
            raise
        adopt(config, RunFolder.open(out))
