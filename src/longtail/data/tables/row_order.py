"""Whether two pandas objects hold their rows in one order."""

from typing import Any


def refuse_another_order(rows: Any, labels: Any, name: str) -> None:
    """Raise if the labels have the index of the rows in another order: one of the two was shuffled alone.

    Rows are paired by position, as in scikit-learn; an index of other values is therefore no error.

    Args:
        rows: inputs or scores.
        labels: their labels.
        name: what `labels` is called in messages.

    Raises:
        ValueError: the same index in another order.

    Example:
        >>> import pandas
        >>> table = pandas.DataFrame({"length": [3, 5]}, index=["a", "b"])
        >>> refuse_another_order(table, pandas.Series(["carp", "eel"], index=["b", "a"]), "y")
        Traceback (most recent call last):
        ValueError: `y` must be in the order of its samples. Its index is theirs in another order: pass y.loc[X.index].
    """
    if not (hasattr(rows, "iloc") and hasattr(labels, "iloc")) or len(rows) != len(labels):
        return
    own, other = rows.index, labels.index
    if own.is_unique and not own.equals(other) and other.is_unique and own.isin(other).all():
        raise ValueError(
            f"`{name}` must be in the order of its samples. Its index is theirs in another order: pass "
            f"{name}.loc[X.index]."
        )
