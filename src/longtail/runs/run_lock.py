"""One process at a time works on a run."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout


class RunInUseError(RuntimeError):
    """Another process works on the run."""


@contextmanager
def run_lock(folder: Path, wait: float = 0.0) -> Iterator[None]:
    """Lock the run folder within the block; clear away what a killed process was writing.

    Args:
        folder: of the run.
        wait: seconds to wait for another process to end.

    Raises:
        RunInUseError: the run is locked by another process.
    """
    lock = FileLock(folder / ".lock", timeout=wait)
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
