"""Data sets with columns, as those of Hugging Face: of images, or tables."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from torch.utils.data import Dataset

from longtail.data.class_names import as_text, distinct_names, named_labels
from longtail.data.first_of_many import first
from longtail.data.images.encoded_images import EncodedImages
from longtail.data.images.undecoded_column import UndecodedColumn
from longtail.data.labels import LABEL_COLUMNS, column_of
from longtail.data.note_once import note_once
from longtail.data.options import Options
from longtail.data.raw_part import RawPart, rows_of
from longtail.data.samples import Samples
from longtail.data.tables.columns import GROUP_COLUMNS, SPLIT_COLUMNS, given_column, is_split, label_columns
from longtail.data.tables.declared_classes import with_class_names
from longtail.data.tables.file import CLASS_NAMES, pandas
from longtail.data.tables.source import read_frame, split_of

IMAGE_COLUMNS = ("image", "img")
ARRAYS = ("Array2D", "Array3D", "List", "LargeList", "Sequence")
"""Types of columns that may hold images as arrays of numbers."""
TABLES_OF_ROWS = ("arrow", "pandas", "polars")
"""Formats in which a row is a table."""


class OneColumn(Dataset[tuple[Any]]):
    """The items of one column.

    Attributes:
        data: a data set of rows.
        column: its name.
    """

    def __init__(self, data: Any, column: str) -> None:
        self.data, self.column = data, column

    def __len__(self) -> int:
        return len(self.data)

    def __getitem__(self, index: int) -> tuple[Any]:
        return (self.data[index][self.column],)


def has_columns(data: Any) -> bool:
    """Whether `data` names its columns, as data sets of Hugging Face and tables of Arrow and Polars do."""
    names = getattr(data, "column_names", None) or getattr(data, "columns", None)
    return isinstance(names, (list, tuple)) and hasattr(data, "__len__") and hasattr(data, "__getitem__")


def read_columns(data: Any, options: Options, notes: list[str]) -> dict[str, RawPart]:
    """Read only the labels of a data set of images, whose items are read when they are needed; else the whole table.

    Raises:
        ValueError: a named column is missing; no column may be the label, or several may; several columns of images; a
            row without a part where a column names the parts.
    """
    if _is_table(data, options.path_column):
        return _read_table(data, options, notes)
    kind, names = type(data).__name__, [str(name) for name in data.column_names]
    options.refuse("a data set object of images", "root")
    label = given_column(names, options.label, "label", kind) or _usual_label(names, kind)
    split = _split(data, [name for name in names if name != label], options, kind)
    group = given_column(names, options.group, "group", kind)
    group = group or next((name for name in names if name.lower() in GROUP_COLUMNS and name != label), None)
    codes, found = named_labels(column_of(data, label), f"the column {label!r} of {kind}", notes)
    items = images_of_rows(data, options.path_column, label)
    raw = RawPart(codes, found, items=items)
    note_once(f"{kind}: labels are read from the column {label!r} (`label` names another).", notes)
    column = getattr(items.contents if isinstance(items, EncodedImages) else items, "column", None)
    if column is not None and column not in IMAGE_COLUMNS:
        note_once(f"{kind}: images are read from the column {column!r} (`path_column` names another).", notes)
    raw.declare(distinct_names(_class_names(data).get(label, ()), kind, notes), kind, notes, indices=True)
    if group is not None:
        raw.groups = _groups(column_of(data, group), group, kind)
        note_once(f"{kind}: groups are read from the column {group!r} (`group` names another).", notes)
    if split is None:
        return {"train": raw}
    place = split_of(_texts(data, split), split, kind)
    note_once(f"{kind}: parts are read from the column {split!r} (`split` names another).", notes)
    return {part: rows_of(raw, np.flatnonzero(place == part)) for part in dict.fromkeys(place.tolist())}


def images_of_rows(data: Any, given: str | None = None, label: str | None = None) -> Any:
    """The images of a data set, one per row: `EncodedImages`, the data set itself, or `OneColumn`.

    They are `EncodedImages` where a data set of Hugging Face would decode them and change nothing else: these are
    checked before training, decoded by the workers, and their features are cached. It is the data set itself if its
    rows have a usual name of images.

    Args:
        data: the data set.
        given: name of the column of images.
        label: name of the column of labels.

    Raises:
        ValueError: there is no such column, or several hold images.
    """
    kind, names = type(data).__name__, [str(name) for name in data.column_names]
    if _format(data) in TABLES_OF_ROWS:
        data = data.with_format(None)
    decoded = [name for name in _decoded_images(data) if name != label]
    usual = [name for name in IMAGE_COLUMNS if name in names]
    column = given_column(names, given, "path-column", kind) or next(iter(usual), None)
    if column is None and len(decoded) > 1:
        raise ValueError(f"{kind} has several columns of images: {first(decoded)}. Name one with --path-column.")
    column = column or next(iter(decoded), None)
    if column is None or (_is_changed(data) and given is None):
        return data
    if column in decoded and not _is_changed(data) and (found := _before_decoding(data, column)) is not None:
        return found
    return data if column in usual and given is None else OneColumn(data, column)


def _before_decoding(data: Any, column: str) -> EncodedImages | None:
    undecoded = UndecodedColumn.of(data, column)
    if undecoded is None:
        return None
    paths = undecoded.paths()
    names = None if paths is None else [path or f"sample {row}" for row, path in enumerate(paths)]
    return EncodedImages(undecoded, names, paths)


def rows_to_predict(data: Any) -> Any:
    """The images of a data set with columns as `Samples` without labels, or its columns as a pandas table."""
    if _is_table(data, None):
        return _as_frame(data)
    return Samples(np.zeros(len(data), dtype=np.int64), (), items=images_of_rows(data))


def _usual_label(names: Sequence[str], kind: str) -> str:
    usual = [name for name in LABEL_COLUMNS if name in names][:1] or label_columns(names)
    if len(usual) == 1:
        return usual[0]
    if usual:
        raise ValueError(f"{kind} has several columns that may be the label: {first(usual)}. Name one with --label.")
    raise ValueError(
        f"{kind} must have a column {' or '.join(LABEL_COLUMNS)}, or --label must name its column of labels. Its "
        f"columns: {first(names)}."
    )


def _split(data: Any, names: Sequence[str], options: Options, kind: str) -> str | None:
    """The column that names the part of each row: the given one, or one of a usual name that names parts."""
    usual = (name for name in names if name.lower() in SPLIT_COLUMNS and is_split(_texts(data, name)))
    return given_column(names, options.split, "split", kind) or next(usual, None)


def _texts(data: Any, name: str) -> Any:
    """A column as pandas has it, of names where it holds their indices."""
    declared = dict(enumerate(_class_names(data).get(name, ())))
    return pandas().Series([declared.get(value, value) for value in column_of(data, name)], dtype=object)


def _groups(values: Any, name: str, kind: str) -> np.ndarray:
    texts = [as_text(value) for value in values]
    if None in texts:
        raise ValueError(f"{kind} must name a group in each row. Row {texts.index(None)} names none in {name!r}.")
    return np.array(texts, dtype=object)


def _is_table(data: Any, images: str | None) -> bool:
    """Whether the columns hold all values: no images that are decoded, and no function that changes rows on reading."""
    if not hasattr(data, "to_pandas") or _is_changed(data):
        return False
    features = getattr(data, "features", None)
    if not isinstance(features, Mapping):
        return True
    usual = {images, *IMAGE_COLUMNS}
    arrays = [name for name in features if name in usual and type(features[name]).__name__ in ARRAYS]
    return not _decoded_images(data) and not arrays


def _is_changed(data: Any) -> bool:
    """Whether a function of the user changes the rows of a data set of Hugging Face when they are read."""
    return bool(_format(data) == "custom")


def _format(data: Any) -> Any:
    form = getattr(data, "format", None)
    return form.get("type") if isinstance(form, Mapping) else None


def _decoded_images(data: Any) -> list[str]:
    features = getattr(data, "features", None)
    if not isinstance(features, Mapping):
        return []
    return [
        str(name) for name, kind in features.items() if type(kind).__name__ == "Image" and getattr(kind, "decode", True)
    ]


def _class_names(data: Any) -> dict[str, tuple[str, ...]]:
    """Names of classes by column."""
    features = getattr(data, "features", None)
    declared = features.items() if isinstance(features, Mapping) else ()
    return {str(name): tuple(map(str, kind.names)) for name, kind in declared if getattr(kind, "names", None)}


def _as_frame(data: Any) -> Any:
    return (data.with_format(None) if hasattr(data, "with_format") else data).to_pandas()


def _read_table(data: Any, options: Options, notes: list[str]) -> dict[str, RawPart]:
    """The columns as a pandas table, with names for indices of classes."""
    frame = _as_frame(data)
    frame.attrs[CLASS_NAMES] = _class_names(data)
    return read_frame(with_class_names(frame, options, type(data).__name__), options, notes)
