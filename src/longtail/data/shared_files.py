"""Files that are in two parts, whose scores say nothing about new samples."""

import os
from collections.abc import Mapping
from itertools import combinations

from longtail.data.counted import counted
from longtail.data.samples import Samples


def note_shared_files(parts: Mapping[str, Samples], notes: list[str]) -> None:
    """Add a note for each two parts that name the same files. Copies under other names are found by `longtail doctor`.

    Args:
        parts: by name; those without files are left out.
        notes: to add to.
    """
    if len(parts) < 2:
        return
    files = {
        name: {os.path.normpath(f"{part.root or '.'}/{file}") for file in part.files}
        for name, part in parts.items()
        if part.files is not None
    }
    for one, other in combinations(files, 2):
        shared = files[one] & files[other]
        if shared:
            notes.append(
                f"{counted(len(shared), 'file is', 'files are')} in {one} and in {other}, such as {min(shared)}: "
                "scores on them do not show how well new images are classified."
            )
