"""Parts of large files, such as the members of tar files, which are read when they are needed."""

import errno
import os
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import NamedTuple, Self

import numpy as np


class LargeFile(NamedTuple):
    """A file as it was when its parts were found.

    Attributes:
        path: of the file.
        name: its path relative to the data set; data that have been moved are recognised by it.
        size: in bytes.
        changed: time of its last modification in nanoseconds.
    """

    path: str
    name: str
    size: int
    changed: int

    @classmethod
    def at(cls, path: Path, name: str) -> Self:
        """The file as it is now."""
        status = path.stat()
        return cls(str(path), name, status.st_size, status.st_mtime_ns)


class FilePart(NamedTuple):
    """Consecutive bytes of a file, with their name in the file, if they have one."""

    file: LargeFile
    offset: int
    size: int
    name: str = ""

    def read(self) -> bytes:
        """The bytes. The file is opened for them alone, so that threads and forked processes share no position.

        Raises:
            OSError: the file can't be read, or is not the one in which the part was found.
        """
        if not self.size:
            return b""
        with open(self.file.path, "rb", buffering=0) as file:  # noqa: PTH123 - a path object each would take longer
            status = os.fstat(file.fileno())
            if (status.st_size, status.st_mtime_ns) != (self.file.size, self.file.changed):
                raise OSError(
                    errno.ESTALE, "the file has changed since the data were read; start again", self.file.path
                )
            return _read(file.fileno(), self.offset, self.size)


@dataclass(frozen=True, eq=False)
class FileParts:
    """A sequence of `FilePart`, in 20 bytes of memory for each.

    Attributes:
        files: the files.
        file: (N,) which file each part is in, int32.
        offset: (N,) where it begins, int64.
        size: (N,) its length in bytes, int64; 0 where there is none.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "large.bin"
        >>> _ = path.write_bytes(b"antbeecow")
        >>> parts = FileParts((LargeFile.at(path, "large.bin"),), np.zeros(2, int), np.array([6, 0]), np.array([3, 3]))
        >>> parts[0].read(), parts.take([1])[0].read()
        (b'cow', b'ant')
    """

    files: tuple[LargeFile, ...]
    file: np.ndarray
    offset: np.ndarray
    size: np.ndarray

    @classmethod
    def of(cls, parts: Sequence[FilePart | None]) -> Self:
        """From a list of parts (N,), with `None` where there is none."""
        number = {file: place for place, file in enumerate(dict.fromkeys(part.file for part in parts if part))}
        places = [(number[part.file], part.offset, part.size) if part else (0, 0, 0) for part in parts]
        file, offset, size = np.array(places, dtype=np.int64).reshape(-1, 3).T
        return cls(tuple(number), file.astype(np.int32), offset.copy(), size.copy())

    def __len__(self) -> int:
        return len(self.file)

    def __getitem__(self, index: int) -> FilePart:
        return FilePart(self.files[self.file[index]], int(self.offset[index]), int(self.size[index]))

    def take(self, rows: Sequence[int]) -> "FileParts":
        """The parts at these indices, in their order."""
        chosen = np.asarray(rows, dtype=np.int64)
        return FileParts(self.files, self.file[chosen], self.offset[chosen], self.size[chosen])

    @property
    def digest(self) -> bytes:
        """A hash of the names of the files and the places of the parts; moved files have the same."""
        found = self._of_files([file.name for file in self.files])
        for values in (self.offset, self.size):
            found.update(np.ascontiguousarray(values, dtype=np.int64).data)
        return found.digest()

    @property
    def state(self) -> bytes:
        """A hash of path, size and time of modification of the files, which changes whenever one of them does."""
        said = [f"{os.path.realpath(file.path)} {file.size} {file.changed}" for file in self.files]
        return self._of_files(said).digest()

    def _of_files(self, texts: Sequence[str]) -> blake2b:
        """A hash of one text for each file that is used, and of the file of each part."""
        used, own = np.unique(self.file, return_inverse=True)
        found = blake2b(digest_size=16)
        for number in used.tolist():
            found.update(texts[number].encode(errors="surrogateescape") + b"\0")
        found.update(np.ascontiguousarray(own, dtype=np.int64).data)
        return found


def _read(file: int, offset: int, size: int) -> bytes:
    """`size` bytes from `offset`; a network drive may return them in pieces."""
    content = os.pread(file, size, offset)
    while len(content) < size and (more := os.pread(file, size - len(content), offset + len(content))):
        content += more
    return content
