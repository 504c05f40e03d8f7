"""Files and folders that are written atomically."""

import errno
import math
import os
import re
import secrets
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

PART = re.compile(r"\..*\.[0-9a-f]{8}\.part", re.DOTALL)
"""The names of files and folders that are being written."""
LEFT_SECONDS = 3600.0
"""A part that has not been written to for so long was left by a process that was killed."""
TAKEN = {errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR}
"""Errors of renaming a folder where there is a folder or file of the new name."""


@contextmanager
def write_whole(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """Open a file for writing that takes the place of `path` only when the block ends well.

    Until then, and after any failure (a full disk, Ctrl-C, a killed process), `path` is what it was before.

    Raises:
        FileNotFoundError: the folder of `path` is missing.
        IsADirectoryError: `path` is a folder.
        ValueError: `path` is a pipe or a device, which a file would replace.
    """
    path = Path(os.path.realpath(path))  # a link stays a link; what it leads to is replaced
    if path.is_dir():
        raise IsADirectoryError(f"`path` must name a file. Got the folder {path}.")
    if path.exists() and not path.is_file():
        raise ValueError(f"`path` must name a file. Got the pipe or device {path}.")
    if not path.parent.is_dir():
        raise FileNotFoundError(f"`path` must be in a folder that exists. Got {path}; {path.parent} is missing.")
    part = part_of(path)
    with part.open("xb") as file:
        try:
            yield file
            file.flush()
            os.fsync(file.fileno())
            if path.exists():
                part.chmod(path.stat().st_mode & 0o777)
            part.replace(path)
        except BaseException as error:
            part.unlink(missing_ok=True)  # a signal may come when it has just taken its place
            with suppress(OSError):  # what is still buffered does not fit on a full disk either
                file.close()
            if isinstance(error, OSError) and error.errno and error.filename is None:
                raise OSError(error.errno, os.strerror(error.errno), str(path)) from error
            raise


@contextmanager
def write_whole_folder(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Give a new folder to write to, which becomes `path` only when the block ends well; after a failure it is removed.

    Raises:
        FileExistsError: `path` exists.
        FileNotFoundError: the folder of `path` is missing.
    """
    path = Path(path)
    if os.path.lexists(path):
        raise FileExistsError(f"`path` must not exist yet. Got {path}.")
    if not path.parent.is_dir():
        raise FileNotFoundError(f"`path` must be in a folder that exists. Got {path}; {path.parent} is missing.")
    part = part_of(path)
    part.mkdir()
    try:
        yield part
        _take_the_place(part, path)
    except BaseException:
        shutil.rmtree(part, ignore_errors=True)
        raise


def _take_the_place(part: Path, path: Path) -> None:
    try:
        part.rename(path)
    except OSError as error:
        if error.errno in TAKEN:
            raise FileExistsError(f"`path` must not exist yet. Got {path}, made by another process.") from None
        raise


def free_bytes(path: str | os.PathLike[str]) -> float:
    """The room for a file of that path, or for files in a folder; infinite where its file system does not say.

    Raises:
        FileNotFoundError: its folder is missing.
    """
    path = Path(os.path.realpath(path))  # a link may lead to another disk
    usage = shutil.disk_usage(path if path.is_dir() else path.parent)
    return usage.free if usage.total else math.inf


def part_of(path: Path) -> Path:
    """A new name beside `path` for what becomes `path` when it is whole."""
    return path.with_name(f".{path.name[:50]}.{secrets.token_hex(4)}.part")


def remove_parts(folder: Path, older_than: float = 0.0, of: str = "") -> None:
    """Remove what killed processes were writing in a folder; links are removed, not followed.

    Args:
        folder: to which no other process writes now, or where `older_than` says which parts are left.
        older_than: seconds since a part was last changed.
        of: name of the file or folder whose parts are removed; by default those of all.
    """
    before = time.time() - older_than
    with suppress(OSError):  # another process may remove the same ones
        for part in folder.iterdir():
            own = PART.fullmatch(part.name) and (not of or part.name.startswith(f".{of[:50]}."))
            if own and part.lstat().st_mtime <= before:
                _remove(part)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
