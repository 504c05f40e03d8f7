"""Labelled image files from what people have: folders of class folders, list files, tables."""

import csv
import io
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from longtail.data.labels import LABEL_COLUMNS

IMAGES = (".jpg", ".jpeg", ".png", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm")
MOST_CLASSES = 1_000_000
FILE_COLUMNS = ("path", "file", "filename", "file_name", "image")


@dataclass(frozen=True, eq=False)
class Listing:
    """Labelled samples, their files where they are known.

    Attributes:
        target: (N,) class indices int64.
        class_names: (C,).
        files: (N,) paths, or `None` for labels alone.
    """

    target: np.ndarray
    class_names: tuple[str, ...]
    files: tuple[Path, ...] | None = None

    def among(self, class_names: Sequence[str]) -> "Listing":
        """The same with the classes in another order, by name; those that it lacks come last.

        Example:
            >>> Listing(np.array([0, 1]), ("bee", "zebra")).among(["ant", "bee"]).target.tolist()
            [1, 2]
        """
        names = (*class_names, *(name for name in self.class_names if name not in set(class_names)))
        place = {name: index for index, name in enumerate(names)}
        order = np.array([place[name] for name in self.class_names])
        return Listing(order[self.target], names, self.files)

    @property
    def class_counts(self) -> np.ndarray:
        """(C,) samples of each class."""
        return np.bincount(self.target, minlength=len(self.class_names))


def class_folders(folder: str | os.PathLike[str], class_names: Sequence[str] | None = None) -> Listing:
    """The images of a folder that holds one folder a class; other files are left out.

    Args:
        folder: where the class folders lie.
        class_names: those of another part, whose order is kept; by default the folders' names, sorted.

    Raises:
        FileNotFoundError: no such folder, or none in it.
        ValueError: a class folder that is not among `class_names`.
    """
    root = Path(folder)
    if not root.is_dir():
        raise FileNotFoundError(f"`folder` must exist. Got {root}.")
    found = sorted(entry.name for entry in os.scandir(root) if entry.is_dir() and not entry.name.startswith("."))
    if not found:
        raise FileNotFoundError(f"`folder` must hold a folder for each class. Got {root}, which holds none.")
    names = tuple(found if class_names is None else class_names)
    unknown = sorted(set(found) - set(names))
    if unknown:
        raise ValueError(f"{root} must hold the classes of the other part alone. Got {unknown[0]!r}.")
    files: list[Path] = []
    target: list[int] = []
    for label, name in enumerate(names):
        own = sorted(_images_below(root / name))
        files += own
        target += [label] * len(own)
    return Listing(np.array(target, dtype=np.int64), names, tuple(files))


def _images_below(folder: Path) -> Iterator[Path]:
    """Links to folders are not followed: they may lead back."""
    for where, _, names in os.walk(folder):
        yield from (Path(where) / name for name in names if Path(name).suffix.lower() in IMAGES)


def list_file(path: str | os.PathLike[str], root: str | os.PathLike[str] | None = None) -> Listing:
    """Lines of a path and a class index with a blank between them, as the lists of ImageNet-LT and Places-LT are.

    Args:
        path: of the list.
        root: what its paths are relative to; by default the folder of the list.

    Raises:
        FileNotFoundError: no such file.
        ValueError: an empty list, a line of another form, a negative label.
    """
    path = Path(path)
    base = path.parent if root is None else Path(root)
    files, target = [], []
    for number, line in enumerate(_text(path).splitlines(), 1):
        if not line.strip():
            continue
        name, _, label = line.strip().rpartition(" ")
        if not name or not _is_index(label):
            raise ValueError(
                f"{path} must hold a path and a class index a line, the index below {MOST_CLASSES:,}. "
                f"Line {number} is {line[:80]!r}."
            )
        files.append(base / name)
        target.append(int(label))
    if not files:
        raise ValueError(f"{path} must hold at least one line. Got none.")
    return Listing(np.array(target, dtype=np.int64), tuple(map(str, range(max(target) + 1))), tuple(files))


def label_table(path: str | os.PathLike[str], root: str | os.PathLike[str] | None = None) -> Listing:
    """A CSV with a column of labels, and one of files if there is one.

    Args:
        path: of the table; a column `label` (or target, fine_label), if known one `path` (or file, filename, image).
        root: what its paths are relative to; by default the folder of the table.

    Raises:
        FileNotFoundError: no such file.
        ValueError: no column of labels, or no row.
    """
    path = Path(path)
    base = path.parent if root is None else Path(root)
    try:
        reader = csv.DictReader(io.StringIO(_text(path), newline=""))
        columns = {str(name).strip().lower(): name for name in reader.fieldnames or ()}
        rows = list(reader)
    except csv.Error as error:
        raise ValueError(f"{path} must be a table of comma-separated values. It could not be read: {error}.") from None
    label = next((columns[name] for name in LABEL_COLUMNS if name in columns), None)
    if label is None:
        found = ", ".join(columns) or "none"
        raise ValueError(f"{path} must have a column {' or '.join(LABEL_COLUMNS)}. Its columns: {found}.")
    if not rows:
        raise ValueError(f"{path} must hold at least one row. Got none.")
    empty = next((number for number, row in enumerate(rows, 2) if not row[label]), None)
    if empty is not None:
        raise ValueError(f"{path} must hold a label in each row. Line {empty} has none.")
    texts = [row[label] for row in rows]
    if all(map(_is_index, texts)):
        target = np.array(texts, dtype=np.int64)
        names = tuple(map(str, range(int(target.max()) + 1)))
    else:
        unique, target = np.unique(texts, return_inverse=True)
        names = tuple(unique.tolist())
    column = next((columns[name] for name in FILE_COLUMNS if name in columns), None)
    unnamed = next((number for number, row in enumerate(rows, 2) if column is not None and not row[column]), None)
    if unnamed is not None:
        raise ValueError(f"{path} must name a file in each row. Line {unnamed} names none.")
    files = None if column is None else tuple(base / row[column] for row in rows)
    return Listing(target.astype(np.int64), names, files)


def _is_index(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 10 and int(text) < MOST_CLASSES


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} must be text in UTF-8. Byte {error.start} is not.") from None
