"""Images that are no files of their own: bytes in a table, such as a Parquet file, or parts of tar files."""

import io
from collections.abc import Mapping, Sequence
from functools import cached_property
from hashlib import blake2b
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np

from longtail.data.file_rows import row_names
from longtail.data.images.file_parts import FilePart, FileParts
from longtail.data.images.image_bytes import ImageBytes
from longtail.data.images.undecoded_column import UndecodedColumn

if TYPE_CHECKING:
    from pandas import Series
    from PIL.Image import Image

ELSEWHERE = (FileParts, UndecodedColumn)
"""Contents that are read when they are needed."""
BYTES, PATH = "bytes", "path"
"""Fields of an image in a Parquet file of Hugging Face."""


class EncodedImages:
    """A data set of images that are kept as bytes (JPEG, PNG, …) and decoded when an item is read.

    Args:
        contents: (N,) the bytes of whole image files, none where an image is missing; or where they lie.
        names: (N,) what messages call them, such as FILE:ROW; by default they are numbered.
        paths: (N,) the paths that the table has beside the bytes, empty where it has none.

    Example:
        >>> import io
        >>> from PIL import Image
        >>> file = io.BytesIO()
        >>> Image.new("RGB", (4, 2), "red").save(file, "PNG")
        >>> images = EncodedImages([file.getvalue()] * 3)
        >>> len(images), images[0][0].size, images.take(np.array([2])).names
        (3, (4, 2), ['sample 2'])
    """

    def __init__(
        self,
        contents: Sequence[bytes] | FileParts | UndecodedColumn,
        names: Sequence[str] | None = None,
        paths: Sequence[str] | None = None,
    ) -> None:
        self.contents = contents if isinstance(contents, ELSEWHERE) else list(contents)
        self.names = [f"sample {row}" for row in range(len(self.contents))] if names is None else list(names)
        self.paths = [""] * len(self.contents) if paths is None else list(paths)

    def __len__(self) -> int:
        return len(self.contents)

    def __getitem__(self, index: int) -> tuple[Any]:
        return (self.decoded(index),)

    def decoded(self, index: int, size: int | None = None) -> "Image":
        """An image as a viewer shows it; with `size`, JPEG at about that many pixels of the shorter side.

        Raises:
            BadImageError: missing, damaged, or no image.
        """
        from longtail.data.images.decoding import upright

        return upright(self.file(index), size)

    def file(self, index: int) -> ImageBytes:
        """An image before it is decoded."""
        return ImageBytes(self.names[index], self.contents[index])

    def take(self, rows: np.ndarray) -> "EncodedImages":
        """The images of these indices (n,); the bytes are shared."""
        chosen = rows.tolist()
        contents = self.contents
        taken = contents.take(chosen) if isinstance(contents, ELSEWHERE) else [contents[row] for row in chosen]
        return EncodedImages(taken, *([values[row] for row in chosen] for values in (self.names, self.paths)))

    @cached_property
    def digest(self) -> bytes:
        """A hash of all bytes; of parts of files, as of files, one of their names and of where they are."""
        found = blake2b(digest_size=16)
        if isinstance(self.contents, FileParts):
            found.update("\0".join(self.paths).encode(errors="surrogateescape") + self.contents.digest)
            return found.digest()
        for content in self.contents:
            whole = content if isinstance(content, bytes) else _read(content)
            found.update(len(whole).to_bytes(8, "little"))
            found.update(whole)
        return found.digest()

    @property
    def state(self) -> bytes:
        """Changes whenever the files of the images do, by size and time of modification; empty for bytes in memory."""
        return self.contents.state if isinstance(self.contents, FileParts) else b""


def _read(part: FilePart) -> bytes:
    """The bytes; none where they can't be read, which the check of the files says."""
    try:
        return part.read()
    except OSError:
        return b""


def holds_bytes(column: "Series[Any]") -> bool:
    """Whether a column of a table holds bytes, by the first rows that are not empty."""
    return _first_bytes(column) is not None


def holds_images(column: "Series[Any]") -> bool:
    """Whether these are images: bytes may also be identifiers."""
    from PIL import Image

    content = _first_bytes(column)
    if content is None:
        return False
    try:
        Image.open(io.BytesIO(content)).close()
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):  # as damaged bytes provoke them
        return False
    return True


def refuse_other_images(column: "Series[Any]", where: str) -> None:
    """Raise where a column holds images in a form that is not read: their paths without the bytes, or several in a row.

    Raises:
        ValueError: says which, and what to write instead.
    """
    if column.dtype.kind != "O":
        return
    values = [value for value in column.head(100).tolist() if value is not None]
    if any(isinstance(value, Mapping) and {BYTES, PATH} <= set(value) for value in values):
        raise ValueError(
            f"{where} must hold the bytes of the images of {column.name!r}. It holds their paths alone. Write it with "
            "the bytes, or the paths as text."
        )
    if any(isinstance(value, (list, np.ndarray)) and len(value) and _bytes_of(value[0]) for value in values):
        raise ValueError(
            f"{where} must hold one image in each row of {column.name!r}. It holds lists: write one in each."
        )


def images_of(column: "Series[Any]") -> EncodedImages:
    """The images of a column; a row without one has no bytes."""
    values, names = column.tolist(), row_names(column.index)
    if any(isinstance(value, FilePart) for value in values):
        return EncodedImages(FileParts.of(values), names, ["" if value is None else value.name for value in values])
    return EncodedImages([_bytes_of(value) or b"" for value in values], names, [*map(_path_of, values)])


def _first_bytes(column: "Series[Any]") -> bytes | None:
    if column.dtype.kind in "biufcmM":
        return None
    present = (value for value in column if not _is_empty(value))  # not all of a long column
    found = (_bytes_of(value) for value in islice(present, 100))
    return next((content for content in found if content is not None), None)


def _is_empty(value: Any) -> bool:
    content = value.get(BYTES) if isinstance(value, Mapping) else value
    return content is None or (isinstance(content, float) and content != content)  # NaN


def _bytes_of(value: Any) -> bytes | None:
    if isinstance(value, FilePart):
        return value.read()
    content = value.get(BYTES) if isinstance(value, Mapping) else value
    return bytes(content) if isinstance(content, (bytes, bytearray, memoryview)) else None


def _path_of(value: Any) -> str:
    path = value.get(PATH) if isinstance(value, Mapping) else None
    return path if isinstance(path, str) else ""
