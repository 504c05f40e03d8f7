"""What goes from one group of classes to another: confusions, and the gradient that pushes classifiers away."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import altair as alt
import numpy as np
import pandas as pd

from longtail.reports.theme import GREYS, LEGEND


@dataclass
class BetweenGroupsDisplay:
    """A table and a figure: a stacked bar for each group of classes and run, split by a second group of classes.

    It draws figure 1(c) of the GALA paper: the negative gradient on the classifiers of each group, split by the class
    of the samples that caused it.

    Args:
        values: run to (G, G), row by group and column by part, at least 0; NaN where there is nothing.
        groups: their names, head first.
        label: what the values are, with their unit.
        row: what the groups of the rows are.
        column: what those of the columns are.

    Raises:
        ValueError: shapes that do not fit together (from `frame` and `plot`).

    Example:
        >>> flow = np.array([[0.1, 0.0], [0.6, 0.1]])
        >>> display = BetweenGroupsDisplay({"CE": flow}, ["many", "few"], "share", "true", "taken for")
        >>> display.frame().to_dict("records")[2]
        {'run': 'CE', 'true': 'few', 'taken for': 'many', 'value': 0.6}
    """

    values: Mapping[str, np.ndarray]
    groups: Sequence[str]
    label: str
    row: str
    column: str

    def frame(self) -> pd.DataFrame:
        """One row for each run, group and part; columns: run, what `row` and `column` say, value."""
        rows = []
        for run, square in self.values.items():
            if np.shape(square) != (len(self.groups),) * 2:
                raise ValueError(
                    f"`values` must hold a square of {len(self.groups)}. Got {np.shape(square)} for {run!r}."
                )
            rows += [
                {"run": run, self.row: own, self.column: other, "value": float(value)}
                for own, parts in zip(self.groups, square, strict=True)
                for other, value in zip(self.groups, parts, strict=True)
                if value == value
            ]
        if not rows:
            raise ValueError("`values` must hold at least one number. Got none.")
        return pd.DataFrame(rows)

    def plot(self) -> Any:
        """An Altair chart, dark where the part is the head."""
        groups, frame = list(self.groups), self.frame()
        frame["order"] = frame[self.column].map(groups.index)
        frame["bar"] = frame[self.row] + ", " + frame["run"]
        bars = [f"{group}, {run}" for group in groups for run in self.values]
        scale = alt.Scale(domain=groups, range=GREYS[: len(groups)])
        chart = alt.Chart(frame).mark_bar(stroke="black", strokeWidth=0.5)
        return chart.encode(
            x=alt.X("value:Q", title=self.label),
            y=alt.Y("bar:N", title=f"{self.row}, run", sort=bars, axis=alt.Axis(labelLimit=220)),
            color=alt.Color(f"{self.column}:N", legend=LEGEND, sort=groups, scale=scale),
            order="order:Q",
            tooltip=["run:N", f"{self.row}:N", f"{self.column}:N", alt.Tooltip("value:Q", format=".3g")],
        ).properties(width="container", height=30 + 22 * len(bars))
