"""Text of lists and tables: compressed or not, in UTF-8 or UTF-16."""

import bz2
import gzip
import io
import lzma
import zipfile
import zlib
from pathlib import Path
from typing import IO, Any

from longtail.free_memory import free_memory
from longtail.regular_file import check_regular

COMPRESSED = (".gz", ".bz2", ".xz", ".zip", ".zst")
MEMORY_OF_TEXT = 8  # measured: bytes of memory at the peak of reading a byte of a table
PART = 1 << 24
OPENED: dict[bytes, Any] = {b"\x1f\x8b": gzip.open, b"BZh": bz2.open, b"\xfd7zXZ\x00": lzma.open}
ZSTANDARD = b"\x28\xb5\x2f\xfd"
DAMAGED = (  # what the packages that unpack raise
    OSError,
    EOFError,
    ValueError,
    RuntimeError,
    NotImplementedError,
    zlib.error,
    lzma.LZMAError,
    zipfile.BadZipFile,
)


class RefusedError(ValueError):
    """A compressed file that is whole, but can't be taken."""


def kind_of(path: Path) -> str:
    """The suffix that says what a file holds, in lower case, that of a compressed file without the compression.

    Example:
        >>> kind_of(Path("train.CSV.gz"))
        '.csv'
    """
    suffixes = [suffix.lower() for suffix in path.suffixes]
    if suffixes and suffixes[-1] in COMPRESSED:
        suffixes.pop()
    return suffixes[-1] if suffixes else ""


def read_text(path: Path) -> str:
    """The text of a file.

    Raises:
        ValueError: no regular file, damaged, in another encoding, or larger than the memory.
    """
    check_regular(path)
    with path.open("rb") as file:
        return decoded(read_stream(file, str(path)), str(path))


def read_stream(file: IO[bytes], where: str) -> bytes:
    """All bytes of an open file: a few packed ones may stand for more than the memory holds.

    Raises:
        ValueError: text of so many bytes can't be read in the memory that is free.
    """
    parts: list[bytes] = []
    left = free_memory() // MEMORY_OF_TEXT
    while part := file.read(PART):
        left -= len(part)
        if left < 0:
            raise RefusedError(f"{where} must fit into memory (unpacked, if it is compressed). It does not.")
        parts.append(part)
    return b"".join(parts)


def decoded(content: bytes, where: str) -> str:
    """The text of the bytes of a file; errors as for `read_text`."""
    content = _unpacked(content, where)
    encoding = "utf-16" if content[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError as error:
        raise ValueError(
            f"{where} must be text in UTF-8. Byte {error.start} is not. Save it as UTF-8, for example with "
            "`iconv -f latin1 -t utf8`."
        ) from None
    if "\0" in text:
        raise ValueError(f"{where} must be a text file. It holds null bytes: UTF-16 without a byte order mark?")
    return text


def _unpacked(content: bytes, where: str) -> bytes:
    file = io.BytesIO(content)
    if content.startswith(ZSTANDARD):
        raise RefusedError(
            f"{where} must be plain, or packed as .gz, .bz2, .xz or .zip. Got Zstandard. Unpack it: zstd -d {where}"
        )
    try:
        if content[:4] == b"PK\x03\x04":
            return _only_member(file, where)
        for magic, opened in OPENED.items():
            if content.startswith(magic):
                with opened(file) as unpacked:
                    return read_stream(unpacked, where)
    except RefusedError:
        raise
    except DAMAGED as error:
        raise ValueError(f"{where} must be a whole compressed file. It is damaged: {error}. Fetch it again.") from None
    return content


def _only_member(file: IO[bytes], where: str) -> bytes:
    with zipfile.ZipFile(file) as archive:
        members = [name for name in archive.namelist() if not name.endswith("/")]
        if len(members) != 1:
            raise RefusedError(f"{where} must hold one file. It holds {len(members)}. Unpack it, and give the folder.")
        with archive.open(members[0]) as member:
            return read_stream(member, where)
