"""Predictions from tables."""

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from longtail.data.class_names import as_text
from longtail.data.tables.file import Choose, pandas, refuse_repeated
from longtail.repair.processes import ONE, Processes
from longtail.repair.reading.columns import Table
from longtail.repair.reading.from_arrays import of_content, two_columns
from longtail.repair.reading.labels import match_labels
from longtail.repair.reading.named_scores import with_score_columns
from longtail.repair.reading.options import Reading
from longtail.repair.reading.raw import RawPredictions, Rows
from longtail.repair.reading.roles import find_roles
from longtail.repair.reading.usual_names import GROUPS, LABELS, SCORES, WEIGHTS

if TYPE_CHECKING:
    from pandas import DataFrame


def kept_as_text(reading: Reading) -> Choose:
    """A function that returns, from the names of all columns, those to be read as text."""
    usual = {*GROUPS, *(LABELS if reading.labels is None else ())}
    return lambda names: [
        name for name in names if name.strip() in (reading.label, reading.group) or name.strip().lower() in usual
    ]


def of_tables(
    frames: "Sequence[tuple[str, DataFrame]]", reading: Reading, notes: list[str], processes: Processes = ONE
) -> RawPredictions:
    """Read pandas tables with the same columns, concatenated.

    Args:
        frames: for each table its name in messages, and the table.
        reading: options.
        notes: assumptions are appended here.
        processes: each has other tables, in the order of the ranks.

    Raises:
        ValueError: columns that differ or have no role, a cell that is empty or not a number, a label that is not a
            class.
    """
    table = _joined(frames, reading, processes)
    nested = next((name for name in table.names if name in SCORES and _holds_lists(table, name)), None)
    if nested is not None:
        return _of_lists(table, nested, reading, notes)
    roles = find_roles(table, reading, notes)
    names = tuple(str(as_text(name)) for name in roles.classes)
    if reading.class_names is not None:
        names = reading.class_names
    scores = two_columns(table.scores(roles.scores, masked=reading.kind == "logits"), reading.kind)
    labels = np.asarray(reading.labels, dtype=object).ravel().tolist() if roles.label is None else None
    if labels is not None and len(labels) != len(table.rows):
        raise ValueError(
            f"`labels` must hold one label per row of {table.rows.where}, {len(table.rows)}. Got {len(labels)}."
        )
    target = match_labels(table.cells(str(roles.label)) if labels is None else labels, names, table.rows, notes)
    weight = None if roles.weight is None else table.numbers(roles.weight)
    groups = None if roles.group is None else table.texts(roles.group)
    return RawPredictions(scores, target, table.rows, None, names, None, groups, weight, table.share)


def _joined(frames: "Sequence[tuple[str, DataFrame]]", reading: Reading, processes: Processes) -> Table:
    nested = next((where for where, frame in frames if frame.columns.nlevels > 1), None)
    if nested is not None:
        raise ValueError(f"{nested} must have one name for each column. Its columns have several levels: join them.")
    empty = next((where for where, frame in frames if not len(frame)), None)
    if empty is not None:
        raise ValueError(f"{empty} must hold at least one row. Got none.")
    named = [
        (where, with_score_columns(_with_label(frame.rename(columns=lambda name: str(name).strip()), reading), where))
        for where, frame in frames
    ]
    first, columns = processes.gathered("names of columns", (named[0][0], list(named[0][1].columns)))[0]
    for where, frame in named:
        refuse_repeated(list(frame.columns), where)
        other = set(frame.columns).symmetric_difference(columns)
        if other:
            raise ValueError(
                f"{where} must have the same columns as {first}. They differ in {', '.join(sorted(other)[:12])}."
            )
    rows, share = Rows.over(processes, Rows(tuple((where, len(frame)) for where, frame in named)))
    parts = [frame[columns] for _, frame in named]
    return Table(parts[0] if len(parts) == 1 else pandas().concat(parts, ignore_index=True), rows, share)


def _with_label(frame: "DataFrame", reading: Reading) -> "DataFrame":
    """The table, with the labels as a column if they are its index, where a Parquet file has them after `set_index`."""
    if reading.labels is not None:
        return frame

    def fits(name: object) -> bool:
        return str(name).lower() in LABELS if reading.label is None else str(name) == reading.label

    name = next(filter(fits, frame.index.names), None)
    return frame if name is None or any(map(fits, frame.columns)) else frame.reset_index(level=name)


def _holds_lists(table: Table, name: str) -> bool:
    own = isinstance(table.frame[name].iloc[0], (list, tuple, np.ndarray))
    return table.share.processes.gathered("lists", own)[0]


def _of_lists(table: Table, nested: str, reading: Reading, notes: list[str]) -> RawPredictions:
    """Read a column of lists with the scores of all classes."""
    try:
        scores = np.stack([np.asarray(cell, dtype=np.float64) for cell in table.frame[nested].tolist()])
    except (TypeError, ValueError, OverflowError):
        raise ValueError(
            f"{table.rows.where}, column {nested}: every row must hold one number for each class."
        ) from None
    content: dict[str, Any] = {nested: scores}
    for name in table.names:
        if name.lower() in (*LABELS, *WEIGHTS, *GROUPS) or name in (reading.label, reading.weight, reading.group):
            content[name] = np.asarray(table.cells(name), dtype=object)
    widths = table.share.processes.gathered("lengths of lists", scores.shape[1:])
    if len(set(widths)) > 1:
        raise ValueError(f"{table.rows.where}, column {nested}: every row must hold one number for each class.")
    return replace(of_content(content, table.rows, reading, notes), share=table.share)
