"""The classes of a list: by the folder that holds an image, never by the number that the list gives them."""

from dataclasses import dataclass

import numpy as np

from longtail.data.first_of_many import first
from longtail.data.large_sets.facts import LargeSet
from longtail.data.large_sets.list_file import ListedFiles, counts_hash


@dataclass(frozen=True, eq=False)
class ListedClasses:
    """Folders and classes of a list.

    Attributes:
        listed: the list.
        folders: (F,) folders as the list writes them.
        folder: (N,) the folder of each image, an index into `folders`.
        names: (F,) the class of each folder.
        labels: (F,) the number that the list gives it.
    """

    listed: ListedFiles
    folders: tuple[str, ...]
    folder: np.ndarray
    names: tuple[str, ...]
    labels: np.ndarray

    def counts(self, order: tuple[str, ...]) -> np.ndarray:
        """(C,) images of each class of `order`."""
        counts: np.ndarray = np.bincount(self.codes(order), minlength=len(order))
        return counts

    def codes(self, order: tuple[str, ...]) -> np.ndarray:
        """(N,) the class of each image, an index into `order`."""
        place = {name: index for index, name in enumerate(order)}
        of_folder: np.ndarray = np.array([place[name] for name in self.names], dtype=np.int64)
        codes: np.ndarray = of_folder[self.folder]
        return codes


def classes_of(dataset: LargeSet, listed: ListedFiles) -> ListedClasses:
    """The classes of a list.

    Raises:
        ValueError: images whose folder names no class, or folder and label that contradict each other.
    """
    place: dict[str, int] = {}
    folder = np.fromiter(
        (place.setdefault(file.rpartition("/")[0], len(place)) for file in listed.files),
        dtype=np.int64,
        count=len(listed.files),
    )
    names = [dataset.class_of(name) for name in place]
    nameless = [index for index, name in enumerate(names) if name is None]
    if nameless:
        index = int(np.flatnonzero(folder == nameless[0])[0])
        raise ValueError(
            f"{listed.path} must name the class of each image by its folder, by which the parts of {dataset.title} are "
            f"matched. Got {listed.files[index]!r} in {listed.entry(index)}, whose label {listed.labels[index]} could "
            "be that of another list. Use the official list, whose paths hold the class."
        )
    labels = np.zeros(len(place), dtype=np.int64)
    labels[folder[::-1]] = listed.labels[::-1]  # the first image of a folder counts
    _check_one_label(listed, list(place), folder, labels)
    found = tuple(name for name in names if name is not None)
    _check_one_class(listed, found, labels)
    return ListedClasses(listed, tuple(place), folder, found, labels)


def official_order(dataset: LargeSet, train: ListedClasses) -> tuple[str, ...]:
    """The class names of the training list in the order of the official labels."""
    return tuple(sorted(set(train.names), key=dataset.order))


def problems_of(dataset: LargeSet, part: str, classes: ListedClasses, order: tuple[str, ...]) -> list[str]:
    """What makes a list another than the official one; empty if it is the same."""
    facts, listed = dataset.lists[part], classes.listed
    images, num_classes = len(listed.files), len(set(classes.names))
    official = f"the official {part} list of {dataset.title}, {facts.images:,} images in {dataset.classes:,} classes"
    advice = (
        f"It comes from {dataset.source}; for a list of your own: longtail train finetune --data LIST --root IMAGES"
    )
    if classes.labels.max() >= dataset.classes:
        index = int(np.flatnonzero(listed.labels == classes.labels.max())[0])
        return [
            f"{listed.path} must hold labels below {dataset.classes:,}, the classes of {dataset.title}. Got "
            f"{classes.labels.max()} in {listed.entry(index)}. {advice}"
        ]
    unknown = sorted(set(classes.names) - set(order))
    if unknown:
        return [f"{listed.path} must hold the classes of train. Got others: {first(unknown)}. {advice}"]
    if (images, num_classes) != (facts.images, dataset.classes):
        return [f"{listed.path} must be {official}. Got {images:,} in {num_classes:,}: another version? {advice}"]
    if counts_hash(classes.counts(order)) != facts.counts:
        return [f"{listed.path} must be {official}. Got as many, but other numbers in some classes. {advice}"]
    return []


def notes_on(dataset: LargeSet, part: str, classes: ListedClasses, order: tuple[str, ...]) -> list[str]:
    """What is unusual about a list, but does no harm."""
    facts, notes = dataset.lists[part], []
    place = {name: index for index, name in enumerate(order)}
    moved = sum(place[name] != label for name, label in zip(classes.names, classes.labels.tolist(), strict=True))
    if moved:
        notes.append(
            f"{classes.listed.path}: {moved:,} of {len(classes.names):,} classes have other numbers than in the "
            "official list; classes are matched by the folder of their images."
        )
    elif facts.checksum is not None and classes.listed.checksum and classes.listed.checksum != facts.checksum:
        notes.append(
            f"{classes.listed.path} has the class counts of the official list, but not its lines (other images, paths "
            "or order)."
        )
    return notes


def _check_one_label(listed: ListedFiles, folders: list[str], folder: np.ndarray, labels: np.ndarray) -> None:
    wrong = np.flatnonzero(labels[folder] != listed.labels)
    if len(wrong):
        index = int(wrong[0])
        raise ValueError(
            f"{listed.path} must give all images of a folder one label. {folders[folder[index]]} has "
            f"{labels[folder[index]]} and, in {listed.entry(index)}, {listed.labels[index]}. Fetch the official list "
            "again."
        )


def _check_one_class(listed: ListedFiles, names: tuple[str, ...], labels: np.ndarray) -> None:
    """One number for each class, and one class for each number."""
    by_label: dict[int, str] = {}
    for name, label in zip(names, labels.tolist(), strict=True):
        if by_label.setdefault(label, name) != name:
            raise ValueError(
                f"{listed.path} must give each class a label of its own. {by_label[label]} and {name} both have "
                f"{label}. Fetch the official list again."
            )
    if len(set(names)) != len(by_label):
        twice = next(name for name in names if sum(other == name for other in by_label.values()) > 1)
        raise ValueError(
            f"{listed.path} must give each class one label. {twice} has two. Fetch the official list again."
        )
