"""Reliability diagram: confidence against accuracy, in bins of confidence."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import altair as alt
import numpy as np
import pandas as pd

from longtail.reports.theme import PERCENT, of_series, shape_of_series, wide


@dataclass
class ReliabilityDisplay:
    """A table and a figure: confidence against accuracy, in bins of confidence.

    Args:
        bins: model to (B, 3): mean confidence, accuracy and share of the samples of each bin; bins without
            a sample are left out.

    Raises:
        ValueError: another shape, or nothing to show (from `frame` and `plot`).

    Example:
        >>> ReliabilityDisplay({"CE": np.array([[0.9, 0.5, 1.0]])}).frame().to_dict("records")
        [{'model': 'CE', 'confidence': 0.9, 'accuracy': 0.5, 'share': 1.0}]
    """

    bins: Mapping[str, np.ndarray]

    def frame(self) -> pd.DataFrame:
        """One row for each model and bin with samples; columns: model, confidence, accuracy, share."""
        rows = []
        for model, values in self.bins.items():
            if np.ndim(values) != 2 or np.shape(values)[1] != 3:
                raise ValueError(f"`bins` must hold (B, 3) per model. Got {np.shape(values)} for {model!r}.")
            rows += [
                {"model": model, "confidence": confidence, "accuracy": accuracy, "share": share}
                for confidence, accuracy, share in np.asarray(values, dtype=np.float64).tolist()
                if share > 0
            ]
        if not rows:
            raise ValueError("`bins` must hold at least one bin with samples. Got none.")
        return pd.DataFrame(rows)

    def plot(self) -> Any:
        """An Altair chart; below the dashed diagonal a model is overconfident."""
        frame, order = self.frame(), list(self.bins)
        unit = alt.Scale(domain=[0, 1])
        base = alt.Chart(frame).encode(
            x=alt.X("confidence:Q", title="confidence", scale=unit, axis=PERCENT),
            y=alt.Y("accuracy:Q", title="accuracy", scale=unit, axis=PERCENT),
            tooltip=[
                "model:N",
                *(alt.Tooltip(f"{name}:Q", format=".3f") for name in ("confidence", "accuracy", "share")),
            ],
            **of_series("model", order),
        )
        points = base.mark_point(filled=True, opacity=1).encode(
            shape=shape_of_series("model", order),
            size=alt.Size("share:Q", legend=None, scale=alt.Scale(range=[20, 200])),
        )
        diagonal = pd.DataFrame({"confidence": [0.0, 1.0], "accuracy": [0.0, 1.0]})
        ideal = alt.Chart(diagonal).mark_line(strokeDash=[4, 4], color="grey").encode(x="confidence:Q", y="accuracy:Q")
        return wide(alt.layer(ideal, base.mark_line(), points))
