"""Class indices of Parquet files that declare their classes, each in an order of its own, brought to one order."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from longtail.data.class_names import as_text
from longtail.data.table_file import CLASS_NAMES


def in_one_order(frames: Sequence[Any], label: str, files: Sequence[Path]) -> None:
    """Change the labels and the declared names of tables, in place, so that one index means one class in all of them.

    Tables that declare the same names, or none, are not changed.

    Args:
        frames: tables with the attribute `CLASS_NAMES`.
        label: column of the labels.
        files: path of each table, for messages.

    Raises:
        ValueError: a table declares no classes where another does, or has labels that are not those it declares.
    """
    declared = [frame.attrs.get(CLASS_NAMES, {}).get(label, ()) for frame in frames]
    if len(set(declared)) == 1:
        return
    if label not in frames[0].columns:  # it is the index
        raise ValueError(
            f"{files[0]} must hold {label!r} as a column, since the files declare different classes of it."
        )
    every = tuple(dict.fromkeys(name for names in declared for name in names))
    place = {name: index for index, name in enumerate(every)}
    for file, frame, names in zip(files, frames, declared, strict=True):
        frame[label] = [place[name] for name in _names_of(frame[label], names, every, file)]
        frame.attrs[CLASS_NAMES] = {**frame.attrs.get(CLASS_NAMES, {}), label: every}


def _names_of(column: Any, names: tuple[str, ...], every: tuple[str, ...], file: Path) -> list[str]:
    """The name of the class of each row."""
    if getattr(column.dtype, "kind", "O") in "iu" and not column.isna().any():
        codes = column.to_numpy(dtype=np.int64)
        if not names:
            raise ValueError(
                f"{file} must declare the classes of its column {column.name!r}, as the other files do: it holds "
                f"numbers such as {codes[0]}. Write it with their names, or the labels of all files as text."
            )
        odd = codes[(codes < 0) | (codes >= len(names))]
        if odd.size:
            raise ValueError(
                f"{file} must hold labels from 0 to {len(names) - 1} in the column {column.name!r}, for the "
                f"{len(names)} classes that it declares. Got {odd[0]}."
            )
        return [names[code] for code in codes.tolist()]
    texts = [as_text(value) for value in column.tolist()]
    odd_text = next((text for text in texts if text not in every), "")
    if odd_text != "":
        raise ValueError(
            f"{file} must hold the classes that the files declare in the column {column.name!r}. Got "
            f"{'none for a row' if odd_text is None else repr(odd_text)}."
        )
    return [text for text in texts if text is not None]
