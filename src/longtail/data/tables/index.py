"""Labels, paths, groups and parts in the index of a pandas table, where Parquet has them after `set_index`."""

from collections.abc import Collection, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from longtail.data.options import Options
from longtail.data.tables.columns import (
    FILE_COLUMNS,
    GROUP_COLUMNS,
    SPLIT_COLUMNS,
    image_column,
    label_columns,
    names_images,
    usual_path,
)

if TYPE_CHECKING:
    from pandas import DataFrame, Index


def with_index(
    frame: "DataFrame", options: Options, where: str, notes: list[str], *, has_features: bool
) -> "DataFrame":
    """The table, with those levels of its index as columns that an option names, or that hold what no column does.

    Args:
        frame: a pandas table.
        options: names that are given.
        where: the table, for messages.
        notes: gets a note on paths that are not read.
        has_features: whether columns are features; then the table is one of features, and paths only name its rows.

    Returns:
        The table itself, or a copy that shares its columns.
    """
    columns = [str(name) for name in frame.columns]
    levels = {name: values for name, values in _levels(frame.index).items() if name not in columns}
    wanted = {options.label, options.path_column, options.group, options.split} & set(levels)
    if options.label is None and not label_columns(columns):
        wanted |= set(label_columns(list(levels))[:1])
    for given, usual in ((options.group, GROUP_COLUMNS), (options.split, SPLIT_COLUMNS)):
        if given is None and not _named(columns, usual):
            wanted |= set(_named(levels, usual)[:1])
    if options.path_column is None and not _holds_inputs(frame, columns, where):
        paths = _paths(levels)[:1]
        if not has_features:
            wanted |= set(paths)
        elif paths:
            notes.append(
                f"{where}: the paths in its index are not read, since columns hold features (--path-column {paths[0]} "
                "reads them)."
            )
    if wanted:
        frame = frame.copy(deep=False)
    for name in levels:
        if name in wanted:
            frame.insert(0, name, levels[name])
    return frame


def _holds_inputs(frame: "DataFrame", columns: list[str], where: str) -> bool:
    """Whether a column holds paths or images."""
    return usual_path(frame, columns) is not None or image_column(frame, columns, None, where) is not None


def _levels(index: "Index[Any]") -> dict[str, Any]:
    """Values by the name of the level: "index", or "index 0" and so on, for one without a name."""
    usual = [f"index {place}" for place in range(index.nlevels)] if index.nlevels > 1 else ["index"]
    names = [own if name is None else str(name) for name, own in zip(index.names, usual, strict=True)]
    return {name: index.get_level_values(place) for place, name in enumerate(names)}


def _named(names: Iterable[str], usual: Collection[str]) -> list[str]:
    return [name for name in names if name.lower() in usual]


def _paths(levels: dict[str, Any]) -> list[str]:
    texts = [name for name, values in levels.items() if len(values) and isinstance(values[0], (str, Path))]
    return _named(texts, FILE_COLUMNS) or [name for name in texts if names_images(levels[name])]
