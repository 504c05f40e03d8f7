"""Recall of every class, from the most frequent to the rarest, for several methods."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import altair as alt
import numpy as np
import pandas as pd
from torch import Tensor

from longtail.class_vectors import as_class_counts
from longtail.reports.by_rank import binned, ranked
from longtail.reports.theme import HEIGHT, PERCENT, RANK, class_axis, of_series, shape_of_series, wide

MOST_NAMED_CLASSES = 30
Z = 1.96  # two-sided 95 %


@dataclass
class PerClassRecallDisplay:
    """A table and a figure: per-class recall, head to tail, mean and range over the seeds.

    With one seed and `test_counts` the range is Wilson's interval of 95 %.

    Args:
        recalls: panel, then method, to recall in [0, 1]: (S, C) over S seeds, or (C,); NaN for classes without test
            samples. With one panel its name may be empty.
        class_counts: (C,) training samples of each class.
        class_names: (C,); by default 0, 1, ….
        test_counts: (C,) test samples of each class.
        measured: what the recalls are.
        counted: what `class_counts` are.

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
    class_names: Sequence[str] | None = None
    test_counts: Tensor | np.ndarray | list[int] | None = None
    measured: str = "test recall"
    counted: str = "training samples"

    def frame(self) -> pd.DataFrame:
        """One row for each panel, method and class.

        Columns: panel, method, class, name, rank (1 is the head), train_samples, recall (mean over seeds), lowest,
        highest.
        """
        if not all(isinstance(methods, Mapping) for methods in self.recalls.values()):
            raise TypeError("`recalls` must map panels to methods to recall: {'raw': {'CE': recall}}.")
        counts = as_class_counts(self.class_counts).numpy().astype(int)
        names = list(map(str, range(len(counts)) if self.class_names is None else self.class_names))
        if len(names) != len(counts):
            raise ValueError(f"`class_names` must hold {len(counts)} names, one per class. Got {len(names)}.")
        tested = None if self.test_counts is None else np.asarray(self.test_counts, dtype=np.float64)
        rows = [
            _frame_of(panel, method, np.atleast_2d(np.asarray(recall, dtype=np.float64)), counts, names, tested)
            for panel, methods in self.recalls.items()
            for method, recall in methods.items()
        ]
        if not rows:
            raise ValueError("`recalls` must hold at least one method. Got none.")
        return pd.concat(rows, ignore_index=True)

    def plot(self) -> Any:
        """An Altair chart; bars run from lowest to highest. `.save("recall.png")` needs no browser.

        Beyond 30 classes lines are means over neighbouring ranks, and each class is a faint point.
        """
        frame = self.frame()
        frame["label"] = frame["name"] + " (" + frame["train_samples"].astype(str) + ")"
        order = list(dict.fromkeys(frame["method"]))
        draw = _few_classes if frame["rank"].max() <= MOST_NAMED_CLASSES else _many_classes
        panels = [
            draw(own, order, self.measured, self.counted).properties(title=name)
            for name, own in frame.groupby("panel", sort=False)
        ]
        if len(panels) == 1:
            return wide(panels[0])
        return alt.concat(*(panel.properties(width=400, height=HEIGHT) for panel in panels), columns=2)


def _few_classes(frame: pd.DataFrame, order: Sequence[str], title: str, counted: str) -> Any:
    labels = list(dict.fromkeys(frame.sort_values("rank")["label"]))
    base = alt.Chart(frame).encode(
        x=alt.X("label:N", sort=labels, title=f"class ({counted}), head to tail", axis=class_axis(len(labels))),
        xOffset=alt.XOffset("method:N", scale=alt.Scale(domain=list(order))),
        y=alt.Y("recall:Q", title=title, scale=alt.Scale(domain=[0, 1]), axis=PERCENT),
        tooltip=["method:N", "label:N", alt.Tooltip("recall:Q", format=".3f")],
        **of_series("method", order),
    )
    points = base.mark_point(filled=True, size=55, opacity=1).encode(shape=shape_of_series("method", order))
    ranges = base.mark_rule(size=1).encode(y="lowest:Q", y2="highest:Q", strokeDash=alt.value([1, 0]))
    return alt.layer(ranges, base.mark_line(), points)


def _many_classes(frame: pd.DataFrame, order: Sequence[str], title: str, counted: str) -> Any:
    means = binned(frame.rename(columns={"recall": "value"}), ["method"], MOST_NAMED_CLASSES)
    means = means.rename(columns={"value": "recall"})
    where = {
        "x": RANK,
        "y": alt.Y("recall:Q", title=title, scale=alt.Scale(domain=[0, 1]), axis=PERCENT),
    }
    # As values, for Altair refuses tables of more than 5,000 rows.
    columns = ["method", "label", "rank", "recall", "lowest", "highest"]
    values = alt.InlineData(values=json.loads(frame[columns].round(4).to_json(orient="records")))
    shown = [alt.Tooltip(f"{name}:Q", format=".3f") for name in ("recall", "lowest", "highest")]
    points = alt.Chart(values).mark_circle(size=12, opacity=0.3)
    points = points.encode(**where, color=of_series("method", order)["color"], tooltip=["method:N", "label:N", *shown])
    return alt.layer(points, alt.Chart(means).mark_line(size=2).encode(**where, **of_series("method", order)))


def _frame_of(
    panel: str,
    method: str,
    recall: np.ndarray,
    counts: np.ndarray,
    names: Sequence[str],
    tested: np.ndarray | None,
) -> pd.DataFrame:
    if recall.shape[1] != len(counts):
        raise ValueError(f"`recalls` must have {len(counts)} classes. Got {recall.shape[1]} for {method!r}.")
    mean, lowest, highest = recall.mean(0), recall.min(0), recall.max(0)
    if len(recall) == 1 and tested is not None:
        lowest, highest = wilson(mean, tested)
    frame = ranked(mean, counts, names).rename(columns={"value": "recall"})
    order = frame["class"].to_numpy()
    return frame.assign(panel=panel, method=method, lowest=lowest[order], highest=highest[order])


def wilson(share: np.ndarray, samples: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The 95 % interval of a share that was seen in so many samples (Wilson, JASA 1927); NaN where there are none.

    Example:
        >>> low, high = wilson(np.array([0.5]), np.array([100]))
        >>> low.round(2), high.round(2)
        (array([0.4]), array([0.6]))
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        centre = (share + Z**2 / (2 * samples)) / (1 + Z**2 / samples)
        half = Z / (1 + Z**2 / samples) * np.sqrt(share * (1 - share) / samples + Z**2 / (4 * samples**2))
    return np.maximum(centre - half, 0), np.minimum(centre + half, 1)  # which rounding may miss by 1e-16
