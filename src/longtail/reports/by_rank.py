"""Values of classes from the most frequent to the rarest, for charts of ten classes and of ten thousand."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

MOST_CLASSES = 200
MOST_BINS = 100
LEAST_IN_A_BIN = 5


def ranked(values: np.ndarray, class_counts: np.ndarray, class_names: Sequence[str]) -> pd.DataFrame:
    """One row per class, head first; columns: rank (1 is the head), class, name, train_samples, value.

    Args:
        values: (C,); NaN where there is none.
        class_counts: (C,) training samples.
        class_names: (C,).

    Example:
        >>> ranked(np.array([0.1, 0.9]), np.array([5, 100]), ["lynx", "cat"])["name"].tolist()
        ['cat', 'lynx']
    """
    order = np.argsort(-np.asarray(class_counts), kind="stable")
    return pd.DataFrame(
        {
            "rank": np.arange(1, len(order) + 1),
            "class": order,
            "name": [class_names[label] for label in order],
            "train_samples": np.asarray(class_counts)[order],
            "value": np.asarray(values, dtype=np.float64)[order],
        }
    )


def binned(frame: pd.DataFrame, by: Sequence[str] = (), most_classes: int = MOST_CLASSES) -> pd.DataFrame:
    """Means over neighbouring ranks, 5 at least and 100 bins at most, where there are more classes; else as it is.

    Args:
        frame: with the columns rank and value.
        by: columns that tell series apart.
        most_classes: as many stay alone.
    """
    classes = frame["rank"].max()
    if classes <= most_classes:
        return frame
    edges = np.ceil(frame["rank"] / classes * min(MOST_BINS, classes // LEAST_IN_A_BIN)).astype(int)
    grouped = frame.assign(bin=edges).groupby([*by, "bin"], sort=False)[["rank", "value"]].mean()
    return grouped.reset_index().drop(columns="bin")
