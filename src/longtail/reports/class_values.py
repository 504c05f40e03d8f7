"""One value per class, from the most frequent to the rarest class, for one or several runs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import altair as alt
import numpy as np
import pandas as pd

from longtail.arguments import check_choice
from longtail.class_vectors import as_class_counts
from longtail.reports.by_rank import binned, ranked
from longtail.reports.theme import RANK, class_axis, of_series, wide

SCALES = ("linear", "sqrt", "log", "symlog")
NAMED = 30
LINES = 60  # classes; with more, lines are means over neighbouring ranks


@dataclass
class ByRankDisplay:
    """A table and a figure: one line per series over the classes, head to tail.

    It draws figures 1(a), 1(b), 1(d) and 2 of the GALA paper: norms of classifier weights, gradient ratios,
    similarities, numbers of predictions.

    Args:
        values: for each series (C,) values; NaN for missing ones.
        class_counts: (C,) training samples of each class.
        label: what the values are, with their unit.
        class_names: (C,); by default 0, 1, ….
        scale: of the values: "linear", "sqrt", "log" or "symlog".
        reference: a level to compare with, drawn dashed.

    Raises:
        ValueError: shapes that do not fit together (from `frame` and `plot`).

    Example:
        >>> display = ByRankDisplay({"CE": np.array([15, 5])}, class_counts=[10, 100], label="predictions")
        >>> display.frame()[["series", "name", "value"]].to_dict("records")[0]
        {'series': 'CE', 'name': '1', 'value': 5.0}
    """

    values: Mapping[str, np.ndarray]
    class_counts: np.ndarray | Sequence[int]
    label: str
    class_names: Sequence[str] | None = None
    scale: str = "linear"
    reference: float | None = None

    def frame(self) -> pd.DataFrame:
        """One row for each series and class.

        Columns: series, rank (1 is the head), class, name, train_samples, value.
        """
        check_choice("scale", self.scale, SCALES)
        counts = as_class_counts(self.class_counts).numpy()
        names = list(map(str, range(len(counts)) if self.class_names is None else self.class_names))
        if not self.values:
            raise ValueError("`values` must hold at least one series. Got none.")
        rows = []
        for series, values in self.values.items():
            if np.shape(values) != (len(counts),):
                raise ValueError(f"`values` must hold {len(counts)} numbers. Got {np.shape(values)} for {series!r}.")
            rows.append(ranked(values, counts, names).assign(series=series))
        return pd.concat(rows, ignore_index=True)

    def plot(self) -> Any:
        """An Altair chart. Beyond 60 classes lines are means over neighbouring ranks."""
        frame = self.frame()
        if self.scale == "log":
            frame = frame[frame["value"] > 0]
        means = binned(frame.dropna(subset="value"), ["series"], LINES)
        known = [name for name in ("name", "train_samples") if name in means]
        tooltip = [*(alt.Tooltip(f"{name}:N") for name in ("series", *known)), alt.Tooltip("value:Q", format=".4g")]
        log = self.scale == "log"
        scale = alt.Scale(
            type=cast(Any, self.scale), nice=False if log else alt.Undefined, zero=alt.Undefined if log else True
        )
        named = frame["rank"].max() <= NAMED
        order = frame.sort_values("rank")["name"].drop_duplicates().tolist()
        names = alt.X("name:N", sort=order, title="class, head to tail", axis=class_axis(len(order)))
        chart = alt.Chart(means).encode(
            x=names if named else RANK,
            y=alt.Y("value:Q", title=self.label, scale=scale),
            tooltip=tooltip,
            **of_series("series", list(self.values)),
        )
        lines = chart.mark_line(point=alt.OverlayMarkDef(size=16, filled=True))
        if self.reference is None:
            return wide(lines)
        level = alt.Chart(pd.DataFrame({"value": [self.reference]})).mark_rule(strokeDash=[2, 4]).encode(y="value:Q")
        return wide(alt.layer(level, lines))
