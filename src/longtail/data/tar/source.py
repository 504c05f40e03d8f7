"""Tar files of images: shards of samples, as WebDataset and the Hub have them, and packed class folders."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from longtail.data.class_names_file import class_names_file
from longtail.data.counted import counted
from longtail.data.first_of_many import first
from longtail.data.options import Options
from longtail.data.raw_part import RawPart
from longtail.data.shards.layout import ShardKind, shard_sets
from longtail.data.shards.parts import files_by_part, files_of
from longtail.data.shards.tar_names import TAR, UNPACK, is_tar_name, unpacked_name
from longtail.data.tables.file import PARQUET
from longtail.data.tar.columns import TarColumns
from longtail.data.tar.folders import class_folders_of, read_packed_folders
from longtail.data.tar.headers import TarHeaders, read_headers
from longtail.data.tar.lists import LISTS, NUMBER, check_listed
from longtail.data.tar.table import read_samples

TAR_FILES = ShardKind("tar", (TAR, *UNPACK))


def is_tar(data: Any) -> bool:
    """Whether `data` is the path of a tar file."""
    return isinstance(data, Path) and is_tar_name(data.name) and data.is_file()


def is_tar_folder(data: Any) -> bool:
    """Whether `data` is the path of a folder that holds a data set in tar files (`shard_layout`).

    Parquet files of the same names beside them are tables about the tar files. With others, the folder is a data set in
    Parquet files.
    """
    if not (isinstance(data, Path) and data.is_dir()):
        return False
    files = [file for parts in shard_sets(data, TAR_FILES).values() for part in parts.values() for file in part]
    stems = {file.name.partition(".")[0] for file in files}
    beside = {file.parent for file in files}
    tables = (entry for folder in beside for entry in folder.iterdir() if entry.suffix.lower() in PARQUET)
    return bool(files) and all(table.stem in stems for table in tables)


def tar_files(folder: Path) -> list[Path]:
    """The tar files of such a folder, of all parts.

    Raises:
        ValueError: several data sets, or files that are missing by the names of the others.
    """
    files = _without_compressed_copies(files_of(folder, TAR_FILES), folder, [])
    check_listed(files, folder)
    return files


def read_tar(data: Path, options: Options, notes: list[str]) -> dict[str, RawPart]:
    """Read one tar file; errors as those of `read_tar_folder`."""
    return _read("", [data], data.parent, options, notes)


def read_tar_folder(data: Path, options: Options, notes: list[str]) -> dict[str, RawPart]:
    """Read the tar files of a folder by part: the first word that names one in the name of the file or its folder.

    Raises:
        ValueError: several data sets; files that are missing by the names of the others, compressed, cut off or
            damaged; images without labels.
    """
    names = class_names_file(data)
    used = [NUMBER, *LISTS, *([] if names is None else [names.name])]
    by_part = files_by_part(data, TAR_FILES, options, notes, used=used)
    check_listed([file for files in by_part.values() for file in files], data)
    if "" in by_part:
        return _read("", by_part[""], data, options, notes)
    return {name: _read(name, files, data, options, notes)[name] for name, files in by_part.items()}


def headers_of(files: Sequence[Path], root: Path, notes: list[str]) -> list[TarHeaders]:
    """The headers of tar files that hold anything.

    Args:
        files: their paths.
        root: folder of the data set, relative to which they are named.
        notes: gets notes on what is left out.

    Raises:
        ValueError: compressed, cut off or damaged; or nothing in any of them.
    """
    read = [read_headers(file, file.relative_to(root).as_posix()) for file in files]
    found = [headers for headers in read if headers.names]
    if not found:
        raise ValueError(f"{first(list(map(str, files)))} must hold images. Got none.")
    if empty := [headers.file.name for headers in read if not headers.names]:
        notes.append(f"{root}: {counted(len(empty), 'tar file holds', 'tar files hold')} nothing: {first(empty)}.")
    where = _where(found)
    for what, names in (
        ("hidden or system files are left out", [name for headers in read for name in headers.hidden]),
        ("links, sparse files and devices are left out", [name for headers in read for name in headers.others]),
    ):
        if names:
            notes.append(f"{where}: {len(names):,} {what}: {first(names)}.")
    return found


def _where(shards: Sequence[TarHeaders]) -> str:
    """What messages call tar files that are read together."""
    path = Path(shards[0].file.path)
    return str(path) if len(shards) == 1 else f"{path.parent} ({path.name}, …)"


def _without_compressed_copies(files: Sequence[Path], root: Path, notes: list[str]) -> list[Path]:
    """The files without compressed copies of others, which gunzip -k leaves beside the unpacked file."""
    plain = {unpacked_name(file.name) for file in files if file.name.lower().endswith(TAR)}
    copies = [file for file in files if not file.name.lower().endswith(TAR) and unpacked_name(file.name) in plain]
    if copies:
        left = counted(len(copies), "compressed copy of a tar file is", "compressed copies of tar files are")
        notes.append(f"{root}: {left} left out: {first([file.name for file in copies])}.")
    return [file for file in files if file not in copies]


def _read(part: str, files: list[Path], root: Path, options: Options, notes: list[str]) -> dict[str, RawPart]:
    shards = headers_of(_without_compressed_copies(files, root, notes), root, notes)
    where, columns = _where(shards), TarColumns(shards, options)
    folders = [] if columns.says_classes else class_folders_of(shards)
    if folders and (columns.label is None or len({path[0] for path in folders}) > 1):
        return read_packed_folders(shards, folders, where, options, notes, part=part)
    return read_samples(columns, where, root, notes, part=part)
