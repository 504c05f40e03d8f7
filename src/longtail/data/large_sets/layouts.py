"""Where the images of a list lie: the layout that holds most of them."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from longtail.data.large_sets.classes import ListedClasses
from longtail.data.large_sets.facts import LargeSet

TRIED = 64
"""Images by which a layout is chosen."""


def located(dataset: LargeSet, classes: ListedClasses, root: Path) -> tuple[str, ...]:
    """The files of a list as they lie below `root`.

    Raises:
        FileNotFoundError: no image of the list in any layout.
    """
    folders = dict(zip(classes.folders, classes.names, strict=True))
    by_kind: dict[str, list[str]] = {}
    for folder in folders:
        by_kind.setdefault(dataset.kind_of(f"{folder}/"), []).append(folder)
    place: dict[str, str] = {}
    for kind, written in by_kind.items():
        template = _layout(dataset, classes, root, kind, set(written))
        place |= {folder: _filled(template, folders[folder]) for folder in written}
    files = classes.listed.files
    if all(folder == there for folder, there in place.items()):
        return tuple(files)
    there = [place[folder] for folder in classes.folders]
    return tuple(
        f"{there[index]}/{file.rpartition('/')[2]}" for index, file in zip(classes.folder.tolist(), files, strict=True)
    )


def _layout(dataset: LargeSet, classes: ListedClasses, root: Path, kind: str, written: set[str]) -> str:
    """The template under which most of some images of that kind are found."""
    members = np.flatnonzero(np.array([folder in written for folder in classes.folders])[classes.folder])
    chosen = members[np.linspace(0, len(members) - 1, min(TRIED, len(members))).astype(np.int64)]
    pairs = [(classes.names[classes.folder[i]], classes.listed.files[i].rpartition("/")[2]) for i in chosen.tolist()]
    templates = dataset.layouts[kind]
    hits = [_hits(root, template, pairs) for template in templates]
    if not max(hits):
        name, file = pairs[0]
        example = ", ".join(f"{_filled(template, name)}/{file}" for template in templates[:3])
        raise FileNotFoundError(
            f"`root` must hold the images of {dataset.title}. Got {root}, where none of {len(pairs)} images of "
            f"{classes.listed.path} is found, in any of {len(templates)} layouts such as {example}. Pass the folder "
            "that holds them: --root IMAGES."
        )
    return templates[int(np.argmax(hits))]


def _hits(root: Path, template: str, pairs: Iterable[tuple[str, str]]) -> int:
    return sum((root / _filled(template, name) / file).is_file() for name, file in pairs)


def _filled(template: str, name: str) -> str:
    return template.format(name=name, joined=name.replace("/", "-"), letter=name[0])
