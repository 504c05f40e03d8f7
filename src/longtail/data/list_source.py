"""List files: a path and a label on each line, or paths alone whose class is their folder."""

import os
import re
import shlex
from pathlib import Path, PurePosixPath
from typing import Any

from longtail.data.class_names import named_labels
from longtail.data.first_of_many import first
from longtail.data.images.folder import image_suffixes
from longtail.data.options import Options
from longtail.data.raw_part import RawPart
from longtail.data.tables.columns import FILE_COLUMNS, LABEL_COLUMNS
from longtail.data.text_file import kind_of, read_text

LISTS = (".txt", ".lst", ".list")
NUMBER = r"-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?"
NUMBERS = re.compile(rf"{NUMBER}(?:[ ,;\t]+{NUMBER})+")


def is_list(data: Any) -> bool:
    """Whether `data` is the path of a text file that is not a table."""
    return isinstance(data, Path) and data.is_file() and kind_of(data) in LISTS


def read_list(data: Path, options: Options, notes: list[str]) -> dict[str, RawPart]:
    """Read a list of files.

    Raises:
        ValueError: an empty list, a line of another form, or files outside the root.
    """
    options.refuse("a list", "path_column", "label", "split", "group")
    lines = _lines(data, notes)
    names, labels = _columns(data, lines, notes)
    root = data.parent if options.root is None else options.root
    files = below(root, names, str(data))
    if labels is None:
        labels = _folder_names(data, files)
        notes.append(f"{data} has no labels: the class of an image is the folder that holds it.")
    codes, class_names = named_labels(labels, str(data), notes)
    return {"train": RawPart(codes, class_names, files=files, root=root)}


def below(root: Path, names: list[str], where: str) -> tuple[str, ...]:
    """Paths relative to `root`.

    Raises:
        ValueError: files that are not below it.
    """
    base = str(root.absolute())
    prefix = base if base.endswith(os.sep) else base + os.sep
    files, outside = [], []
    for name in names:
        if name[0] == "/" or ".." in name or name[:2] == "./" or "//" in name:
            path = os.path.normpath(os.path.join(base, name))  # noqa: PTH118 - half a million of them
            if not path.startswith(prefix):
                outside.append(name)
                continue
            name = path[len(prefix) :]
        files.append(name)
    if outside:
        absolute = all(name[0] == "/" for name in names)
        holder = shlex.quote(os.path.commonpath([os.path.dirname(name) for name in names])) if absolute else "DIR"  # noqa: PTH120
        raise ValueError(
            f"{where} must name files below {base}. {len(outside):,} of {len(names):,} lie outside: {first(outside)}. "
            f"Pass a folder that holds them all: --root {holder}."
        )
    return tuple(files)


def with_slashes(names: list[str], where: str, notes: list[str]) -> list[str]:
    """Paths as Windows writes them, with slashes; other paths as they are."""
    if any("/" in name for name in names) or not any("\\" in name for name in names):
        return names
    notes.append(f"{where}: backslashes in paths are read as slashes.")
    return [name.replace("\\", "/") for name in names]


def from_home(names: list[str], where: str, notes: list[str]) -> list[str]:
    """Paths that begin with ~/ below the user's home folder, as shells read them; other paths as they are."""
    if not any(name.startswith("~/") for name in names):
        return names
    notes.append(f"{where}: ~ in paths is read as the home folder, {Path.home()}.")
    return [str(Path(name).expanduser()) if name.startswith("~/") else name for name in names]


def _lines(path: Path, notes: list[str]) -> list[tuple[int, str]]:
    text = read_text(path).replace("\r\n", "\n").replace("\r", "\n")
    lines = [(number, line.strip(" \t")) for number, line in enumerate(text.split("\n"), 1)]
    comments = sum(line.startswith("#") for _, line in lines)
    if comments:
        notes.append(f"{path}: {comments} lines that start with # are left out.")
    lines = [(number, line) for number, line in lines if line and not line.startswith("#")]
    if lines and _is_header(lines[0][1]):
        notes.append(f"{path}: the first line, {lines.pop(0)[1]!r}, is read as a header.")
    if not lines:
        raise ValueError(f"{path} must hold at least one line. Got none.")
    return lines


def _is_header(line: str) -> bool:
    words = line.lower().split()
    return len(words) == 2 and words[0] in FILE_COLUMNS and words[1] in LABEL_COLUMNS


def _columns(path: Path, lines: list[tuple[int, str]], notes: list[str]) -> tuple[list[str], list[str] | None]:
    suffixes = "|".join(re.escape(suffix) for suffix in sorted(image_suffixes()))
    with_label = re.compile(rf"(.*(?:{suffixes})\"?)[ \t,;]+(.+)", re.IGNORECASE)
    alone = re.compile(rf".*(?:{suffixes})\"?", re.IGNORECASE)
    names, labels, unlabelled = [], [], []
    for number, line in lines:
        name, label = _split(line, with_label, alone)
        if label == "":
            raise ValueError(f"{path} must hold a path and a label on each line. Line {number} is {line[:80]!r}.")
        if label is None and "\t" in line:
            raise ValueError(f"{path} must hold a path and then a label on each line. Line {number} is {line[:80]!r}.")
        if label is None:
            unlabelled.append(number)
        elif NUMBERS.fullmatch(label):
            raise ValueError(f"{path} must hold one label on each line. Line {number} has several: {label[:80]!r}.")
        names.append(name[1:-1] if name[0] == name[-1] == '"' else name)
        labels.append(label or "")
    if unlabelled and len(unlabelled) < len(lines):
        raise ValueError(f"{path} must hold a label on each line, or on none. Line {unlabelled[0]} has none.")
    names = from_home(with_slashes(names, str(path), notes), str(path), notes)
    return names, None if unlabelled else labels


def _split(line: str, with_label: re.Pattern[str], alone: re.Pattern[str]) -> tuple[str, str | None]:
    """The path ends at its image suffix, so that paths and labels may hold blanks; else at the last blank or tab."""
    if match := with_label.fullmatch(line):
        return match[1], match[2].strip()
    if alone.fullmatch(line):
        return line, None
    separator = "\t" if "\t" in line else " "
    name, _, label = line.rpartition(separator)
    return (name.strip(), label) if name.strip() else (line, "")


def _folder_names(path: Path, files: tuple[str, ...]) -> list[str]:
    folders = [PurePosixPath(name).parent.name for name in files]
    if "" in folders:
        raise ValueError(
            f"{path} must hold a path and a label on each line, or paths whose folder is the class. "
            f"{files[folders.index('')]!r} has neither."
        )
    return folders
