"""Recall of every class, from the most frequent to the rarest, for several methods."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import altair as alt
import numpy as np
import pandas as pd
from torch import Tensor

from longtail.arguments import as_class_counts

MOST_NAMED_CLASSES = 30


@dataclass
class PerClassRecallDisplay:
    """A table and a figure: per-class recall, head to tail, mean and range over the seeds.

    Args:
        recalls: panel, then method, to recall in [0, 1]: (S, C) over S seeds, or (C,); NaN for classes without test
            samples. With one panel its name may be empty.
        class_counts: (C,) training samples of each class.

    Raises:
        ValueError: shapes that do not fit together, or nothing to show (from `frame` and `plot`).

    Example:
        >>> import numpy as np
        >>> recall = np.array([[0.9, 0.2], [1.0, 0.4]])
        >>> display = PerClassRecallDisplay({"raw": {"CE": recall}}, class_counts=[100, 5])
        >>> display.frame()[["method", "class", "train_samples", "recall"]].round(2).to_dict("records")[1]
        {'method': 'CE', 'class': 1, 'train_samples': 5, 'recall': 0.3}
    """

    recalls: Mapping[str, Mapping[str, np.ndarray | Tensor]]
    class_counts: Tensor | np.ndarray | list[int]

    def frame(self) -> pd.DataFrame:
        """One row for each panel, method and class.

        Columns: panel, method, class, rank (1 is the head), train_samples, recall (mean over seeds), lowest, highest.
        """
        if not all(isinstance(methods, Mapping) for methods in self.recalls.values()):
            raise TypeError("`recalls` must map panels to methods to recall: {'raw': {'CE': recall}}.")
        counts = as_class_counts(self.class_counts).numpy().astype(int)
        rows = [
            _frame_of(panel, method, np.atleast_2d(np.asarray(recall, dtype=np.float64)), counts)
            for panel, methods in self.recalls.items()
            for method, recall in methods.items()
        ]
        if not rows:
            raise ValueError("`recalls` must hold at least one method. Got none.")
        return pd.concat(rows, ignore_index=True)

    def plot(self) -> Any:
        """An Altair chart; bars run from the lowest to the highest seed. `.save("recall.png")` needs no browser."""
        frame = self.frame()
        frame["label"] = frame["class"].astype(str) + " (" + frame["train_samples"].astype(str) + ")"
        methods = alt.Scale(domain=list(dict.fromkeys(frame["method"])))
        base = alt.Chart(frame).encode(
            **_horizontal_axis(frame),
            y=alt.Y("recall:Q", title="test recall (bars: range over seeds)", scale=alt.Scale(domain=[0, 1])),
            color=alt.Color("method:N", title=None, scale=alt.Scale(domain=methods.domain, scheme="dark2")),
            tooltip=["method:N", "label:N", alt.Tooltip("recall:Q", format=".3f")],
        )
        lines = base.mark_line().encode(strokeDash=alt.StrokeDash("method:N", title=None, scale=methods))
        points = base.mark_point(filled=True, size=55, opacity=1).encode(
            shape=alt.Shape("method:N", title=None, scale=methods)
        )
        ranges = base.mark_rule(size=1).encode(y="lowest:Q", y2="highest:Q")
        layers = alt.layer(ranges, lines, points).properties(width=400, height=260)
        return layers.facet(facet=alt.Facet("panel:N", title=None, sort=list(self.recalls)), columns=2)


def _horizontal_axis(frame: pd.DataFrame) -> dict[str, Any]:
    """Classes by name, methods side by side, as long as there is room; ranks beyond."""
    if frame["rank"].max() > MOST_NAMED_CLASSES:
        return {"x": alt.X("rank:Q", title="class by frequency rank, head to tail")}
    order = list(dict.fromkeys(frame.sort_values("rank")["label"]))
    axis = alt.Axis(labelAngle=-40)
    return {
        "x": alt.X("label:N", sort=order, title="class (training samples), head to tail", axis=axis),
        "xOffset": alt.XOffset("method:N", scale=alt.Scale(domain=list(dict.fromkeys(frame["method"])))),
    }


def _frame_of(panel: str, method: str, recall: np.ndarray, counts: np.ndarray) -> pd.DataFrame:
    if recall.shape[1] != len(counts):
        raise ValueError(f"`recalls` must have {len(counts)} classes. Got {recall.shape[1]} for {method!r}.")
    order = np.argsort(-counts, kind="stable")
    recall = recall[:, order]
    return pd.DataFrame(
        {
            "panel": panel,
            "method": method,
            "class": order,
            "rank": np.arange(1, len(counts) + 1),
            "train_samples": counts[order],
            "recall": recall.mean(0),
            "lowest": recall.min(0),
            "highest": recall.max(0),
        }
    )
