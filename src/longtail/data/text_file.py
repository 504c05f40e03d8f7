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
    content = _unpacked(path)
    encoding = "utf-16" if content[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    try:
        return content.decode(encoding)
    except UnicodeDecodeError as error:
        raise ValueError(
            f"{path} must be text in UTF-8. Byte {error.start} is not. Save it as UTF-8, for example with "
            "`iconv -f latin1 -t utf8`."
        ) from None


def _unpacked(path: Path) -> bytes:
    content = path.read_bytes()
    if content[:4] == b"PK\x03\x04":
        return _only_member(path, content)
    try:
        if content[:2] == b"\x1f\x8b":
            return gzip.decompress(content)
        if content[:3] == b"BZh":
            return bz2.decompress(content)
        if content[:6] == b"\xfd7zXZ\x00":
            return lzma.decompress(content)
    except (OSError, EOFError, ValueError, zlib.error, lzma.LZMAError) as error:
        raise _damaged(path, error) from None
    return content


def _only_member(path: Path, content: bytes) -> bytes:
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            members = [name for name in archive.namelist() if not name.endswith("/")]
            if len(members) == 1:
                return archive.read(members[0])
    except (OSError, EOFError, zlib.error, zipfile.BadZipFile) as error:
        raise _damaged(path, error) from None
    raise ValueError(f"{path} must hold one file. It holds {len(members)}. Unpack it, and give the folder.")


def _damaged(path: Path, error: Exception) -> ValueError:
    return ValueError(f"{path} must be a whole compressed file. It is damaged: {error}. Fetch it again.")
