"""Metrics by the name that users type, and by the name that reports show."""

import numpy as np
from torch import Tensor

from longtail.arguments import as_float64, check_choice
from longtail.class_vectors import as_prior
from longtail.repair.metrics.contract import Metric
from longtail.repair.metrics.linear import AccuracyUnder, BalancedAccuracy, ExpectedCost
from longtail.repair.metrics.non_linear import MacroF1, WorstRecall

LARGEST_COST = 1e12
METRICS = ("balanced-accuracy", "accuracy", "macro-f1", "worst-tenth", "cost")


def make_metric(
    name: str,
    num_classes: int,
    prior: str | np.ndarray | Tensor | list[float] = "uniform",
    cost: np.ndarray | None = None,
) -> Metric:
    """A metric by name.

    Args:
        name: one of `METRICS`.
        num_classes: C.
        prior: for "accuracy" and "cost": "uniform" or (C,) probabilities; the others have a uniform prior.
        cost: (C, C) for "cost": row c, column j is the cost of predicting j for class c.

    Raises:
        ValueError: an unknown metric, an invalid prior, or a prior or costs that the metric does not take.

    Example:
        >>> make_metric("accuracy", 2, [0.9, 0.1]).prior(2).tolist()
        [0.9, 0.1]
    """
    check_choice("metric", name, METRICS)
    if (cost is not None) != (name == "cost"):
        needs = "none" if cost is None else f"costs for the metric {name!r}"
        raise ValueError(
            f'`cost` must be given for the metric "cost", and only for it. Got {needs}. '
            + ("Pass the costs (--cost FILE)." if cost is None else 'Leave them out, or pass the metric "cost".')
        )
    if cost is not None:
        return ExpectedCost(_checked_cost(cost, num_classes), tuple(as_prior("prior", prior, num_classes).tolist()))
    if name == "accuracy":
        return AccuracyUnder(tuple(as_prior("prior", prior, num_classes).tolist()))
    if not (isinstance(prior, str) and prior == "uniform"):
        raise ValueError(
            f'`prior` must be "uniform" for the metric {name!r}. Got {prior!r:.80}. Leave it out, or pass the metric '
            '"accuracy" or "cost".'
        )
    metrics: dict[str, Metric] = {
        "balanced-accuracy": BalancedAccuracy(),
        "macro-f1": MacroF1(),
        "worst-tenth": WorstRecall(),
    }
    return metrics[name]


def metric_named(name: str, prior: np.ndarray, cost: np.ndarray | None = None) -> Metric:
    """The metric with a display name, as in fixes and diagnoses.

    Args:
        name: such as "balanced accuracy".
        prior: (C,) for the accuracy and the expected cost.
        cost: (C, C) for the expected cost.

    Raises:
        ValueError: an unknown metric, or missing costs.

    Example:
        >>> metric_named("macro-F1", np.array([0.5, 0.5])).name
        'macro-F1'
    """
    if name == ExpectedCost.name:
        if cost is None:
            raise ValueError("`cost` must be given for the expected cost. Got none.")
        return ExpectedCost(cost, tuple(prior.tolist()))
    known: tuple[Metric, ...] = (BalancedAccuracy(), AccuracyUnder(tuple(prior.tolist())), MacroF1(), WorstRecall())
    check_choice("metric", name, [metric.name for metric in known])
    return next(metric for metric in known if metric.name == name)


def _checked_cost(cost: np.ndarray, num_classes: int) -> np.ndarray:
    values = as_float64("cost", cost)
    if values.shape != (num_classes, num_classes):
        raise ValueError(
            f"`cost` must have the shape ({num_classes}, {num_classes}): one row per true class, one column per "
            f"prediction. Got {values.shape}."
        )
    if not (np.abs(values) < LARGEST_COST).all():
        row, column = np.argwhere(~(np.abs(values) < LARGEST_COST))[0]
        raise ValueError(
            f"`cost` must hold numbers below {LARGEST_COST:g}. Got {values[row, column]} in row {row}, column {column}."
        )
    if (np.diagonal(values) > values.min(1)).any():
        label = int(np.argmax(np.diagonal(values) - values.min(1)))
        raise ValueError(
            f"`cost` must be lowest for the correct prediction of each class. It is not for class {label}: its row is "
            f"{values[label].tolist()!s:.80}. Rows are true classes; pass the transpose if they are predictions here."
        )
    return values
