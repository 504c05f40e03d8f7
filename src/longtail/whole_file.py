"""Files that are there whole or not at all."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
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
        raise FileNotFoundError(f"`path` must lie in a folder that exists. Got {path}; {path.parent} is missing.")
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
    part = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        part.chmod(_permissions_of(path))
        part.replace(path)
    except BaseException:
        part.unlink()
        raise


def _permissions_of(path: Path) -> int:
    if path.exists():
        return path.stat().st_mode & 0o777
    mask = os.umask(0)
    os.umask(mask)
    return 0o666 & ~mask
