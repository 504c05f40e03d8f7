"""Text of lists and tables: compressed or not, in UTF-8 or UTF-16."""

import bz2
import gzip
import io
import lzma
import zipfile
import zlib
from pathlib import Path

COMPRESSED = (".gz", ".bz2", ".xz", ".zip", ".zst")


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
        ValueError: damaged, or in another encoding.
    """
    return decoded(path.read_bytes(), str(path))


def decoded(content: bytes, where: str) -> str:
    """The text of the bytes of a file; errors as for `read_text`."""
    content = _unpacked(content, where)
    encoding = "utf-16" if content[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    try:
        return content.decode(encoding)
    except UnicodeDecodeError as error:
        raise ValueError(
            f"{where} must be text in UTF-8. Byte {error.start} is not. Save it as UTF-8, for example with "
            "`iconv -f latin1 -t utf8`."
        ) from None


def _unpacked(content: bytes, where: str) -> bytes:
    if content[:4] == b"PK\x03\x04":
        return _only_member(content, where)
    try:
        if content[:2] == b"\x1f\x8b":
            return gzip.decompress(content)
        if content[:3] == b"BZh":
            return bz2.decompress(content)
        if content[:6] == b"\xfd7zXZ\x00":
            return lzma.decompress(content)
    except (OSError, EOFError, ValueError, zlib.error, lzma.LZMAError) as error:
        raise _damaged(where, error) from None
    return content


def _only_member(content: bytes, where: str) -> bytes:
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            members = [name for name in archive.namelist() if not name.endswith("/")]
            if len(members) == 1:
                return archive.read(members[0])
    except (OSError, EOFError, zlib.error, zipfile.BadZipFile) as error:
        raise _damaged(where, error) from None
    raise ValueError(f"{where} must hold one file. It holds {len(members)}. Unpack it, and give the folder.")


def _damaged(where: str, error: Exception) -> ValueError:
    return ValueError(f"{where} must be a whole compressed file. It is damaged: {error}. Fetch it again.")
