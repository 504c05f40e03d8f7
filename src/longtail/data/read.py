"""People's own data, whatever form they have: the one way in for training, the doctor and reports."""

import os
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from longtail.data import array_source, folder_source, list_source, object_source
from longtail.data.built_in import archive_source
from longtail.data.group_file import add_groups
from longtail.data.options import Options
from longtail.data.raw_part import PART_NAMES, RawPart, of_one_order, rows_of
from longtail.data.samples import Parts
from longtail.data.tables import parquet_folder
from longtail.data.tables import source as table_source
from longtail.data.tar import source as tar_source

PathLike = str | os.PathLike[str]


class Kind(NamedTuple):
    """A kind of data: how it is recognised, and how it is read."""

    fits: Callable[[Any], bool]
    read: Callable[[Any, Options, list[str]], dict[str, RawPart]]


KINDS_OF_DATA: dict[str, Kind] = {
    "archive": Kind(archive_source.is_archive, archive_source.read_archive),
    "tar folder": Kind(tar_source.is_tar_folder, tar_source.read_tar_folder),
    "tar": Kind(tar_source.is_tar, tar_source.read_tar),
    "parquet folder": Kind(parquet_folder.is_parquet_folder, parquet_folder.read_parquet_folder),
    "folder": Kind(folder_source.is_folder, folder_source.read_folder),
    "arrays": Kind(array_source.is_array_file, array_source.read_arrays),
    "table": Kind(table_source.is_table_file, table_source.read_table_file),
    "list": Kind(list_source.is_list, list_source.read_list),
    "frame": Kind(table_source.is_frame, table_source.read_frame),
    "pair": Kind(array_source.is_pair, array_source.read_pair),
    "dataset": Kind(object_source.is_dataset, object_source.read_dataset),
}
KINDS = (
    "a folder of class folders, Parquet files or tar shards, a tar file, a list (.txt), a table (.csv, .tsv, .jsonl, "
    ".parquet; .gz too) or arrays (.npz, .npy)"
)

ARCHIVE_SUFFIXES = (".zip", ".gz", ".bz2", ".xz", ".7z", ".rar")


def read_data(
    data: Any,
    *,
    root: PathLike | None = None,
    val: Any = None,
    test: Any = None,
    groups: PathLike | None = None,
    path_column: str | None = None,
    label: str | None = None,
    split: str | None = None,
    group: str | None = None,
    classes: Collection[str] = (),
    require_train: bool = True,
    first_of: Sequence[str] = (),
) -> Parts:
    r"""Read a data set; files are listed, not decoded.

    Args:
        data: a folder of class folders, or of train, val and test that hold them; a list of paths and labels; a table
            of paths, images as bytes or numeric features; a folder of Parquet files, or of tar shards (WebDataset),
            named by their part; a tar file of such samples or of class folders; `.npz` or `.npy` arrays; the folder of
            CIFAR's binary archive; or in memory a pandas table, (X, y), a map-style data set, or a mapping of part
            names to data sets.
        root: folder that paths of a list or table are relative to; by default that of the file.
        val: validation samples in one of these forms, where `data` holds none.
        test: test samples, likewise.
        groups: table of paths and groups; samples of a group stay together when data are split.
        path_column: column of the paths of a table.
        label: column, or array, of the labels; for `.npy` the file of labels.
        split: column of a table that names the part of each row.
        group: column of a table that names the group of each row.
        classes: names that are known to be classes, such as those of a run that is evaluated on `data`; their labels
            may all differ, where others would be taken for identifiers.
        require_train: whether training samples must be among the data. If not, and there are none, `train` is empty.
        first_of: names of parts, of which the first that the data have is needed; a reader may leave the others unread.

    Returns:
        Parts of one order of class names; those that are not given are `None` (`make_splits` makes them).

    Raises:
        FileNotFoundError: nothing there.
        ValueError, TypeError: nothing of these kinds, damaged, no training samples, or an option that the data
            contradict.
        ModuleNotFoundError: a package that reads this kind is missing.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "train.txt"
        >>> _ = path.write_text("a/1.jpg 2280\na/2.jpg 10\nb/3.jpg 2280\n")
        >>> parts = read_data(path)
        >>> parts.class_names, parts.train.class_counts.tolist(), parts.test
        (('10', '2280'), [1, 2], None)
    """
    options = Options(None if root is None else Path(root), path_column, label, split, group, tuple(first_of))
    notes: list[str] = []
    parts = _parts(data, options, notes)
    for argument, given in (("val", val), ("test", test)):
        if given is None:
            continue
        name = PART_NAMES[argument]
        if name in parts:
            raise ValueError(f"`{argument}` must be left out: `data` holds {name} samples.")
        parts[name] = _one_part(given, options, argument, notes)
    if groups is not None:
        add_groups(parts, Path(groups), notes)
    if "train" not in parts:
        if require_train:
            _refuse_no_train(data, parts)
        parts["train"] = _none_of(next(iter(parts.values())))
    return of_one_order(parts, notes, classes)


def _refuse_no_train(data: Any, parts: Collection[str]) -> None:
    got = f"{data}, which holds" if isinstance(data, (str, os.PathLike)) else "data that hold"
    raise ValueError(
        f"`data` must hold a part named train. Got {got} {' and '.join(parts)} alone. Add training samples; to score a "
        "run on these: longtail evaluate RUN --data PATH."
    )


def _none_of(part: RawPart) -> RawPart:
    """No samples, of the classes and the features of a part."""
    return replace(rows_of(part, np.zeros(0, dtype=np.int64)), labels_from=None)


def _parts(data: Any, options: Options, notes: list[str]) -> dict[str, RawPart]:
    if object_source.is_mapping(data):
        return _of_mapping(data, options, notes)
    return _read(data, options, "data", notes)


def _of_mapping(data: Mapping[str, Any], options: Options, notes: list[str]) -> dict[str, RawPart]:
    parts = {PART_NAMES[str(name).lower()]: _one_part(part, options, str(name), notes) for name, part in data.items()}
    if len(parts) < len(data):
        raise _no_parts("data", data)
    return parts


def _no_parts(name: str, data: Mapping[Any, Any]) -> ValueError:
    got = ", ".join(map(str, data)) or "none"
    return ValueError(f"`{name}` must map train, and at most val and test, to data sets. Got {got}.")


def _one_part(data: Any, options: Options, name: str, notes: list[str]) -> RawPart:
    if PART_NAMES[name.lower()] != "train":
        array_source.refuse_labels_of_train(data, options.label, name)
    read = _read(data, options, name, notes)
    if len(read) > 1:
        raise ValueError(f"`{name}` must hold one part. Got {', '.join(read)}. Name the part itself.")
    return next(iter(read.values()))


def _read(data: Any, options: Options, name: str, notes: list[str]) -> dict[str, RawPart]:
    object_source.refuse_stream(data)
    if isinstance(data, (str, os.PathLike)):
        data = Path(data)
        if not data.exists():
            advice = " Name the folder of the shards instead of a pattern." if set("{*?") & set(data.name) else ""
            raise FileNotFoundError(f"`{name}` must exist. Got {data}.{advice}")
        if (data / "run.json").is_file():
            raise ValueError(
                f"`{name}` must be data. Got the run {data}. Name the data that it was trained on, or others."
            )
    source = next((source for source in KINDS_OF_DATA.values() if source.fits(data)), None)
    if source is not None:
        return source.read(data, options, notes)
    if isinstance(data, Path):
        packed = " Unpack it, and give the folder." if data.suffix.lower() in ARCHIVE_SUFFIXES else ""
        raise ValueError(f"`{name}` must be {KINDS}. Got {data}.{packed}")
    array_source.refuse_unequal(data, name)
    if isinstance(data, Mapping):
        raise _no_parts(name, data)
    raise TypeError(
        f"`{name}` must be a path, a pandas table, (X, y) or a map-style data set. Got {type(data).__name__}."
    )
