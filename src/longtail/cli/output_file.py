"""Checks of files to write, before the work that fills them."""

import os
from collections.abc import Iterable
from pathlib import Path

from longtail.whole_file import free_bytes


def check_writable(option: str, path: Path) -> None:
    """Raise unless a file can be written there.

    Args:
        option: the option that names the file, for messages.
        path: of the file.

    Raises:
        IsADirectoryError: a folder.
        FileNotFoundError: its folder does not exist or cannot be written to.
        OSError: its disk is full.
        ValueError: a pipe or a device, which the file would replace.
    """
    folder = Path(os.path.realpath(path)).parent  # of a link, what it leads to is replaced
    if path.is_dir():
        raise IsADirectoryError(f"{option} must be a file. Got the folder {path}.")
    if path.exists() and not path.is_file():
        raise ValueError(f"{option} must be a file. Got {path}, a pipe or a device: name a file that it can replace.")
    if not folder.is_dir():
        raise FileNotFoundError(f"{option} must be in a folder that exists. Got {path}: create {folder} first.")
    if not os.access(folder, os.W_OK):
        raise FileNotFoundError(f"{option} must be in a folder that can be written to. Got {path}.")
    check_room(option, path, size=1)


def check_room(option: str, path: Path, size: int) -> None:
    """Raise unless its disk has room for a file of `size` bytes, beside one of that name that it replaces.

    Raises:
        OSError: it has not.
    """
    free = free_bytes(path)
    if free < size:
        takes = f"it takes {size / 1e6:,.1f} MB, and " if size > 1 else ""
        raise OSError(
            f"{option} must be on a disk with room for it. Got {path}: {takes}{free / 1e6:,.1f} MB are free. Make room "
            f"there, or name a file on another disk with {option}."
        )


def check_no_input(option: str, path: Path, inputs: Iterable[Path]) -> None:
    """Raise if writing a file would replace one that is read.

    Raises:
        ValueError: it is one of the inputs.
    """
    own = path.stat() if path.exists() else None
    if own is not None and any(os.path.samestat(own, given.stat()) for given in inputs if given.exists()):
        raise ValueError(f"{option} must not be a file that is read. Got {path}. Name another with {option}.")


def check_new(option: str, path: Path) -> None:
    """`check_writable`, and raise if the file exists.

    Raises:
        FileExistsError: it exists.
    """
    if os.path.lexists(path):
        raise FileExistsError(f"{option} must not exist yet. Got {path}. Remove it, or name another with {option}.")
    check_writable(option, path)
