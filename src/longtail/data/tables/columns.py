"""What the columns of a table are: chosen by name, or guessed by their usual names and said."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from longtail.arguments import guess
from longtail.data.first_of_many import first
from longtail.data.images.encoded_images import holds_bytes, holds_images, refuse_other_images
from longtail.data.images.folder import image_suffixes
from longtail.data.options import OptionDoesNotApplyError, Options
from longtail.data.raw_part import PART_NAMES

if TYPE_CHECKING:
    from pandas import DataFrame, Series

LABEL_COLUMNS = ("label", "labels", "fine_label", "target", "class", "category", "y")
FILE_COLUMNS = (
    "path",
    "file",
    "filename",
    "file_name",
    "filepath",
    "file_path",
    "image",
    "image_path",
    "img_path",
    "img",
)
GROUP_COLUMNS = ("group", "groups", "group_id")
SPLIT_COLUMNS = ("split",)
COORDINATE = "y"  # a label only where no other column may be one
USUAL = frozenset({*LABEL_COLUMNS, *FILE_COLUMNS, *GROUP_COLUMNS, *SPLIT_COLUMNS})
NO_FEATURES = USUAL - {COORDINATE}
"""Names of columns that are no features, whatever they hold."""
MISSING = ("none", "nan", "<na>", "nat")
"""How missing values of pandas are printed."""
SHOWN = 20  # names of columns in a message
UNUSED = "not used as features"  # in notes on columns
NUMBERING = ("", "id", "index", "unnamed: 0", "row", "row_id")


@dataclass(frozen=True)
class Columns:
    """Names of the columns; `None` where there is none. Of `path` and `images` (bytes) there is at most one."""

    label: str
    path: str | None
    images: str | None
    group: str | None
    split: str | None


def text_columns(names: Sequence[str], options: Options) -> list[str]:
    """Columns of a file that are read as text: labels, paths, groups and parts, chosen or by their usual names."""
    chosen = {options.label, options.path_column, options.group, options.split}
    label = options.label or next(iter(label_columns([name.strip() for name in names])), None)
    return [name for name in names if name.strip() in {*chosen, label} or name.strip().lower() in NO_FEATURES]


def find_columns(frame: "DataFrame", options: Options, where: str, notes: list[str]) -> Columns:
    """Choose the columns of a table.

    Args:
        frame: a pandas table, of its first rows at least.
        options: names that are given.
        where: the table, for messages.
        notes: what was guessed is added here.

    Raises:
        ValueError: a column that is not there, no column of labels, or several that could be it.
    """
    names = [str(name) for name in frame.columns]
    label = given_column(names, options.label, "label", where)
    if label is None:
        label = _label(names, where)
        notes.append(f"{where}: labels are read from the column {label!r} (--label names another).")
    path = given_column(names, options.path_column, "path-column", where)
    images = image_column(frame, [name for name in names if name != label], path, where)
    if images is not None:
        notes.append(f"{where}: images are read from the column {images!r}, as bytes.")
        path = None
    elif path is None:
        for name in names:
            if name != label and name.lower() in FILE_COLUMNS:
                refuse_other_images(frame[name], where)
        path = usual_path(frame, [name for name in names if name != label])
        if path is not None:
            notes.append(f"{where}: paths are read from the column {path!r} (--path-column names another).")
    group = given_column(names, options.group, "group", where)
    if group is None:
        group = next((name for name in names if name.lower() in GROUP_COLUMNS and name not in (label, path)), None)
        if group is not None:
            notes.append(f"{where}: groups are read from the column {group!r} (--group names another).")
    split = given_column(names, options.split, "split", where)
    if split is None:
        split = next((name for name in names if name.lower() in SPLIT_COLUMNS and is_split(frame[name])), None)
        if split is not None:
            notes.append(f"{where}: parts are read from the column {split!r} (--split names another).")
    return Columns(label, path, images, group, split)


def given_column(names: Sequence[str], name: str | None, option: str, where: str) -> str | None:
    """The column that an option names, if it does.

    Raises:
        OptionDoesNotApplyError: there is no such column.
    """
    if name is None or name in names:
        return name
    columns = first(names, SHOWN) or "none"
    message = f"--{option} must name a column of {where}. Got {name!r}; its columns: {columns}.{guess(name, names)}"
    raise OptionDoesNotApplyError(option.replace("-", "_"), message)


def _label(names: Sequence[str], where: str) -> str:
    found = label_columns(names)
    if not found:
        headless = next((name for name in names if _names_image(name)), None)
        if headless is not None:
            raise ValueError(
                f"{where} must have a header, such as path,label. Its first line holds {headless!r}. Add one, or "
                "name the file .txt: a list has no header."
            )
        raise ValueError(
            f"{where} must have a column {' or '.join(LABEL_COLUMNS)}, or --label must name its column of labels. "
            f"Its columns: {first(names, SHOWN) or 'none'}."
        )
    if len(found) > 1:
        raise ValueError(f"{where} has several columns that may be the label: {first(found)}. Name one with --label.")
    return found[0]


def label_columns(names: Sequence[str]) -> list[str]:
    """Columns with a usual name of labels; `cls` in a table of WebDataset samples, which has a column `__key__`."""
    if {"__key__", "cls"} <= set(names):
        return ["cls"]
    found = [name for name in names if name.lower() in LABEL_COLUMNS]
    return [name for name in found if name.lower() != COORDINATE] or found


def usual_path(frame: "DataFrame", names: Sequence[str]) -> str | None:
    """The one of these columns that holds paths, by its usual name or by the names of images."""
    texts = [name for name in names if _is_text(frame[name])]
    for usual in FILE_COLUMNS:
        if found := next((name for name in texts if name.lower() == usual), None):
            return found
    images = [name for name in texts if names_images(frame[name].tolist())]
    return images[0] if len(images) == 1 else None


def image_column(frame: "DataFrame", names: Sequence[str], given: str | None, where: str) -> str | None:
    """The column that holds images as bytes: the one that is given, or that has a usual name, or any other.

    Raises:
        ValueError: several columns hold images, of which not exactly one has a usual name.
    """
    if given is not None:
        return given if holds_bytes(frame[given]) else None
    usual = [name for name in names if name.lower() in FILE_COLUMNS and holds_bytes(frame[name])]
    if len(usual) == 1:
        return usual[0]
    images = [name for name in usual or names if holds_images(frame[name])]
    if len(images) > 1:
        raise ValueError(
            f"{where} has several columns of images: {first(images)}. Name one with --path-column, or drop the others."
        )
    return next(iter(images or usual), None)


def _is_text(column: "Series[Any]") -> bool:
    return not len(column) or any(isinstance(value, (str, Path)) for value in column.head(100).tolist())


def names_images(values: Collection[object]) -> bool:
    """Whether there are values, and all are names of image files."""
    return len(values) > 0 and all(map(_names_image, values))


def _names_image(value: object) -> bool:
    return Path(str(value)).suffix.lower() in image_suffixes()


def part_text(value: Any) -> str:
    """A value of a column of parts as it is compared with their names; an empty text for a missing one."""
    text = (value.decode(errors="replace") if isinstance(value, bytes) else str(value)).strip().lower()
    return "" if text in MISSING else text


def is_split(column: "Series[Any]") -> bool:
    """Whether it names any part: with other values beside it is an error, not a column to leave out."""
    return any(part_text(value) in PART_NAMES for value in column.tolist())
