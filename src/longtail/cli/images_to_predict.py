"""The images of `longtail predict`: files, and those in Parquet and tar files."""

from collections.abc import Callable, Sequence
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from longtail.cli.console import say
from longtail.data.check import SKIPPING, find_bad_samples
from longtail.data.first_of_many import first
from longtail.data.images.decoding import BadImageError
from longtail.data.images.names import image_names
from longtail.data.packed_images import is_packed, pack_of, packed_images
from longtail.data.samples import Samples

if TYPE_CHECKING:
    from longtail.data.check import Progress

Classes = TypeVar("Classes")


class ImagesToPredict:
    """Images in the order of their files.

    Args:
        files: images, and Parquet and tar files of images.
        column: that of the images in Parquet files, or their suffix in tar files; needed where there are several.

    Raises:
        ValueError: a column is named, and there is no Parquet or tar file; or such a file holds no images, or has no
            such column.

    Attributes:
        heading: heading of the names.
        groups: the images; each group is either of files or of images as bytes.
    """

    heading = "path"

    def __init__(self, files: Sequence[Path], column: str | None = None) -> None:
        if column is not None and not any(map(is_packed, files)):
            raise ValueError(
                f"--path-column can only be used with Parquet and tar files. Got {first(list(map(str, files)))}."
            )
        notes: list[str] = []
        self.groups = [
            packed_images(list(group), notes, column) if pack else _of_files(list(group))
            for pack, group in groupby(files, pack_of)
        ]
        for note in notes:
            say(note, error=True)

    def __len__(self) -> int:
        return sum(map(len, self.groups))

    @property
    def names(self) -> list[str]:
        """(N,) the paths of all images if these differ, else FILE:ROW for those in other files."""
        return image_names(self.groups) or []

    def leave_out_bad(self, progress: "Progress") -> None:
        """Keep the images that can be decoded; says which of the others are left out.

        Raises:
            ValueError: none can.
        """
        number, bad = len(self), self._find_bad(progress)
        if sum(map(len, bad)) == number:
            reason = next(reason for found in bad for reason in found.values())
            raise ValueError(f"`files` must hold an image that can be decoded. None of {number:,} can: {reason}")
        left_out = [group.name(row) for group, found in zip(self.groups, bad, strict=True) for row in found]
        if left_out:
            say(f"{len(left_out):,} of {number:,} {self._what} are bad and left out: {first(left_out)}.", error=True)
        self.groups = [
            group.take(np.setdiff1d(np.arange(len(group)), list(found)))
            for group, found in zip(self.groups, bad, strict=True)
        ]

    def predicted(self, classes_of: Callable[[Samples], list[Classes]]) -> list[Classes]:
        """What `classes_of` returns for each image; it is given the images of a group.

        Raises:
            ValueError: images can't be decoded; the message says how many and names the first five.
        """
        try:
            return [classes for group in self.groups for classes in classes_of(group)]
        except BadImageError as error:
            raise ValueError(self._bad() or str(error)) from None

    def _bad(self) -> str:
        reasons = [reason for found in self._find_bad(None) for reason in found.values()]
        if not reasons:
            return ""
        more = f" And {len(reasons) - 5:,} more." if len(reasons) > 5 else ""
        return (
            f"`files` must be images. {len(reasons):,} of {len(self):,} can't be decoded: "
            f"{' '.join(reasons[:5])}{more} Replace them, or {SKIPPING}."
        )

    @property
    def _what(self) -> str:
        return "files" if all(group.encoded is None for group in self.groups) else "images"

    def _find_bad(self, progress: "Progress | None") -> list[dict[int, str]]:
        return [find_bad_samples(group, progress=progress) for group in self.groups]


def _of_files(files: Sequence[Path]) -> Samples:
    return Samples(np.zeros(len(files), dtype=np.int64), (), files=tuple(map(str, files)), root=Path())
