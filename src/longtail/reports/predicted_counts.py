"""How often each class is predicted, beside how often it is there (figure 2 of the GALA paper)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import altair as alt
import numpy as np
import pandas as pd

from longtail.arguments import as_class_counts
from longtail.reports.by_rank import binned, ranked
from longtail.reports.look import of_series, wide

TRUTH = "truth"


@dataclass
class PredictedCountsDisplay:
    """A table and a figure: predictions of each class, head to tail, beside the true number.

    Args:
        predicted: method to (C,): how often each class was predicted.
        true: (C,) how often it is there.
        class_counts: (C,) training samples of each class.
        class_names: (C,); by default 0, 1, ….

    Raises:
        ValueError: shapes that do not fit together (from `frame` and `plot`).

    Example:
        >>> display = PredictedCountsDisplay({"CE": np.array([15, 5])}, true=np.array([10, 10]), class_counts=[100, 5])
        >>> display.frame()[["method", "name", "predictions"]].to_dict("records")[1]
        {'method': 'CE', 'name': '1', 'predictions': 5.0}
    """

    predicted: Mapping[str, np.ndarray]
    true: np.ndarray
    class_counts: np.ndarray | Sequence[int]
    class_names: Sequence[str] | None = None

    def frame(self) -> pd.DataFrame:
        """One row for each method and class, the truth last.

        Columns: method, rank (1 is the head), class, name, train_samples, predictions.
        """
        counts = as_class_counts(self.class_counts).numpy()
        names = list(map(str, range(len(counts)) if self.class_names is None else self.class_names))
        rows = []
        for method, values in {**self.predicted, TRUTH: self.true}.items():
            if np.shape(values) != (len(counts),):
                raise ValueError(f"`predicted` must hold {len(counts)} numbers. Got {np.shape(values)} for {method!r}.")
            rows.append(ranked(values, counts, names).rename(columns={"value": "predictions"}).assign(method=method))
        return pd.concat(rows, ignore_index=True)

    def plot(self) -> Any:
        """An Altair chart, the number on a root scale, so that none is seen too."""
        frame, order = self.frame(), [*self.predicted, TRUTH]
        means = binned(frame.rename(columns={"predictions": "value"}), ["method"]).rename(
            columns={"value": "predictions"}
        )
        tooltip = [name for name in ("method", "name", "train_samples", "predictions") if name in means]
        chart = alt.Chart(means).encode(
            x=alt.X("rank:Q", title="class by frequency rank, head to tail"),
            y=alt.Y("predictions:Q", title="predictions of the class", scale=alt.Scale(type="sqrt")),
            tooltip=tooltip,
            **of_series("method", order),
        )
        return wide(chart.mark_line(point=alt.OverlayMarkDef(size=14, filled=True)))
