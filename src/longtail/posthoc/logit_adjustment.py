"""Post-hoc logit adjustment (Menon et al., "Long-tail learning via logit adjustment", ICLR 2021, eq. 9).

    argmax_j z_j − τ log π_j

with π the class prior of the training set. For a target prior ν other than uniform: z_j + τ log(ν_j / π_j). Never on
top of a loss that adjusted the logits already. A class without a training sample counts as ½.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from torch import Tensor

from longtail.class_vectors import as_class_counts, count_empty_as_half
from longtail.posthoc.contract import OffsetMethod, scaled
from longtail.posthoc.inputs import as_logits


@dataclass(eq=False)
class PostHocLogitAdjustment(OffsetMethod):
    """Divides the prior of the training set out of a trained model's predictions.

    Args:
        class_counts: (C,) training samples of each class.
        tau: τ ≥ 0, the strength; 0 changes nothing.
        target_prior: "uniform", or (C,) probabilities: how often each class will come.

    Attributes:
        offset_: (C,) float64, added to the logits.

    Example:
        >>> import numpy as np
        >>> adjustment = PostHocLogitAdjustment(class_counts=[90, 10]).fit()
        >>> adjustment.predict(np.array([[1.0, 0.0], [3.0, 0.0]]))
        array([1, 0])

    Source: Menon et al., ICLR 2021, eq. 9.
    """

    class_counts: Tensor | np.ndarray | Sequence[float]
    tau: float = 1.0
    target_prior: str | np.ndarray | Tensor | Sequence[float] = "uniform"

    def fit(
        self, logits: np.ndarray | Tensor | None = None, target: np.ndarray | Tensor | list[int] | None = None
    ) -> Self:
        """Compute the offset from the class counts; logits, if given, are only checked, labels are not looked at.

        Raises:
            ValueError: counts, strength, prior or logits that do not fit.
        """
        counts = count_empty_as_half(as_class_counts(self.class_counts))
        prior = self._check_parameters(counts.numel())
        if logits is not None:
            as_logits(logits, counts.numel())
        offset = prior.log() - (counts / counts.sum()).log()
        self._remember(scaled(offset, self.tau))
        return self
