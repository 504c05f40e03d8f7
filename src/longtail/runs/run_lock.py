"""A lock, so that only one process at a time works on a run."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from longtail.runs.ordinary_file import check_no_links, has_other_names, ordinary
from longtail.whole_file import remove_parts


class RunInUseError(RuntimeError):
    """Another process works on the run."""


def check_lockable(folder: Path) -> None:
    """Raise unless the run folder can be written to, whoever holds its lock.

    Raises:
        OSError: the folder can't be written to.
        ValueError: the folder holds a link.
    """
    check_no_links(folder)
    try:
        os.close(os.open(_lock_file(folder), os.O_RDWR | os.O_CREAT, 0o644))
    except OSError as error:
        raise _not_writable(folder, error) from error


@contextmanager
def run_lock(folder: Path, wait: float = 0.0) -> Iterator[None]:
    """Lock the run folder within the block; clear away what a killed process was writing.

    Args:
        folder: of the run.
        wait: seconds to wait for another process to end.

    Raises:
        RunInUseError: the run is locked by another process.
        OSError: the folder can't be written to.
        ValueError: the folder holds a link, through which files elsewhere could be written.
    """
    check_no_links(folder)
    lock = FileLock(_lock_file(folder), timeout=wait)
    try:
        lock.acquire()
    except Timeout:
        raise RunInUseError(
            f"`path` must not be in use. Another process works on {folder}: wait for it to end."
        ) from None
    except OSError as error:
        raise _not_writable(folder, error) from error
    try:
        remove_parts(folder)
        yield
    finally:
        lock.release()


def _not_writable(folder: Path, error: OSError) -> OSError:
    return OSError(
        f"`path` must be a folder that can be written to, so that the run in it can continue. Got {folder}: "
        f"{error.strerror}. Copy it to another disk."
    )


def _lock_file(folder: Path) -> Path:
    """The file to lock, which some versions of filelock empty."""
    path = ordinary(folder / ".lock")
    if has_other_names(path) and path.stat().st_size:
        raise ValueError(f"{path} must be an empty file of its own. It is a hard link to another file. Remove it.")
    return path
