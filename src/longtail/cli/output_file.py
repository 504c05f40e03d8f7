"""Checks of files to write, before the work that fills them."""

import os
from pathlib import Path


def check_writable(option: str, path: Path) -> None:
    """Raise unless a file can be written there.

    Args:
        option: the option that names the file, for messages.
        path: of the file.

    Raises:
        IsADirectoryError: a folder.
        FileNotFoundError: its folder does not exist or cannot be written to.
    """
    folder = path.absolute().parent
    if path.is_dir():
        raise IsADirectoryError(f"{option} must be a file. Got the folder {path}.")
    if not folder.is_dir():
        raise FileNotFoundError(f"{option} must be in a folder that exists. Got {path}: create {folder} first.")
    if not os.access(folder, os.W_OK):
        raise FileNotFoundError(f"{option} must be in a folder that can be written to. Got {path}.")


def check_new(option: str, path: Path) -> None:
    """`check_writable`, and raise if the file exists.

    Raises:
        FileExistsError: it exists.
    """
    if os.path.lexists(path):
        raise FileExistsError(f"{option} must not exist yet. Got {path}. Remove it, or name another with {option}.")
    check_writable(option, path)
