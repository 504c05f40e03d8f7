"""The names and places of the files in a tar file, from its headers alone: the files are read when they are needed."""

import re
import tarfile
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import numpy as np

from longtail.data.images.file_parts import FilePart, LargeFile
from longtail.data.images.folder import left_out
from longtail.data.shards.tar_names import TAR, UNPACK
from longtail.regular_file import check_regular

MAGIC = {b"\x1f\x8b": ".gz", b"BZh": ".bz2", b"\xfd7zXZ": ".xz", b"\x28\xb5\x2f\xfd": ".zst"}
BLOCK = tarfile.BLOCKSIZE
READ_AT_ONCE = 1 << 20
LONGEST = 1 << 24  # bytes of what is said about a file, such as a long name; they are read into memory
NAME, SIZE, CHECKSUM, TYPE, PREFIX = slice(0, 100), slice(124, 136), slice(148, 156), 156, 345
"""Byte ranges of the fields of a header (POSIX ustar)."""
NUMBER = re.compile(rb" *[0-7]+[ \0]*")
DESCRIPTIONS = {
    *(tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK),
    *(tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE),
}
"""Types of headers that are followed by what is said about the next file."""


@dataclass
class TarHeaders:
    """What a tar file holds.

    Attributes:
        file: the tar file.
        names: (M,) of its files, without a leading ./ .
        offsets: (M,) where each begins.
        sizes: (M,) in bytes.
        hidden: names of hidden and system files, such as the ._ files of macOS.
        others: names of links, sparse files and devices.
    """

    file: LargeFile
    names: list[str] = field(default_factory=list)
    offsets: np.ndarray = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    sizes: np.ndarray = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    hidden: list[str] = field(default_factory=list)
    others: list[str] = field(default_factory=list)

    def part(self, row: int) -> FilePart:
        """Where a file lies."""
        return FilePart(self.file, int(self.offsets[row]), int(self.sizes[row]), self.names[row])


class _Header(tarfile.TarInfo):
    """Reads only name and size from the header of a plain file, in a third of the time."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> Self:
        plain = len(buf) == BLOCK and buf[TYPE : TYPE + 1] == tarfile.REGTYPE and not buf[PREFIX]
        if not plain or NUMBER.fullmatch(buf[SIZE]) is None or NUMBER.fullmatch(buf[CHECKSUM]) is None:
            return cls._other(buf, encoding, errors)
        if int(buf[CHECKSUM].strip(b"\0 "), 8) != sum(buf) - sum(buf[CHECKSUM]) + 8 * ord(" "):
            return cls._other(buf, encoding, errors)
        found = cls(bytes(buf[NAME]).partition(b"\0")[0].decode(encoding, errors))
        found.size = int(buf[SIZE].strip(b"\0 "), 8)
        return found

    @classmethod
    def _other(cls, buf: bytes | bytearray, encoding: str, errors: str) -> Self:
        found = super().frombuf(buf, encoding, errors)
        if found.type in DESCRIPTIONS and not 0 <= found.size <= LONGEST:
            raise tarfile.ReadError(f"a header is followed by {found.size:,} bytes about the next file")
        return found


def read_headers(path: Path, name: str) -> TarHeaders:
    """Read the headers.

    Args:
        path: of the tar file.
        name: its path relative to the data set.

    Raises:
        ValueError: compressed, no tar file, a pipe, cut off, damaged, or it holds a file twice.
    """
    check_regular(path)
    _refuse_compressed(path)
    found, offsets, sizes = TarHeaders(LargeFile.at(path, name)), [], []
    end, last = 0, ""
    try:
        with tarfile.open(path, "r:", tarinfo=_Header) as tar:
            while (member := _next(tar)) is not None:
                last = member.name
                own = last.removeprefix("./")
                if member.isdir():
                    continue
                if _is_left_out(own):
                    found.hidden.append(own)
                elif not member.isreg() or member.issparse():
                    found.others.append(own)
                else:
                    found.names.append(own)
                    offsets.append(member.offset_data)
                    sizes.append(member.size)
            end = tar.offset
    except (tarfile.TarError, EOFError, ValueError, OverflowError, IndexError, RecursionError) as error:
        beside = f", in or after {last!r}" if last else ""
        raise ValueError(_damaged(path, f"{error}{beside}; it has {path.stat().st_size:,} bytes")) from None
    _check_end(path, end, last)
    _refuse_repeated(path, found.names)
    found.offsets, found.sizes = (np.array(values, dtype=np.int64) for values in (offsets, sizes))
    return found


def _next(tar: tarfile.TarFile) -> tarfile.TarInfo | None:
    """The next header; its file may be cut off."""
    member = tar.next()
    tar.members = []  # type: ignore[attr-defined]  # it would keep them all
    if member is not None and (member.size < 0 or tar.offset <= member.offset):  # the size of a sparse file is another
        raise tarfile.ReadError(f"the size of {member.name!r} is negative")
    return member


def _is_left_out(name: str) -> bool:
    """Whether the file, or a folder that it is in, is hidden."""
    return any(left_out(part) for part in name.split("/") if part not in (".", "..", ""))


def _damaged(path: Path, reason: str) -> str:
    return f"{path} must be a whole tar file. It is cut off or damaged: {reason}. Fetch it again."


def _refuse_compressed(path: Path) -> None:
    must = f"{path} must be a tar file that is not compressed: images are read from any place in it. Type: "
    command = next((command for suffix, command in UNPACK.items() if path.name.lower().endswith(suffix)), None)
    if command is not None:
        raise ValueError(f"{must}{command} {path}")
    with path.open("rb") as file:
        start = file.read(8)
    if packed := next((suffix for magic, suffix in MAGIC.items() if start.startswith(magic)), None):
        raise ValueError(f"{must}mv {path} {path}{packed} && {UNPACK[TAR + packed]} {path}{packed}")


def _check_end(path: Path, end: int, last: str) -> None:
    """Raise unless empty blocks follow the last file, and nothing else: Python's reader stops at what it can't read."""
    with path.open("rb") as file:
        file.seek(end)
        block = file.read(BLOCK)
        if not block:
            raise ValueError(
                f"{path} must be a whole tar file. It ends at byte {end:,}, after {last!r}, without the empty blocks "
                f"of an end: fetch it again. If it is whole, add them: head -c {2 * BLOCK} /dev/zero >> {path}"
            )
        if len(block) < BLOCK or any(block):
            raise ValueError(_damaged(path, f"there is no header at byte {end:,}, after {last!r}"))
        while more := file.read(READ_AT_ONCE):
            if more.count(0) < len(more):  # `any` would take seconds for each gigabyte
                raise ValueError(
                    f"{path} must hold one tar file. More follows its end at byte {end:,}, as where tar files are "
                    f"joined by cat. Unpack it: tar -x --ignore-zeros -f {path}"
                )


def _refuse_repeated(path: Path, names: list[str]) -> None:
    if len(set(names)) < len(names):
        name, _ = Counter(names).most_common(1)[0]
        raise ValueError(
            f"{path} must hold each file once. It holds {name!r} twice. Unpack it, which keeps the last, and pack the "
            "files anew."
        )
