"""The metric that a fix optimises: a score of predictions, larger is better, under a class prior.

A score is a function of counts of (class, predicted class), so it is defined for weighted samples, too.
"""

from longtail.repair.metrics.by_name import METRICS, make_metric, metric_named
from longtail.repair.metrics.contract import Metric, NonLinearMetric, recalls
from longtail.repair.metrics.linear import AccuracyUnder, BalancedAccuracy, ExpectedCost
from longtail.repair.metrics.non_linear import MacroF1, WorstRecall

__all__ = [
    "METRICS",
    "AccuracyUnder",
    "BalancedAccuracy",
    "ExpectedCost",
    "MacroF1",
    "Metric",
    "NonLinearMetric",
    "WorstRecall",
    "make_metric",
    "metric_named",
    "recalls",
]
