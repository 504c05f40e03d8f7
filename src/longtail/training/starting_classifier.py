"""Classifiers that a second stage starts from: τ-normalised weights, and nearest class means."""

import copy

import torch
from torch import Tensor, nn

from longtail.data import Splits
from longtail.models import NearestMeans
from longtail.posthoc import NearestClassMean, TauNormalization, tau_normalized


def normalised_by_tau(linear: nn.Linear, splits: Splits, held_out: Tensor | None) -> tuple[nn.Linear, str]:
    """The classifier with τ-normalised weights, and a note on how τ was chosen.

    τ is not chosen on training samples: where the network has fitted them, all values are equally good.

    Args:
        linear: the classifier of the first stage.
        splits: of the run.
        held_out: (N, D) features of its validation samples; without them τ is 1.
    """
    if held_out is None:
        tau, why = 1.0, "as no held-out samples of every class are there to choose it on"
    else:
        tau = TauNormalization().fit(linear, held_out, splits.validation.target).tau_
        why = "chosen on the held-out validation samples, whose score is no unbiased estimate then"
    normalised = copy.deepcopy(linear)
    with torch.no_grad():
        normalised.weight.copy_(tau_normalized(linear, tau).weight)
        if normalised.bias is not None:
            normalised.bias.zero_()
    return normalised, f"τ = {tau:g}, {why}"


def nearest_means(features: Tensor, target: Tensor, num_classes: int) -> NearestMeans:
    """The nearest class mean of the training features (N, D)."""
    fitted = NearestClassMean().fit(features, target, num_classes)
    return NearestMeans(torch.from_numpy(fitted.centre_), torch.from_numpy(fitted.means_))
