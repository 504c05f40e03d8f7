"""The run folder of an experiment: opened to resume it, or created."""

import os
import time
from pathlib import Path

from longtail.data import Splits
from longtail.runs import RunFolder
from longtail.runs.run_lock import check_lockable
from longtail.training.config import TrainingConfig
from longtail.training.ranks import Ranks
from longtail.training.resume import adopt, checksum_of_weights
from longtail.whole_file import free_bytes


def existing_run(out: str | os.PathLike[str], *, resume: bool) -> RunFolder | None:
    """The run to resume; `None` for a new run.

    Raises:
        FileExistsError: `out` exists and `resume` is not set.
        FileNotFoundError, ValueError: `out` is not a run.
    """
    out = Path(out)
    if resume and out.exists():
        if not os.path.lexists(out / "run.json"):
            raise FileNotFoundError(
                f"`out` must be a run to resume, or not exist yet. Got {out}, which has no run.json. "
                "Name another folder with --out."
            )
        return RunFolder.open(out)
    if out.exists() or out.is_symlink():
        kind = (
            "Resume it with --resume (in Python resume=True), or name another folder with --out."
            if (out / "run.json").is_file()
            else "It is not a run. Name another folder with --out."
        )
        raise FileExistsError(f"`out` must not exist yet. Got {out}. {kind}")
    return None


def check_can_be_written(out: str | os.PathLike[str]) -> None:
    """Raise unless a run folder can be created or continued there, before data are read and features computed.

    Raises:
        NotADirectoryError, PermissionError, OSError: it would be below a file, in a folder that can't be written to,
            or on a full disk; a run that exists can't be written to.
    """
    path = Path(out).absolute()
    if (path / "run.json").is_file():
        check_lockable(path)
        return
    above = next(folder for folder in (path, *path.parents) if os.path.lexists(folder))
    if not above.is_dir():
        raise NotADirectoryError(f"`out` must be below a folder. Got {out}: {above} is none. Name another with --out.")
    if not os.access(above, os.W_OK):
        raise PermissionError(f"`out` must be in a folder that can be written to. Got {out}: {above} is not.")
    if free_bytes(above) < 1:
        raise OSError(f"`out` must be on a disk with room for the run. Got {out}: the disk is full. Make room there.")


def open_when_visible(out: str | os.PathLike[str], seconds: float = 60.0) -> RunFolder:
    """The run folder that another process has created: a network file system may show it late.

    Raises:
        FileNotFoundError: it is not visible after so many seconds.
    """
    path, until = Path(out), time.monotonic() + seconds
    while not (path / "run.json").is_file():
        if time.monotonic() >= until:
            raise FileNotFoundError(
                f"`out` must be on storage that all processes share. Rank {os.environ.get('RANK', '0')} does not see "
                f"{path}, which rank 0 has created. Name a folder on a shared file system with --out."
            )
        list(path.parent.iterdir())  # asks a network file system again
        time.sleep(0.1)
    return RunFolder.open(path)


def check_all_see(existing: RunFolder | None, out: str | os.PathLike[str], ranks: Ranks) -> None:
    """Check that all processes have found the run to resume, or none.

    Raises:
        FileNotFoundError: the first process sees another state of `out` than this one.
    """
    found = ranks.from_first(existing is not None)
    if found != (existing is not None):
        seen, here = ("finds", "does not") if found else ("does not find", "does")
        raise FileNotFoundError(
            f"`out` must be on storage that all processes share. Rank 0 {seen} the run {out}, rank {ranks.rank} {here}."
            " Name a folder on a shared file system with --out, or start again if it has only just been written."
        )


def check_all_read_the_same(splits: Splits, ranks: Ranks) -> None:
    """Check that all processes have read the same data: each would draw the samples of its shares from its own.

    Raises:
        ValueError: the data of this process or of another are not those of the first.
    """
    found = ranks.gathered(splits.info.fingerprint)
    other = next((rank for rank, fingerprint in enumerate(found) if fingerprint != found[0]), None)
    if other is not None:
        own = sum(splits.info.class_counts)
        raise ValueError(
            f"`data` must be the same for all processes. Those of rank {other} are not those of rank 0: another copy, "
            f"or a file that only one of them could read. Rank {ranks.rank} has {own:,} training samples."
        )


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
