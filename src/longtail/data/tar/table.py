"""Samples of tar files with their labels, as the rows of a table."""

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from longtail.data.class_names_file import NAMES, class_names_file, read_class_names, refuse_numbers_from_1
from longtail.data.counted import counted
from longtail.data.file_rows import file_keys
from longtail.data.first_of_many import first
from longtail.data.images.file_parts import FilePart
from longtail.data.note_once import note_once
from longtail.data.options import Options
from longtail.data.raw_part import RawPart
from longtail.data.shards.parts import refuse_other_parts
from longtail.data.tables.columns import SPLIT_COLUMNS
from longtail.data.tables.declared_classes import with_class_names
from longtail.data.tables.file import CLASS_NAMES, pandas
from longtail.data.tables.source import read_table_as_parts
from longtail.data.tar.columns import JSON, TarColumns
from longtail.data.tar.folders import part_folders_of
from longtail.data.tar.samples import TarSample, fields_of, images_of_samples, samples_of, text_of

if TYPE_CHECKING:
    from pandas import DataFrame

INDEX = re.compile(r"0|[1-9]\d{0,17}", re.ASCII)


def read_samples(columns: TarColumns, where: str, root: Path, notes: list[str], *, part: str) -> dict[str, RawPart]:
    """Read the samples of tar files.

    Args:
        columns: of the samples.
        where: the tar files, for messages.
        root: folder of the data set, where a file may name the classes.
        notes: gets notes on what is read and left out.
        part: given by the names of the files, or an empty text.

    Raises:
        ValueError: no image, several in a sample, or samples without a label.
    """
    samples, others = _with_image_or_label(columns)
    if not samples:
        raise ValueError(f"{where} must hold images. It holds {first(others)}.")
    if others:
        left = counted(len(others), "file of no sample is", "files of no sample are")
        notes.append(f"{where}: {left} left out: {first(others)}.")
    images = images_of_samples(samples, columns.options.path_column, where)
    if columns.label is None and not columns.says_classes:
        raise ValueError(
            f"{where} must hold a label beside each image, such as 1.cls or 1.json beside 1.jpg, or images in the "
            f"folders of their classes. Its columns: {first([*columns.names, *images])}. Name one with --label."
        )
    frame, label = _table(samples, columns, images), columns.label
    options = replace(columns.options, label=label, path_column=next(iter(images)))
    if label in frame.columns:
        _name_classes(frame, str(label), options, root, notes)
        if columns.options.label is None:
            notes.append(f"{where}: labels are read from the column {label!r} (--label names another).")
    part_folders = _name_parts(frame, samples, options, where, notes)
    rows = file_keys([sample.headers.file.path for sample in samples], [sample.key for sample in samples])
    read = read_table_as_parts(frame, options, where, None, notes, part=part or "train", rows=rows)
    if part:
        files = list(dict.fromkeys(sample.headers.file.path for sample in samples))
        refuse_other_parts(part, read, files, "folder" if part_folders else "column")
    return read


def _with_image_or_label(columns: TarColumns) -> tuple[list[TarSample], list[str]]:
    """Samples that have an image, a label or both; and the names of all other files."""
    samples, others = [], []
    for sample in samples_of(columns.shards):
        if sample.images or _has_label(sample, columns):
            samples.append(sample)
        else:
            others += [sample.headers.names[row] for row in sample.rows.values()]
    return samples, others


def _has_label(sample: TarSample, columns: TarColumns) -> bool:
    content = sample.part(JSON) if columns.label in columns.fields else None
    return columns.label in sample.rows or (content is not None and columns.label in fields_of(content))


def _table(samples: Sequence[TarSample], columns: TarColumns, images: dict[str, list[FilePart | None]]) -> Any:
    """The samples as a pandas table; columns that are not read are empty."""
    of_files = [name for name in columns.suffixes if name in columns.read]
    of_json = [name for name in columns.fields if name in columns.read]
    values: dict[str, list[Any]] = {name: [None] * len(samples) for name in columns.names}
    for row, sample in enumerate(samples):
        for name in of_files:
            values[name][row] = text_of(sample.part(name))
        if of_json and (content := sample.part(JSON)) is not None:
            found = fields_of(content)
            for name in of_json:
                values[name][row] = found.get(name)
    pd = pandas()
    found = {name: pd.Series(column, dtype=object) for name, column in {**values, **images}.items()}
    # of names of columns that are not in UTF-8, which are not read, pandas takes none
    return pd.DataFrame({name.encode(errors="backslashreplace").decode(): column for name, column in found.items()})


def _name_parts(
    frame: "DataFrame", samples: Sequence[TarSample], options: Options, where: str, notes: list[str]
) -> bool:
    """Whether the folders of the samples name their parts, as no column does; they are a column then."""
    if options.split is not None or any(name.lower() in SPLIT_COLUMNS for name in frame.columns):
        return False
    folders = part_folders_of([sample.key for sample in samples])
    if folders:
        frame[SPLIT_COLUMNS[0]] = folders
        notes.append(f"{where}: the part of a sample is the folder that holds it.")
    return bool(folders)


def _name_classes(frame: "DataFrame", label: str, options: Options, root: Path, notes: list[str]) -> None:
    """Give class indices the names in a file beside the tar files, if there is one."""
    numbered = all(INDEX.fullmatch(str(value)) for value in frame[label].tolist())
    if numbered:
        frame[label] = frame[label].astype(str).astype("int64")
    file = class_names_file(root)
    if file is not None:
        names = read_class_names(file)
        if numbered:
            refuse_numbers_from_1(names, file)
        note_once(f"{root}: the names of {len(names):,} classes are read from {file.name}.", notes)
        frame.attrs[CLASS_NAMES] = {label: names}
        with_class_names(frame, options, str(file))
    elif numbered:
        note_once(f"{root}: classes are called by their numbers; {NAMES[0]} in it may name one per line.", notes)
