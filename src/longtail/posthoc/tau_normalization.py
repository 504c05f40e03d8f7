"""τ-normalisation (Kang et al., "Decoupling Representation and Classifier for Long-Tailed Recognition", ICLR 2020).

w_c ← w_c / ‖w_c‖^τ, without bias: the weights of a trained classifier have larger norms for frequent classes. τ = 0
leaves them as they are, τ = 1 makes all norms 1. τ is chosen on held-out data, by balanced accuracy; the paper sweeps 0
to 2 in steps of 0.1.
"""

import copy
import numbers
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Self

import numpy as np
import torch
from torch import Tensor, nn

from longtail.arguments import check_strength
from longtail.autocast import without_autocast
from longtail.posthoc.inputs import as_features, as_labels
from longtail.posthoc.parameters import Parameters

SWEEP = tuple(round(0.1 * step, 1) for step in range(21))


def tau_normalized(linear: nn.Linear, tau: float) -> nn.Linear:
    """A copy of a classifier with normalised weights and no bias.

    Args:
        linear: D to C.
        tau: τ ≥ 0.

    Raises:
        TypeError: not an `nn.Linear`.
        ValueError: weights of norm 0 for a class, a negative τ, or one so large that weights overflow or vanish.

    Example:
        >>> linear = nn.Linear(2, 2)
        >>> _ = linear.weight.data.copy_(torch.tensor([[3.0, 4.0], [0.0, 1.0]]))
        >>> tau_normalized(linear, tau=1.0).weight.tolist()
        [[0.6000000238418579, 0.800000011920929], [0.0, 1.0]]

    Source: section 4.3 of the paper.
    """
    if not isinstance(linear, nn.Linear):
        raise TypeError(f"`linear` must be an nn.Linear. Got {type(linear).__name__}.")
    check_strength("tau", tau)
    norms = linear.weight.detach().double().norm(dim=1, keepdim=True)
    if not (norms > 0).all():
        empty = int((norms == 0).nonzero()[0, 0])
        raise ValueError(f"`linear` must have weights of a norm above 0 for each class. That of class {empty} is 0.")
    weight = (linear.weight.detach().double() / norms**tau).to(linear.weight.dtype)
    lost = ~(weight.isfinite().all(1) & weight.any(1))
    if lost.any():
        place = int(lost.nonzero()[0])
        raise ValueError(
            f"`tau` must leave weights that {weight.dtype} holds. Got {tau!r:.80}, with which those of class {place}, "
            f"of norm {norms[place].item():g}, overflow or vanish. Choose a smaller one."
        )
    normalized = copy.deepcopy(linear)
    normalized.weight.data = weight
    normalized.bias = None  # type: ignore[assignment]
    return normalized


@dataclass(eq=False)
class TauNormalization(Parameters):
    """Chooses τ on held-out features.

    Args:
        taus: what to choose from, each ≥ 0; the first of several that are equally good is taken.

    Attributes:
        tau_: the τ that was chosen.
        linear_: the classifier with that τ.
        balanced_accuracy_: of each τ, on the data of the fit.

    Example:
        >>> linear = nn.Linear(2, 2, bias=False)
        >>> _ = linear.weight.data.copy_(torch.tensor([[4.0, 0.0], [0.0, 1.0]]))
        >>> features, target = np.array([[1.0, 0.1], [0.5, 1.0]]), np.array([0, 1])
        >>> TauNormalization(taus=(0.0, 1.0)).fit(linear, features, target).tau_
        1.0

    Source: Kang et al., ICLR 2020.
    """

    taus: Sequence[float] = SWEEP
    _linear: nn.Linear | None = field(default=None, init=False, repr=False)

    def fit(self, linear: nn.Linear, features: np.ndarray | Tensor, target: np.ndarray | Tensor | list[int]) -> Self:
        """Try each τ.

        Args:
            linear: the trained classifier, D to C.
            features: (N, D), what the classifier sees, of data that it was not fitted to.
            target: (N,) class indices.

        Raises:
            ValueError, TypeError: no τ, shapes that do not fit, values that are not finite.
        """
        if isinstance(self.taus, numbers.Number):
            raise TypeError(f"`taus` must be several values to choose from. Got {self.taus!r}: pass [{self.taus!r}].")
        if not len(self.taus):
            raise ValueError("`taus` must hold at least one value. Got none.")
        candidates = [tau_normalized(linear, tau) for tau in self.taus]
        checked = as_features(features, linear.in_features).to(linear.weight.dtype).cpu()
        labels = as_labels(target, len(checked), linear.out_features)
        support = torch.bincount(labels, minlength=linear.out_features)
        scores = []
        for candidate in candidates:
            with without_autocast("cpu"):
                predicted = (checked @ candidate.weight.detach().cpu().T).argmax(1)
            correct = torch.bincount(labels[predicted == labels], minlength=linear.out_features)
            scores.append((correct[support > 0] / support[support > 0]).mean().item())
        best = int(np.argmax(scores))
        self.tau_, self._linear, self.balanced_accuracy_ = float(self.taus[best]), candidates[best], np.array(scores)
        return self

    @property
    def linear_(self) -> nn.Linear:
        """The classifier with the τ that was chosen."""
        if self._linear is None:
            raise AttributeError("This TauNormalization is not fitted yet: call `fit` first.")
        return self._linear
