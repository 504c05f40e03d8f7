"""Nearest class mean, NCM (Kang et al., "Decoupling Representation and Classifier", ICLR 2020), in the form "cl2n".

Features are centred by their mean over the training set and L2-normalised. The mean of a class is that of its
normalised features (it is not normalised again), and a sample is assigned to the nearest mean, by Euclidean distance.
No classifier is trained that could be biased towards frequent classes.
"""

from dataclasses import dataclass, field
from typing import Self

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from longtail.arguments import check_choice, check_num_classes
from longtail.posthoc.inputs import Array, as_features, as_labels, like
from longtail.posthoc.parameters import Parameters

METRICS = ("euclidean", "cosine")


@dataclass(eq=False)
class NearestClassMean(Parameters):
    """Classifies features by the nearest class mean.

    Args:
        metric: "euclidean" or "cosine".

    Attributes:
        centre_: (D,) mean of the training features.
        means_: (C, D) class means; NaN for a class without a sample, which is never predicted.

    Example:
        >>> features = np.array([[2.0, 0.0], [1.0, 0.1], [0.0, 3.0]])
        >>> NearestClassMean().fit(features, np.array([0, 0, 1])).predict(np.array([[5.0, 1.0], [0.0, 1.0]]))
        array([0, 1])

    Source: section 4.3 of the paper, and its code.
    """

    metric: str = "euclidean"
    _means: Tensor | None = field(default=None, init=False, repr=False)

    def fit(
        self, features: np.ndarray | Tensor, target: np.ndarray | Tensor | list[int], num_classes: int | None = None
    ) -> Self:
        """Average the features of each class.

        Args:
            features: (N, D) of the training set, finite.
            target: (N,) class indices.
            num_classes: C; by default the largest label plus one.

        Raises:
            ValueError, TypeError: shapes that do not fit, values that are not finite, labels outside [0, C).
        """
        check_choice("metric", self.metric, METRICS)
        checked = as_features(features).double().cpu()
        if num_classes is not None:
            check_num_classes(num_classes)
        labels = as_labels(target, len(checked), num_classes)
        if num_classes is None:
            num_classes = max(int(labels.max()) + 1, 2)
        self._centre = checked.mean(0)
        sums = torch.zeros(num_classes, checked.shape[1], dtype=torch.float64)
        sums.index_add_(0, labels, F.normalize(checked - self._centre, dim=1))
        self._means = sums / torch.bincount(labels, minlength=num_classes)[:, None]
        return self

    @property
    def means_(self) -> np.ndarray:
        """(C, D) float64."""
        return self._fitted().numpy()

    @property
    def centre_(self) -> np.ndarray:
        """(D,) float64."""
        self._fitted()
        return self._centre.numpy()

    def transform(self, features: Array) -> Array:
        """Scores (N, C), larger is nearer: minus the squared distance, or the cosine; −inf for an empty class."""
        checked = self._checked(features)
        return like(features, self._scores(checked).to(checked.dtype))

    def predict(self, features: Array) -> Array:
        """The nearest class of each sample, (N,) int64."""
        return like(features, self._scores(self._checked(features)).argmax(1))

    def _checked(self, features: np.ndarray | Tensor) -> Tensor:
        return as_features(features, self._fitted().shape[1])

    def _scores(self, features: Tensor) -> Tensor:
        """(N, C) float64: in half precision many classes would be equally near."""
        means = self._fitted()
        directions = F.normalize(features.double().cpu() - self._centre, dim=1)
        if self.metric == "cosine":
            scores = directions @ F.normalize(means, dim=1).T
        else:
            scores = -torch.cdist(directions, means).square()
        return scores.nan_to_num(nan=-torch.inf).to(features.device)

    def _fitted(self) -> Tensor:
        if self._means is None:
            raise AttributeError("This NearestClassMean is not fitted yet: call `fit` first.")
        return self._means
