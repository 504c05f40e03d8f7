"""A whole image file that is no file of its own: bytes in memory, or a part of a larger file."""

from dataclasses import dataclass

from longtail.data.images.file_parts import FilePart


@dataclass(frozen=True)
class ImageBytes:
    """The bytes of an image file (JPEG, PNG, …); wherever the path of one is decoded, so is this.

    It is small to send to another process where the bytes are a part of a file: they are read where they are decoded.

    Attributes:
        name: what messages call it.
        content: the bytes, or where they lie; none where the image is missing.

    Example:
        >>> str(ImageBytes("a.parquet:0", b"GIF89a")), ImageBytes("a.parquet:0", b"GIF89a").read()
        ('a.parquet:0', b'GIF89a')
    """

    name: str
    content: bytes | FilePart

    def __str__(self) -> str:
        return self.name

    def read(self) -> bytes:
        """The bytes.

        Raises:
            ValueError: there are none.
            OSError: the file that they are a part of can't be read, or has changed.
        """
        content = self.content if isinstance(self.content, bytes) else self.content.read()
        if not content:
            raise ValueError("it has no bytes")
        return content
