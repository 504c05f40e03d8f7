"""Gain of each candidate over the uncorrected model, with intervals."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import altair as alt
import pandas as pd

from longtail.repair.metrics import ExpectedCost
from longtail.reports.theme import PERCENT, wide


@dataclass
class GainsDisplay:
    """A table and a figure: the gain of each candidate with its interval.

    Args:
        gains: candidate to (gain, lower end, upper end), as shares; savings per decision if the metric is a cost.
        metric: name of the metric.

    Raises:
        ValueError: nothing to show (from `frame` and `plot`).

    Example:
        >>> GainsDisplay({"re-balancing": (0.02, 0.01, 0.03)}).frame().to_dict("records")
        [{'candidate': 're-balancing', 'gain': 0.02, 'low': 0.01, 'high': 0.03}]
    """

    gains: Mapping[str, tuple[float, float, float]]
    metric: str = "balanced accuracy"

    def frame(self) -> pd.DataFrame:
        """One row per candidate; columns: candidate, gain, low, high."""
        if not self.gains:
            raise ValueError("`gains` must hold at least one candidate. Got none.")
        rows = [{"candidate": name, "gain": g, "low": low, "high": high} for name, (g, low, high) in self.gains.items()]
        return pd.DataFrame(rows)

    def plot(self) -> Any:
        """An Altair chart; no gain is a dashed line."""
        base = alt.Chart(self.frame()).encode(
            y=alt.Y("candidate:N", title=None, sort=list(self.gains), axis=alt.Axis(labelLimit=260)),
            tooltip=["candidate:N", *(alt.Tooltip(f"{name}:Q", format="+.3f") for name in ("gain", "low", "high"))],
        )
        x = alt.X("low:Q", title=f"gain of {self.metric}", axis=PERCENT)
        if self.metric == ExpectedCost.name:
            x = alt.X("low:Q", title="saving per decision")
        ranges = base.mark_rule(size=2).encode(x=x, x2="high:Q")
        points = base.mark_point(filled=True, size=80, opacity=1, color="black").encode(x="gain:Q")
        nothing = alt.Chart(pd.DataFrame({"gain": [0.0]})).mark_rule(strokeDash=[4, 4]).encode(x="gain:Q")
        return wide(alt.layer(nothing, ranges, points)).properties(height=40 + 30 * len(self.gains))
