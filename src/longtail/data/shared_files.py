"""Files that are in two parts, whose scores say nothing about new samples."""

import os
from collections.abc import Mapping
from itertools import combinations

from longtail.data.counted import counted
from longtail.data.images.file_parts import FileParts
from longtail.data.samples import Samples


def note_shared_files(parts: Mapping[str, Samples], notes: list[str]) -> None:
    """Add a note for each two parts that name the same files. Copies under other names are found by `longtail doctor`.

    Args:
        parts: by name; those whose images are neither files nor in tar files are left out.
        notes: to add to.
    """
    if len(parts) < 2:
        return
    files = {name: set(map(os.path.normpath, _places(part))) for name, part in parts.items()}
    for one, other in combinations(files, 2):
        shared = files[one] & files[other]
        if shared:
            notes.append(
                f"{counted(len(shared), 'file is', 'files are')} in {one} and in {other}, such as {min(shared)}: "
                "scores on them do not show how well new images are classified."
            )


def _places(part: Samples) -> list[str]:
    """Where the images lie, those in a large file by their names in it."""
    if part.encoded is not None and isinstance(part.encoded.contents, FileParts):
        return part.encoded.names
    return [f"{part.root or '.'}/{file}" for file in part.files or ()]
