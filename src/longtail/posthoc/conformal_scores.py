"""Scores of split conformal prediction that are a multiple of the probability, one factor for each class.

    "softmax"               f_y = 1           the smallest sets of a given marginal coverage
    "prevalence-adjusted"   f_y = ω_y / π_y   the smallest sets of a given macro-coverage (ω equal)

π are the class frequencies of training, ω weights of classes: PAS and WPAS of Ding, Fermanian and Salmon (ICLR 2026).
Sets are the smallest if probabilities and frequencies are those of the data.
"""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from longtail.arguments import check_choice
from longtail.class_vectors import as_class_counts, as_class_weights, count_empty_as_half, describe_classes
from longtail.posthoc.saved import LARGEST

SCORES = ("prevalence-adjusted", "softmax")
CALIBRATION = "calibration"
Values = Tensor | np.ndarray | Sequence[float]


def check_score(score: str, class_counts: Values | str | None, class_weight: Values | None, num_classes: int) -> None:
    """Raise `ValueError` or `TypeError` unless `score_factors` has what it needs."""
    check_choice("score", score, SCORES)
    if score == "softmax":
        if class_weight is not None:
            raise ValueError('`class_weight` must be None with `score="softmax"`. Pass `score="prevalence-adjusted"`.')
        return
    if class_weight is not None:
        as_class_weights("class_weight", class_weight, num_classes)
    if class_counts is None:
        raise ValueError(
            '`class_counts` must hold the training samples of each class with `score="prevalence-adjusted"`. Got None. '
            'Where they are unknown, `class_counts="calibration"` counts the labels of `fit`.'
        )
    if isinstance(class_counts, str):
        check_choice("class_counts", class_counts, [CALIBRATION])
    elif (found := as_class_counts(class_counts).numel()) != num_classes:
        raise ValueError(f"`class_counts` must hold {num_classes} classes, as `logits`. Got {found}.")


def score_factors(
    score: str, class_counts: Values | str | None, class_weight: Values | None, samples: Tensor
) -> Tensor:
    """f, (C,) float64, of arguments that `check_score` has checked.

    Args:
        score: one of `SCORES`.
        class_counts: (C,) training samples, where 0 counts as ½ with a warning; or "calibration".
        class_weight: (C,) ω; None for equal weights.
        samples: (C,) samples to fit on, counted with "calibration"; a class without any counts as ½.

    Raises:
        ValueError: factors beyond the range of float64.
    """
    if score == "softmax" or class_counts is None:
        return torch.ones(samples.shape, dtype=torch.float64)
    if isinstance(class_counts, str):
        counts = samples.double().clamp(min=0.5)
    else:
        counts = count_empty_as_half(as_class_counts(class_counts))
    factors = counts.sum() / counts
    if class_weight is not None:
        factors = factors * as_class_weights("class_weight", class_weight, counts.numel())
    beyond = ~((factors > 1 / LARGEST) & (factors < LARGEST))
    if beyond.any():
        raise ValueError(
            "`class_counts` and `class_weight` must be of sizes whose ratios a float holds. They are not for "
            f"{describe_classes(beyond)}."
        )
    return factors
