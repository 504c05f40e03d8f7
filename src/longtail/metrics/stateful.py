"""The scores as `torchmetrics.Metric` classes: over batches, devices and ranks."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torchmetrics import Metric

from longtail.arguments import check_keywords, check_num_classes, keywords_of
from longtail.class_vectors import as_class_counts
from longtail.metrics.groups import FEW_BELOW, MANY_ABOVE, GroupBounds
from longtail.metrics.scores import ClassTally, LongTailScores, scores_of, tally_classes
from longtail.signatures import naming_misspelt

OF_TORCHMETRICS = (
    "compute_on_cpu",
    "dist_sync_on_step",
    "process_group",
    "dist_sync_fn",
    "distributed_available_fn",
    "sync_on_compute",
    "compute_with_cache",
)
"""Keywords of every metric, which the signature of `torchmetrics.Metric` does not name."""


class LongTailMetric(Metric):
    """`long_tail_scores` over everything seen since the last reset.

    Args:
        num_classes: C, at least 2.
        class_counts: (C,) **training** samples of each class, for many / medium / few.
        many_above: "many" classes have more training samples than this.
        few_below: "few" classes have fewer than this.
        **kwargs: passed to `torchmetrics.Metric`.

    Raises:
        TypeError: a keyword that neither has.
        ValueError: fewer than two classes, counts of another number of classes, or bounds that overlap.

    Example:
        >>> import torch
        >>> metric = LongTailMetric(num_classes=2, class_counts=[500, 10])
        >>> metric.update(torch.tensor([0, 0]), torch.tensor([0, 1]))
        >>> metric.update(torch.tensor([[0.1, 0.9]]), torch.tensor([1]))
        >>> metric.compute().few.item()
        0.5
    """

    full_state_update = False
    is_differentiable = False
    higher_is_better = True
    plot_lower_bound = 0.0
    plot_upper_bound = 1.0
    support: Tensor
    correct: Tensor
    predicted: Tensor

    @naming_misspelt
    def __init__(
        self,
        num_classes: int,
        class_counts: Tensor | np.ndarray | list[int] | None = None,
        *,
        many_above: int = MANY_ABOVE,
        few_below: int = FEW_BELOW,
        **kwargs: Any,
    ) -> None:
        try:
            super().__init__(**kwargs)
        except ValueError:
            check_keywords(type(self).__name__, kwargs, [*keywords_of(type(self)), *OF_TORCHMETRICS])
            raise
        check_num_classes(num_classes)
        self.num_classes = num_classes
        self.class_counts = None if class_counts is None else as_class_counts(class_counts)
        self.bounds = GroupBounds(many_above, few_below)
        for name in ClassTally._fields:
            self.add_state(name, torch.zeros(num_classes, dtype=torch.int64), dist_reduce_fx="sum")
        scores_of(self._tally(), self.class_counts, self.bounds)

    def update(self, predictions: Tensor, target: Tensor) -> None:
        """Count one batch: predictions (N,) or (N, C), target (N,)."""
        tally = tally_classes(predictions, target, self.num_classes)
        self.support += tally.support
        self.correct += tally.correct
        self.predicted += tally.predicted

    def compute(self) -> LongTailScores:
        """The scores of everything counted; `.scalars()` of them is for loggers."""
        return scores_of(self._tally(), self.class_counts, self.bounds)

    def plot(self, val: Any = None, ax: Any = None) -> Any:
        """Draw the scalars of `compute`, or of several results as a line each over time, as metrics of torchmetrics do.

        Args:
            val: a result, or a list of results; by default that of `compute`.
            ax: the axes of matplotlib to draw on; by default those of a new figure.

        Returns:
            The figure (`None` if `ax` was given) and the axes.

        Raises:
            ModuleNotFoundError: matplotlib is not installed.
        """
        val = self.compute() if val is None else val
        several = isinstance(val, Sequence) and not isinstance(val, LongTailScores)
        return self._plot([_scalars(each) for each in val] if several else _scalars(val), ax)

    def _tally(self) -> ClassTally:
        return ClassTally(self.support, self.correct, self.predicted)


class LongTailScalars(LongTailMetric):
    """`LongTailMetric` whose result is a dictionary of scalar tensors, as loggers and `MetricCollection` take it.

    In Lightning: `self.log_dict(self.metric.compute())`, or `self.log_dict(MetricCollection(self.metric))`.

    A `MetricCollection` draws it with `collection.plot(together=True)`. By default `collection.plot()` looks for one
    result under the name of each metric and raises `KeyError` for dictionaries; a figure for each metric is
    `[metric.plot() for metric in collection.values()]`.

    Example:
        >>> import torch
        >>> metric = LongTailScalars(num_classes=2)
        >>> metric.update(torch.tensor([0, 0]), torch.tensor([0, 1]))
        >>> metric.compute()["balanced_accuracy"].item()
        0.5
    """

    def compute(self) -> dict[str, Tensor]:  # type: ignore[override]
        """The scalars of `LongTailScores` by name: top1, balanced_accuracy, many, medium, few, macro_f1."""
        return _scalars(super().compute())


def _scalars(scores: LongTailScores | Mapping[str, Tensor]) -> dict[str, Tensor]:
    return dict(scores) if isinstance(scores, Mapping) else {name: getattr(scores, name) for name in scores.scalars()}
