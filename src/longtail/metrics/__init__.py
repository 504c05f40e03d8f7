"""Metrics for long-tailed data: functions, and `torchmetrics.Metric` classes (extra `metrics`) over batches and ranks.

    >>> import torch
    >>> from longtail.metrics import long_tail_scores
    >>> scores = long_tail_scores(torch.tensor([0, 0, 1]), torch.tensor([0, 1, 1]), class_counts=[500, 10])
    >>> scores.balanced_accuracy.item()
    0.75

A class without a test sample is named (`scores.absent`) and enters no average.
"""

from typing import TYPE_CHECKING, Any

from longtail.metrics.calibration import CalibrationErrors, class_wise_error, top_label_error
from longtail.metrics.scores import (
    LongTailScores,
    balanced_accuracy,
    long_tail_scores,
    macro_f1,
    per_class_recall,
    predictions_per_class,
    top1_accuracy,
)
from longtail.metrics.set_scores import SetScores, set_scores

if TYPE_CHECKING:
    from longtail.metrics.stateful import LongTailMetric, LongTailScalars

__all__ = [
    "CalibrationErrors",
    "LongTailMetric",
    "LongTailScalars",
    "LongTailScores",
    "SetScores",
    "balanced_accuracy",
    "class_wise_error",
    "long_tail_scores",
    "macro_f1",
    "per_class_recall",
    "predictions_per_class",
    "set_scores",
    "top1_accuracy",
    "top_label_error",
]


def __getattr__(name: str) -> Any:
    if name not in ("LongTailMetric", "LongTailScalars"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        from longtail.metrics import stateful
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(f"{name} needs {error.name}: install longtail with its extra `metrics`") from error
    return getattr(stateful, name)
