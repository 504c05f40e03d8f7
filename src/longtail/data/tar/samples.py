"""The members of tar files by sample, as in WebDataset: a.jpg, and a.cls or a.json beside it, are the sample a."""

import json
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from longtail.data.first_of_many import first
from longtail.data.images.file_parts import FilePart
from longtail.data.images.folder import image_suffixes
from longtail.data.options import OptionDoesNotApplyError
from longtail.data.tar.headers import TarHeaders

LARGEST = 1 << 26


class TarSample(NamedTuple):
    """The files of a tar file that share their name up to its first dot.

    Attributes:
        headers: of the tar file.
        key: what they share.
        rows: place in the headers of each, by suffix.
    """

    headers: TarHeaders
    key: str
    rows: dict[str, int]

    def part(self, suffix: str) -> FilePart | None:
        """Where the file of this suffix lies, if there is one."""
        return self.headers.part(self.rows[suffix]) if suffix in self.rows else None

    @property
    def images(self) -> list[str]:
        """The suffixes of its images."""
        return list(filter(is_image, self.rows))

    def __str__(self) -> str:
        return f"{self.headers.file.path}:{self.key}"


def samples_of(shards: Sequence[TarHeaders]) -> Iterator[TarSample]:
    """The samples of tar files, in their order."""
    for headers in shards:
        rows: dict[str, dict[str, int]] = {}
        for row, name in enumerate(headers.names):
            key, suffix = key_and_suffix(name)
            own = rows.setdefault(key, {})
            own[name[len(key) + 1 :] if suffix in own else suffix] = row  # a.JPG beside a.jpg
        for key, own in rows.items():
            yield TarSample(headers, key, own)


def key_and_suffix(name: str) -> tuple[str, str]:
    """The name of a sample, and which of its files this is.

    Example:
        >>> key_and_suffix("birds/0001.left.JPG"), key_and_suffix("README")
        (('birds/0001', 'left.jpg'), ('README', ''))
    """
    folder, slash, base = name.rpartition("/")
    stem, _, suffix = base.partition(".")
    return folder + slash + stem, suffix.lower()


def is_image(suffix: str) -> bool:
    """Whether a suffix such as left.jpg is that of an image."""
    return f".{suffix.rpartition('.')[2]}" in image_suffixes()


def images_in(headers: TarHeaders) -> list[FilePart]:
    """The files of a tar file that are images by their suffix, in their order."""
    return [headers.part(row) for row, name in enumerate(headers.names) if is_image(key_and_suffix(name)[1])]


def has_files_beside(shards: Sequence[TarHeaders]) -> bool:
    """Whether samples hold more than images."""
    return any(sample.images and len(sample.rows) > len(sample.images) for sample in samples_of(shards))


def images_of_samples(samples: Sequence[TarSample], given: str | None, where: str) -> dict[str, list[FilePart | None]]:
    """The image of each sample, (N,), as a dictionary of one column, which is named as given, or by suffix, or "image".

    Args:
        samples: of which some may have no image.
        given: suffix of the images, such as left.jpg, or left.
        where: the tar files, for messages.

    Raises:
        ValueError: no sample has one, or one has several.
    """
    found = [_image_suffix(sample, given) for sample in samples]
    suffixes = dict.fromkeys(suffix for suffix in found if suffix is not None)
    if not suffixes:
        held = first(list(dict.fromkeys(suffix for sample in samples for suffix in sample.rows if suffix)))
        must = "images" if given is None else f"images with the suffix {given} (--path-column)"
        message = f"{where} must hold {must}. It holds {f'files with the suffixes {held}' if held else 'none'}."
        raise ValueError(message) if given is None else OptionDoesNotApplyError("path_column", message)
    name = given or (next(iter(suffixes)) if len(suffixes) == 1 else "image")
    return {name: [None if own is None else sample.part(own) for sample, own in zip(samples, found, strict=True)]}


def _image_suffix(sample: TarSample, given: str | None) -> str | None:
    found = [suffix for suffix in sample.images if given in (None, suffix, suffix.rpartition(".")[0])]
    if len(found) > 1:
        raise ValueError(
            f"{sample} must have one image; names of samples end at the first dot. It has {' and '.join(found)}. Name "
            f"one: --path-column {found[0]}."
        )
    return found[0] if found else None


def text_of(content: FilePart | None) -> str | None:
    """The line in a file, without blanks around it; `None` if there is none.

    Raises:
        ValueError: it is not in UTF-8, or of several lines.
    """
    if content is None:
        return None
    try:
        text = _read(content).decode("utf-8-sig").strip()
    except UnicodeDecodeError:
        raise ValueError(f"{content.file.path}:{content.name} must be text in UTF-8. It holds other bytes.") from None
    if "\n" in text or "\r" in text:
        raise ValueError(
            f"{content.file.path}:{content.name} must hold one line. It holds several: {text[:60]!r}. Name another "
            "column with --label; several labels for one sample are not supported."
        )
    return text or None


def fields_of(content: FilePart) -> dict[str, Any]:
    """The fields of a JSON file.

    Raises:
        ValueError: it holds no object, or is too large to be one about an image.
    """
    text = _read(content)
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise ValueError(f"{content.file.path}:{content.name} must hold a JSON object. It does not.")
    return found


def _read(content: FilePart) -> bytes:
    if content.size > LARGEST:
        raise ValueError(
            f"{content.file.path}:{content.name} must be text about an image, of at most {LARGEST:,} bytes. It has "
            f"{content.size:,}."
        )
    return content.read()
