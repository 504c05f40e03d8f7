"""The files of a data set by part, which their names or those of their folders give."""

from collections.abc import Collection, Sequence
from pathlib import Path

from longtail.data.counted import counted
from longtail.data.first_of_many import first
from longtail.data.options import Options
from longtail.data.shards.layout import ShardKind, others_beside, shard_sets
from longtail.data.shards.names import check_complete, name_of_shards


def files_of(folder: Path, kind: ShardKind) -> list[Path]:
    """The files of all parts.

    Raises:
        ValueError: several data sets, files that are missing by the names of the others, or one of two names.
    """
    files = sorted(file for part in _only_set(folder, kind).values() for file in part)
    check_complete(files)
    _refuse_same(files)
    return files


def files_by_part(
    folder: Path, kind: ShardKind, options: Options, notes: list[str], *, used: Collection[str] = ()
) -> dict[str, list[Path]]:
    """The files of each part that is read; under an empty name if no file names a part.

    Args:
        folder: of the data set (`shard_layout`).
        kind: of the files.
        options: `first_of` may name the only part that is needed.
        notes: gets a note on what is left out.
        used: names of further files that are read, which no note calls left out.

    Raises:
        ValueError: several data sets, files that are missing by the names of the others, or one of two names.
    """
    by_part = dict(_only_set(folder, kind))
    _note_others(folder, by_part, kind, used, notes)
    unnamed = by_part.pop("", [])
    if not by_part:
        by_part = {"": unnamed}
    elif unnamed:
        left = counted(len(unnamed), "file of no part is", "files of no part are")
        notes.append(f"{folder}: {left} left out: {first([_name(file, folder) for file in unnamed])}.")
    by_part = _needed(by_part, folder, options, notes)
    for name, files in by_part.items():
        if name:
            _note_names(name, files, folder, notes)
        check_complete(files)
    _refuse_same([file for files in by_part.values() for file in files])
    return by_part


def _refuse_same(files: Sequence[Path]) -> None:
    """Raise if a file has two names: its samples would be there twice."""
    found: dict[tuple[int, int], Path] = {}
    for file in files:
        status = file.stat()
        other = found.setdefault((status.st_dev, status.st_ino), file)
        if other != file and status.st_ino:  # 0 on drives that number no files
            raise ValueError(
                f"{file.parent} must hold each file once. {other.name} and {file.name} are one, by a link."
            )


def refuse_other_parts(name: str, read: Collection[str], files: Sequence[str], by: str = "column") -> None:
    """Raise if files that their names give to one part hold samples of another.

    Args:
        name: the part of the files.
        read: the parts of their samples.
        files: their paths.
        by: what names the parts of the samples, "column" or "folder", for the message.
    """
    if set(read) != {name}:
        raise ValueError(
            f"{first(files)} must hold samples of {name} alone, as the names say. A {by} names "
            f"{' and '.join(read)}: rename the files, or drop the {by}."
        )


def _needed(by_part: dict[str, list[Path]], folder: Path, options: Options, notes: list[str]) -> dict[str, list[Path]]:
    """The files of the part that is needed, if one is: those of the others may be too large for the memory."""
    needed = next((name for name in options.first_of if name in by_part), None)
    if needed is None or len(by_part) == 1:
        return by_part
    notes.append(f"{folder}: {needed} is read, not {' and '.join(name for name in by_part if name != needed)}.")
    return {needed: by_part[needed]}


def _only_set(folder: Path, kind: ShardKind) -> dict[str, list[Path]]:
    found = shard_sets(folder, kind)
    if len(found) > 1:
        names = first([place.name for place in found])
        raise ValueError(f"{folder} must hold one data set. It holds {len(found)}: {names}. Give the folder of one.")
    return next(iter(found.values()))


def _name(file: Path, folder: Path) -> str:
    """The file as seen from the folder, or from its folder `data`."""
    return str(file.relative_to(folder)).removeprefix("data/")


def _note_others(
    folder: Path, by_part: dict[str, list[Path]], kind: ShardKind, used: Collection[str], notes: list[str]
) -> None:
    beside = others_beside((file for files in by_part.values() for file in files), kind)
    if others := [file for file in beside if file.name not in used]:
        left = counted(len(others), f"file that is not {kind.name} is", f"files that are not {kind.name} are")
        notes.append(f"{folder}: {left} left out: {first([_name(file, folder) for file in others])}.")


def _note_names(part: str, files: Sequence[Path], folder: Path, notes: list[str]) -> None:
    """Say where a part may be less, or more, than it seems."""
    if files[0].parent.name.startswith("partial-"):
        notes.append(f"{folder}: {files[0].parent.name} holds the beginning of {part} alone, as its name says.")
    names = list(dict.fromkeys(filter(None, (name_of_shards(file.name) for file in files))))
    if len(names) > 1:
        notes.append(f"{folder}: {part} is read from files of {len(names)} names: {first(names)}.")
