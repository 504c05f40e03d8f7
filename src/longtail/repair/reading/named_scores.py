"""Scores with the names of their classes in one cell, as services and pipelines of Hugging Face return them."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from longtail.data.tables.file import pandas
from longtail.repair.by_name import listed
from longtail.repair.reading.usual_names import SCORES

if TYPE_CHECKING:
    from pandas import DataFrame


def with_score_columns(frame: "DataFrame", where: str) -> "DataFrame":
    """The table, with a column `scores.cat` for each class of a column `scores`.

    Args:
        frame: a pandas table. Columns with a usual name of scores may hold {name: score} or lists of
            {"label": name, "score": score}, in any order.
        where: name of the table in messages.

    Raises:
        ValueError: rows with other classes.

    Example:
        >>> import pandas
        >>> row = [{"label": "dog", "score": 0.9}, {"label": "cat", "score": 0.1}]
        >>> list(with_score_columns(pandas.DataFrame({"label": ["cat"], "scores": [row]}), "the table"))
        ['label', 'scores.dog', 'scores.cat']
    """
    for name in SCORES:
        first = _by_name(frame[name].iloc[0]) if name in frame.columns else None
        if first is not None:
            rows = [_by_name(cell) or {} for cell in frame[name].tolist()]
            odd = next((number for number, row in enumerate(rows) if row.keys() != first.keys()), None)
            if odd is not None:
                raise ValueError(
                    f"{where}, row {odd + 1}, column {name}: every row must hold the scores of the same classes. Row 1 "
                    f"and this one differ in {listed(sorted(first.keys() ^ rows[odd].keys()))}. Ask for the scores of "
                    "all classes (top_k=None in pipelines of Hugging Face)."
                )
            columns = pandas().DataFrame(rows, index=frame.index).add_prefix(f"{name}.")
            frame = pandas().concat([frame.drop(columns=name), columns], axis=1)
    return frame


def unread_scores(frame: "DataFrame") -> list[str]:
    """Columns that hold scores by name in their first row, whatever they are called.

    Example:
        >>> import pandas
        >>> unread_scores(pandas.DataFrame({"probs": [{"cat": 0.2, "dog": 0.8}], "meta": [{"camera": "north"}]}))
        ['probs']
    """
    firsts = {name: _by_name(frame[name].iloc[0]) or {} for name in frame.columns}
    return [
        name
        for name, first in firsts.items()
        if len(first) > 1 and all(isinstance(score, (int, float, np.number)) for score in first.values())
    ]


def _by_name(cell: Any) -> dict[str, Any] | None:
    """Scores by the names of their classes; None for any other cell."""
    if isinstance(cell, Mapping):
        return {str(name): score for name, score in cell.items()}
    if not isinstance(cell, (list, tuple, np.ndarray)) or not len(cell):
        return None
    if not all(isinstance(pair, Mapping) and {"label", "score"} <= pair.keys() for pair in cell):
        return None
    return {str(pair["label"]): pair["score"] for pair in cell}
