"""Scores over the epochs of training, group by group."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import altair as alt
import pandas as pd

from longtail.reports.theme import PERCENT, of_series, shape_of_series, wide

GROUPS = {"all": "test_balanced_accuracy", "many": "test_many", "medium": "test_medium", "few": "test_few"}


@dataclass
class LearningCurvesDisplay:
    """A table and a figure: mean test recall of each group at the epochs that were evaluated.

    Args:
        metrics: run to its lines of metrics, as `RunFolder.metrics` gives them.
        group: the one to draw: "all", "many", "medium" or "few".

    Raises:
        ValueError: no epoch was evaluated (from `frame` and `plot`).

    Example:
        >>> lines = [{"epoch": 1, "loss": 2.3}, {"epoch": 2, "loss": 2.0, "test_few": 0.1}]
        >>> LearningCurvesDisplay({"CE": lines}, "few").frame().to_dict("records")
        [{'run': 'CE', 'epoch': 2, 'group': 'few', 'recall': 0.1}]
    """

    metrics: Mapping[str, Sequence[Mapping[str, Any]]]
    group: str = "few"

    def frame(self) -> pd.DataFrame:
        """One row for each run, evaluated epoch and group; columns: run, epoch, group, recall."""
        rows = [
            {"run": run, "epoch": line["epoch"], "group": group, "recall": line[key]}
            for run, lines in self.metrics.items()
            for line in lines
            for group, key in GROUPS.items()
            if line.get(key) is not None
        ]
        if not rows:
            raise ValueError("`metrics` must hold an epoch that was evaluated. Got none.")
        return pd.DataFrame(rows)

    def plot(self) -> Any:
        """An Altair chart of the one group."""
        order = list(self.metrics)
        frame = self.frame()
        base = alt.Chart(frame[frame["group"] == self.group]).encode(
            x=alt.X("epoch:Q", title="epoch"),
            y=alt.Y("recall:Q", title=f"mean test recall, {self.group}", scale=alt.Scale(zero=False), axis=PERCENT),
            tooltip=["run:N", "epoch:Q", alt.Tooltip("recall:Q", format=".3f")],
            **of_series("run", order),
        )
        points = base.mark_point(filled=True, size=40, opacity=1).encode(shape=shape_of_series("run", order))
        return wide(alt.layer(base.mark_line(), points))
