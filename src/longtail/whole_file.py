"""Files and folders that are there whole or not at all."""

import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO


@contextmanager
def write_whole(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """Open a file for writing that takes the place of `path` only when the block ends well.

    Until then, and after any failure (a full disk, Ctrl-C, a killed process), `path` is what it was before.

    Raises:
        FileNotFoundError: the folder of `path` is missing.
        IsADirectoryError: `path` is a folder.
    """
    path = Path(os.path.realpath(path))  # a link stays a link; what it leads to is replaced
    if path.is_dir():
        raise IsADirectoryError(f"`path` must name a file. Got the folder {path}.")
    if not path.parent.is_dir():
        raise FileNotFoundError(f"`path` must be in a folder that exists. Got {path}; {path.parent} is missing.")
    part = path.with_name(f".{path.name[:50]}.{secrets.token_hex(4)}.part")
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
    part = path.with_name(f".{path.name[:50]}.{secrets.token_hex(4)}.part")
    part.mkdir()
    try:
        yield part
        part.rename(path)
    except BaseException:
        shutil.rmtree(part, ignore_errors=True)
        raise
