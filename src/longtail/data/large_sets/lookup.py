"""Finds the lists of a data set: by the names that they usually have, else by their content."""

from pathlib import Path

import numpy as np

from longtail.data.large_sets.annotations import read_annotations
from longtail.data.large_sets.facts import LargeSet, ListFacts
from longtail.data.large_sets.list_file import ListedFiles, read_list_file

FOLDERS = ("", "lists", "data_txt", "annotations", "ImageNet_LT", "Places_LT", "iNaturalist18")
LARGEST = 1 << 28  # bytes of a text file that may be a list


def find_lists(dataset: LargeSet, folder: Path) -> dict[str, ListedFiles]:
    """The list of each part.

    Args:
        dataset: the data set.
        folder: that holds the lists, itself or in one of the folders that they are often put in.

    Raises:
        FileNotFoundError: a list is missing.
        ValueError: a list of another form.
    """
    found = {name: _by_name(facts, folder) for name, facts in dataset.lists.items()}
    others: list[ListedFiles] | None = None
    lists: dict[str, ListedFiles] = {}
    for name, facts in dataset.lists.items():
        listed = found[name]
        if listed is None:
            others = _other_lists(dataset, folder) if others is None else others
            listed = next((other for other in others if _is(other, facts)), None)
        if listed is None:
            raise FileNotFoundError(_missing(dataset, name, folder))
        lists[name] = listed
    return lists


def _by_name(facts: ListFacts, folder: Path) -> ListedFiles | None:
    for inside in FOLDERS:
        for name in facts.names:
            if (folder / inside / name).is_file():
                return read_list_file(folder / inside / name)
        if facts.json is not None and (folder / inside / facts.json).is_file():
            return read_annotations(folder / inside / facts.json)
    return None


def _other_lists(dataset: LargeSet, folder: Path) -> list[ListedFiles]:
    """Text files of other names that have the form of a list."""
    named = {name for facts in dataset.lists.values() for name in facts.names}
    lists = []
    for inside in FOLDERS:
        for path in sorted((folder / inside).glob("*.txt")):
            if path.name not in named and path.stat().st_size <= LARGEST:
                try:
                    lists.append(read_list_file(path))
                except ValueError:  # a text of another kind
                    continue
    return lists


def _is(listed: ListedFiles, facts: ListFacts) -> bool:
    """Whether a file of any name is this list: by its checksum where that is known, else by its number of images."""
    if facts.checksum is not None:
        return listed.checksum == facts.checksum
    return len(listed.files) == facts.images and len(np.unique(listed.labels)) > 1


def _missing(dataset: LargeSet, part: str, folder: Path) -> str:
    facts = dataset.lists[part]
    names = " or ".join([*facts.names, *([facts.json] if facts.json else [])])
    return (
        f"`data` must hold {names}, the official {part} list of {dataset.title} ({facts.images:,} images). Got "
        f"{folder}, which holds none. It comes from {dataset.source}. If lists and images are in different "
        "folders, pass --data LISTS --root IMAGES."
    )
