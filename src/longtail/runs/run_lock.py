"""One process at a time works on a run."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout


class RunInUseError(RuntimeError):
    """Another process works on the run."""


@contextmanager
def run_lock(folder: Path) -> Iterator[None]:
    """Lock the run folder within the block; clear away what a killed process was writing.

    Raises:
        RunInUseError: the run is locked by another process.
    """
    lock = FileLock(folder / ".lock", timeout=0)
    try:
        lock.acquire()
    except Timeout:
        raise RunInUseError(f"`path` must not be in use. Another process works on {folder}.") from None
    try:
        for part in folder.glob(".*.part"):
            part.unlink()
        yield
    finally:
        lock.release()
