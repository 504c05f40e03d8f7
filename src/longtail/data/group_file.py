"""Groups from a file of paths and groups."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from longtail.data.counted import counted
from longtail.data.first_of_many import first
from longtail.data.images.encoded_images import EncodedImages
from longtail.data.list_source import from_home, with_slashes
from longtail.data.options import Options
from longtail.data.raw_part import RawPart
from longtail.data.tables.columns import FILE_COLUMNS, GROUP_COLUMNS
from longtail.data.tables.file import read_table
from longtail.data.tables.index import with_index


def add_groups(parts: dict[str, RawPart], path: Path, notes: list[str]) -> None:
    """Give each file the group that a table of paths and groups names.

    Paths are relative to the root of the files, or to the folder above it, or absolute. Images within a tar file or a
    table have their paths there, with or without the first folder.

    Raises:
        FileNotFoundError: no such file.
        ValueError: no files to give groups to, a path twice with two groups, or files without a group.
    """
    if not path.is_file():
        raise FileNotFoundError(f"`groups` must be a file of paths and groups. Got {path}, which is missing.")
    if any(_paths(part) is None for part in parts.values()):
        raise ValueError(
            "`groups` must be left out for data without a path of its own for each sample. A table has its groups "
            "in a column (--group), tar shards in a field of JSON (--group), an .npz file in an array `groups`."
        )
    group_of = _table(path, notes)
    used: set[str] = set()
    around = _folder_around([file for part in parts.values() if part.root is None for file in _paths(part) or ()])
    for name, part in parts.items():
        part.groups = _groups(name, part, group_of, path, used, around)
    if len(used) < len(group_of):
        notes.append(
            f"{path}: {counted(len(group_of) - len(used), 'path is', 'paths are')} not among the files, and not used."
        )


def _table(path: Path, notes: list[str]) -> dict[str, str]:
    frame = with_index(read_table(path, list, notes), Options(), str(path), notes, has_features=False).astype(str)
    names = [str(name) for name in frame.columns]
    if len(names) < 2:
        raise ValueError(f"{path} must have a column of paths and one of groups. Its columns: {', '.join(names)}.")
    file = next((name for name in names if name.lower() in FILE_COLUMNS), names[0])
    rest = [name for name in names if name != file]
    known = [name for name in rest if name.lower() in GROUP_COLUMNS]
    if not known and len(rest) > 1:
        raise ValueError(
            f"{path} must have one column beside the paths, or one named {' or '.join(sorted(GROUP_COLUMNS))}. Its "
            f"columns: {', '.join(names)}. Rename the column of the groups."
        )
    group = (known or rest)[0]
    if (empty := int((frame[group].str.strip() == "").sum())) > 0:
        raise ValueError(f"{path} must name a group for each path. {counted(empty, 'row has', 'rows have')} none.")
    files = from_home(with_slashes(frame[file].tolist(), str(path), notes), str(path), notes)
    groups = frame[group].tolist()
    found = dict(zip(files, groups, strict=True))
    if len(found) < len(files):
        clash = next((f for f, g in zip(files, groups, strict=True) if found[f] != g), None)
        if clash is not None:
            raise ValueError(f"{path} must name one group for each path. {clash!r} has several.")
    return found


def _groups(name: str, part: RawPart, group_of: dict[str, str], path: Path, used: set[str], around: str) -> np.ndarray:
    groups, missing, files = [], [], _paths(part) or ()
    for file in files:
        key = next((name for name in _names(file, part.root, around) if name in group_of), None)
        if key is not None:
            used.add(key)
            groups.append(group_of[key])
        else:
            missing.append(file)
    if missing:
        raise ValueError(
            f"{path} must name a group for each file. {len(missing):,} of {len(files):,} files of {name} have "
            f"none: {first(missing)}.{'' if part.root is None else f' Its paths are relative to {part.root}.'}"
        )
    return np.array(groups, dtype=object)


def _paths(part: RawPart) -> Sequence[str] | None:
    """The paths of files, or those that images in a tar file or a table have, if they differ."""
    if part.files is not None or not isinstance(part.items, EncodedImages):
        return part.files
    paths = part.items.paths
    return paths if all(paths) and len(set(paths)) == len(paths) else None


def _folder_around(files: Sequence[str]) -> str:
    """The folder that holds all files, such as photos/; an empty text if none does."""
    folders = {file.partition("/")[0] + "/" for file in files if "/" in file}
    return folders.pop() if len(folders) == 1 and all("/" in file for file in files) else ""


def _names(file: str, root: Path | None, around: str) -> list[str]:
    """The paths by which a table may name a file."""
    if root is None:
        return [file, file.removeprefix(around)]
    return [file, f"{root.name}/{file}", f"{root.absolute()}/{file}"]
