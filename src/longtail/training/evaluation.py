"""What a trained model is worth: its logits on a set, and the scores of its predictions under each treatment."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from longtail.metrics import long_tail_scores
from longtail.posthoc import PredictionRebalancer
from longtail.training.images import SmallImages

TREATMENTS: dict[str, dict[str, bool]] = {
    "inductive": {"transductive": False, "converge": False},
    "inductive, fixed point": {"transductive": False, "converge": True},
    "transductive": {"transductive": True, "converge": False},
    "transductive, fixed point": {"transductive": True, "converge": True},
}


def predict_logits(model: nn.Module, data: SmallImages, autocast: Callable[[], AbstractContextManager[Any]]) -> Tensor:
    """Logits (N, C), float32 on the CPU, of all images as they are; the model is left in `eval()`."""
    model.eval()
    with torch.inference_mode(), autocast():
        return torch.cat([model(images).float() for images in data.in_order()]).cpu()


def score_treatments(
    logits: np.ndarray, target: np.ndarray, fit_logits: np.ndarray, fit_target: np.ndarray, class_counts: np.ndarray
) -> dict[str, dict[str, float]]:
    """Scores of the test predictions: raw, and re-balanced at τ = 1.

    Args:
        logits: (N, C) of the test set.
        target: (N,) its labels.
        fit_logits: (M, C) of the labelled set that the inductive treatments are fitted on.
        fit_target: (M,) its labels.
        class_counts: (C,) of the training set.

    Returns:
        For each treatment the scalars of `long_tail_scores`. The transductive ones have used the test set's own
        predictions, all at once.
    """
    scores = {"raw": long_tail_scores(logits, target, class_counts=class_counts).scalars()}
    for name, how in TREATMENTS.items():
        rebalancer = PredictionRebalancer(converge=how["converge"])
        if how["transductive"]:
            rebalancer.fit_transductive(logits)
        else:
            rebalancer.fit(fit_logits, fit_target)
        predictions = rebalancer.predict(logits)
        scores[name] = long_tail_scores(predictions, target, class_counts=class_counts).scalars()
    return scores


def best_on_test(metrics: list[dict[str, Any]]) -> dict[str, dict[str, float]]:
    """The best of the evaluations on the test set, raw and re-balanced transductively: chosen by looking at the test."""
    best = {}
    for name in ("test_top1", "test_top1_transductive"):
        evaluated = [line for line in metrics if name in line]
        if evaluated:
            line = max(evaluated, key=lambda line: line[name])
            best[name] = {"epoch": line["epoch"], "top1": line[name]}
    return best


def prior_slope(criterion: nn.Module, class_counts: Tensor) -> dict[str, float]:
    """Of a loss that learns θ: slope and correlation of log θ over log class counts."""
    statistics: Mapping[str, Tensor] = dict(criterion.named_buffers())
    if "theta" not in statistics:
        return {}
    theta = statistics["theta"].cpu().double()
    seen = (class_counts > 0) & (theta > 0)
    x, y = class_counts[seen].double().log().numpy(), theta[seen].log().numpy()
    return {"theta_slope": float(np.polyfit(x, y, 1)[0]), "theta_correlation": float(np.corrcoef(x, y)[0, 1])}
