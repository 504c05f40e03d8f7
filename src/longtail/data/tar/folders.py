"""Tar files of class folders: the class of an image is the folder that it is in."""

import unicodedata
from collections.abc import Sequence
from pathlib import PurePosixPath

import numpy as np

from longtail.data.class_names import note_lookalikes, ordered
from longtail.data.counted import counted
from longtail.data.first_of_many import first
from longtail.data.images.encoded_images import EncodedImages
from longtail.data.images.file_parts import FilePart, FileParts
from longtail.data.options import Options
from longtail.data.raw_part import PART_NAMES, RawPart
from longtail.data.shards.parts import refuse_other_parts
from longtail.data.tar.headers import TarHeaders
from longtail.data.tar.samples import images_in, is_image, key_and_suffix


def class_folders_of(shards: Sequence[TarHeaders]) -> list[tuple[str, ...]]:
    """The folders of each image below the one that holds all; nothing if an image is in none."""
    folders = _below_common(
        [PurePosixPath(image.name).parts[:-1] for headers in shards for image in images_in(headers)]
    )
    return folders if all(folders) else []


def part_folders_of(keys: Sequence[str]) -> list[str]:
    """The folder of each sample that names its part, such as train; nothing if one is in another, or in none."""
    folders = [tuple(name for name in key.split("/")[:-1] if name not in ("", ".")) for key in keys]
    below = _below_common(folders) if all(folders) else []
    return [path[0] for path in below] if all(path and path[0].lower() in PART_NAMES for path in below) else []


def _below_common(folders: list[tuple[str, ...]]) -> list[tuple[str, ...]]:
    """The folders without those at their beginning that all share, up to one that is called as a part is."""
    while all(len(path) > 1 for path in folders) and len({path[0] for path in folders}) == 1:
        if folders[0][0].lower() in PART_NAMES:
            break
        folders = [path[1:] for path in folders]
    return folders


def read_packed_folders(
    shards: Sequence[TarHeaders],
    folders: Sequence[tuple[str, ...]],
    where: str,
    options: Options,
    notes: list[str],
    *,
    part: str,
) -> dict[str, RawPart]:
    """The images by class folder, in the order in which the same unpacked folders are read.

    Args:
        shards: the tar files.
        folders: of each image (`class_folders_of`).
        where: the tar files, for messages.
        options: refused where they mean nothing for class folders.
        notes: gets notes on what is left out.
        part: given by the names of the files, or an empty text; then folders train, val and test may give it.
    """
    options.refuse("a tar file of class folders", "root", "path_column", "label", "split", "group")
    images = [image for headers in shards for image in images_in(headers)]
    others = [name for headers in shards for name in headers.names if not is_image(key_and_suffix(name)[1])]
    if others:
        left = counted(
            len(others), "file that is not an image of a class is", "files that are not images of a class are"
        )
        notes.append(f"{where}: {left} left out: {first(others)}.")
    notes.append(f"{where}: the class of an image is the folder that holds it.")
    if not all(len(path) > 1 and path[0].lower() in PART_NAMES for path in folders):
        return {part or "train": _part(images, [path[0] for path in folders], where, notes)}
    _refuse_repeated({path[0] for path in folders}, where)
    of_part = np.array([PART_NAMES[path[0].lower()] for path in folders])
    if part:
        refuse_other_parts(part, dict.fromkeys(of_part.tolist()), [headers.file.path for headers in shards], "folder")
    return {
        name: _part(*_at(np.flatnonzero(of_part == name), images, [path[1] for path in folders]), where, notes)
        for name in dict.fromkeys(of_part.tolist())
    }


def _refuse_repeated(folders: set[str], where: str) -> None:
    by_part: dict[str, str] = {}
    for folder in sorted(folders):
        other = by_part.setdefault(PART_NAMES[folder.lower()], folder)
        if other != folder:
            raise ValueError(f"{where} must hold one folder for each part. Got {other} and {folder}. Rename one.")


def _at(rows: np.ndarray, images: list[FilePart], names: list[str]) -> tuple[list[FilePart], list[str]]:
    return [images[row] for row in rows], [names[row] for row in rows]


def _part(images: Sequence[FilePart], folders: Sequence[str], where: str, notes: list[str]) -> RawPart:
    named = [unicodedata.normalize("NFC", folder).strip() for folder in folders]
    names = ordered(named)
    note_lookalikes(names, where, notes)
    place = {name: index for index, name in enumerate(names)}
    order = sorted(range(len(images)), key=lambda row: (place[named[row]], images[row].name))
    codes = np.array([place[named[row]] for row in order], dtype=np.int64)
    return RawPart(codes, names, items=as_encoded([images[row] for row in order]))


def as_encoded(images: Sequence[FilePart], names: Sequence[str] | None = None) -> EncodedImages:
    """The images of tar files, called FILE:NAME unless names are given."""
    names = [f"{image.file.path}:{image.name}" for image in images] if names is None else names
    return EncodedImages(FileParts.of(images), names, [image.name for image in images])
