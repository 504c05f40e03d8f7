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
    """Raise if writing a file would replace one that is read: an input, or a file of a run that is one.

    Raises:
        ValueError: it is one of the inputs.
    """
    own = path.stat() if path.exists() else None
    read = (file for given in inputs for file in (files_of_run(given) or [given]))
    if own is not None and any(os.path.samestat(own, file.stat()) for file in read if file.exists()):
        raise ValueError(f"{option} must not be a file that is read. Got {path}. Name another with {option}.")


def files_of_run(path: Path) -> list[Path]:
    """The files of a run folder, without its fix and reports, which commands may make again; none of another path."""
    if not (path / "run.json").is_file():
        return []
    return [file for file in path.iterdir() if file.name != "fix.json" and file.suffix != ".html"]


def check_new(option: str, path: Path, *, force: bool = False, inputs: Iterable[Path] = ()) -> None:
    """`check_writable`, and raise if the file exists and may not be replaced.

    Args:
        option: the option that names the file, for messages.
        path: of the file.
        force: whether it may be replaced.
        inputs: files and run folders that are read, which are never replaced.

    Raises:
        FileExistsError: it exists.
        ValueError: it is one of the inputs.
    """
    check_no_input(option, path, inputs)
    check_writable(option, path)
    if os.path.lexists(path) and not force:
        raise FileExistsError(
            f"{option} must not exist yet. Got {path}. Add --force to replace it, or name another with {option}."
        )


def check_new_folder(option: str, path: Path) -> None:
    """`check_writable` for a folder, and raise if it exists: folders are never replaced.

    Raises:
        FileExistsError: it exists.
    """
    if os.path.lexists(path):
        raise FileExistsError(f"{option} must not exist yet. Got {path}. Remove it, or name another with {option}.")
    check_writable(option, path)
