"""Images to predict from tar files, which need no labels."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from longtail.data.first_of_many import first
from longtail.data.images.file_parts import FilePart
from longtail.data.samples import Samples
from longtail.data.tar.folders import as_encoded
from longtail.data.tar.samples import has_files_beside, images_in, images_of_samples, samples_of
from longtail.data.tar.source import headers_of


def tar_images(files: Sequence[Path], notes: list[str], column: str | None = None) -> Samples:
    """The images of tar files, in their order; they have no labels.

    Args:
        files: their paths.
        notes: gets a note on what is left out.
        column: suffix of the images, such as left.jpg; needed where a sample has several.

    Raises:
        ValueError: a file is compressed, cut off or damaged, or holds no images; several images in a sample.
    """
    named = [image for path in files for image in _named_images(path, notes, column)]
    names, images = [name for name, _ in named], [image for _, image in named]
    return Samples(np.zeros(len(images), dtype=np.int64), (), items=as_encoded(images, names))


def _named_images(path: Path, notes: list[str], column: str | None) -> list[tuple[str, FilePart]]:
    """The images of a tar file, called as in training: FILE:KEY where they have labels beside them, else FILE:NAME."""
    shards = headers_of([path], path.parent, notes)
    if column is None and not has_files_beside(shards):  # images alone, whose names may begin alike
        images = images_in(shards[0])
        if not images:
            raise ValueError(f"{path} must hold images. It holds {first(shards[0].names)}.")
        return [(f"{image.file.path}:{image.name}", image) for image in images]
    samples = [sample for sample in samples_of(shards) if sample.images]
    (found,) = images_of_samples(samples, column, str(path)).values()
    return [(str(sample), image) for sample, image in zip(samples, found, strict=True) if image is not None]
