"""Prediction re-balancing (Zhang et al., ICASSP 2024, section 2.3).

With P = softmax(Z) over a whole evaluation set and s_j = Σ_i P_ij, the paper predicts argmax_j P_ij / s_j^τ. In the
space of logits that is one bias, −τ log s_j. The paper takes s from the unlabelled test set itself and assumes that
its classes are balanced: `fit_transductive`. `fit` needs labels instead, of any set that the model was not fitted to
too closely, and weights each sample by target prior / class frequency: s_j is then the mass that class j receives when
classes arrive as the target prior says. For a target prior π other than uniform the rule is P_ij (π_j / s_j)^τ.

`converge` continues the rule to its fixed point, the offset o with mean softmax(z + o) = π; τ then scales o.

Data in parts: `merge` after `partial_fit` of each, or `fit_parts`, which also finds the fixed point.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor

from longtail.arguments import check_flag
from longtail.class_vectors import as_prior, describe_classes
from longtail.posthoc.blocks import row_blocks
from longtail.posthoc.contract import OffsetMethod, scaled
from longtail.posthoc.fixed_point import fixed_point_offsets
from longtail.posthoc.inputs import as_labels, as_sample_logits
from longtail.posthoc.labelled_parts import counts_over, offset_over
from longtail.posthoc.parts import OverParts
from longtail.posthoc.predicted_mass import PredictedMass


@dataclass(eq=False)
class PredictionRebalancer(OffsetMethod):
    """Re-balances the predictions of a trained model by one offset per class.

    Args:
        tau: τ ≥ 0, the strength; 0 changes nothing, 1 is the rule.
        target_prior: "uniform", or (C,) probabilities: how often each class will come. A class of prior 0 is never
            predicted.
        converge: go on to the fixed point; needs all data at once, and a prior without zeros.

    Attributes:
        offset_: (C,) float64, added to the logits. A model that needs no re-balancing gets zeros.
        transductive_: whether the offset came from unlabelled data. If those were the test set, the result says so.

    Inputs are logits, numpy or torch, finite; for probabilities p pass log p. Outputs are of the same kind.

    Example:
        >>> import numpy as np
        >>> logits = np.array([[3.0, 0.0], [2.0, 0.0], [1.0, 0.0], [0.5, 0.0]])  # class 0 is always preferred
        >>> rebalancer = PredictionRebalancer().fit(logits, np.array([0, 0, 1, 1]))
        >>> rebalancer.offset_.round(3)
        array([-0.466,  0.9  ])
        >>> rebalancer.predict(logits)
        array([0, 0, 1, 1])

    Source: Zhang et al., "Gradient-Aware Logit Adjustment Loss for Long-tailed Classifier", ICASSP 2024, section 2.3;
    the labelled fit, other priors and the fixed point are ours.
    """

    tau: float = 1.0
    target_prior: str | np.ndarray | Tensor | Sequence[float] = "uniform"
    converge: bool = False
    _mass: PredictedMass | None = field(default=None, init=False, repr=False)

    def fit(self, logits: np.ndarray | Tensor, target: np.ndarray | Tensor | list[int]) -> Self:
        """Fit on labelled data, each sample weighted by target prior / class frequency.

        Args:
            logits: (N, C), finite.
            target: (N,) class indices.

        Raises:
            ValueError: a class without a sample (unless its prior is 0), values that are not finite, labels outside
                [0, C), a prior that does not fit.
            RuntimeError: with `converge`, no convergence.
        """
        checked, prior = self._check(logits)
        labels = as_labels(target, *checked.shape)
        class_weight = self._class_weight(torch.bincount(labels, minlength=prior.numel()), prior)
        self._fit(checked, class_weight[labels], prior, transductive=False)
        return self

    def fit_transductive(self, logits: np.ndarray | Tensor) -> Self:
        """Fit on unlabelled data, whose classes are taken to come as the target prior says.

        On the test set itself this is the paper's rule, and the result is *transductive*. On a long-tailed set it
        measures the tail itself and harms a model that is already balanced: use `fit` there.
        """
        checked, prior = self._check(logits)
        weight = torch.full((len(checked),), 1 / len(checked), dtype=torch.float64)
        self._fit(checked, weight, prior, transductive=True)
        return self

    def partial_fit(self, logits: np.ndarray | Tensor, target: np.ndarray | Tensor | list[int] | None = None) -> Self:
        """Fit on one more chunk of data: with labels as `fit`, without as `fit_transductive`.

        The result is that of one fit on all chunks. Keeps C × C numbers with labels, C without. `offset_` is there as
        soon as every class has come.

        Raises:
            ValueError: with `converge`, which needs all data at once; after `fit` or `load`, whose data is gone;
                labelled chunks mixed with unlabelled ones; otherwise as `fit`.
        """
        if self.converge:
            raise ValueError(
                "`partial_fit` must have `converge=False`: the fixed point passes over all data many times."
            )
        checked, prior = self._check(logits)
        labels = None if target is None else as_labels(target, *checked.shape)
        mass = self._continued_mass(prior.numel(), labelled=target is not None)
        if labels is not None:
            expected = prior[labels] > 0
            checked, labels = checked[expected], labels[expected]
        mass.add(checked, labels)
        self._mass = mass
        self._remember(None)
        self.transductive_ = target is None
        return self

    def fit_parts(self, over_parts: OverParts) -> Self:
        """Fit on labelled data in parts, of which no process has to hold more than one.

        The offset is that of `fit` on all parts together. It takes two passes over the data, one for class counts and
        one for the mean prediction; with `converge` one for class counts and one for each step to the fixed point.

        Args:
            over_parts: a function that is given a function of the logits (N, C) and labels (N,) of one part, calls it
                for every part, and returns the merged results: `a.merge(b)`, in any order. The given function and its
                results can be pickled, so that parts can be in other processes. Parts may be empty.

        Raises:
            TypeError: `over_parts` does not return merged results.
            ValueError, RuntimeError: as `fit`.

        Example:
            >>> import numpy as np
            >>> from functools import reduce
            >>> logits, target = np.array([[3.0, 0.0], [2.0, 0.0], [1.0, 0.0], [0.5, 0.0]]), np.array([0, 0, 1, 1])
            >>> parts = [(logits[:3], target[:3]), (logits[3:], target[3:])]
            >>> def over_parts(statistic):
            ...     return reduce(lambda a, b: a.merge(b), [statistic(*part) for part in parts])
            >>> PredictionRebalancer().fit_parts(over_parts).offset_.round(3)
            array([-0.466,  0.9  ])
        """
        counts = counts_over(over_parts)
        prior = self._checked_prior(len(counts))
        class_weight = self._class_weight(counts, prior)
        self._keep(offset_over(over_parts, class_weight, prior, converge=self.converge), transductive=False)
        return self

    def merge(self, other: "PredictionRebalancer") -> "PredictionRebalancer":
        """A re-balancer that is fitted on the chunks of both, after `partial_fit` of each.

        Merging is associative. One that is not fitted yet changes nothing.

        Raises:
            ValueError: other parameters; after `fit` or `load`, whose data is gone; labelled chunks with unlabelled
                ones; another number of classes.

        Example:
            >>> import numpy as np
            >>> logits, target = np.array([[3.0, 0.0], [2.0, 0.0], [1.0, 0.0], [0.5, 0.0]]), np.array([0, 0, 1, 1])
            >>> parts = [PredictionRebalancer().partial_fit(logits[:3], target[:3]),
            ...          PredictionRebalancer().partial_fit(logits[3:], target[3:])]
            >>> parts[0].merge(parts[1]).offset_.round(3)
            array([-0.466,  0.9  ])
        """
        both = type(self)(**self._parameters_to_merge())
        _check_same(both.get_params(), other._parameters_to_merge())
        fitted = [own for own in (self, other) if own._mass is not None]
        if len({own.transductive_ for own in fitted}) > 1:
            raise ValueError("`other` must be fitted with labels, as this one, or both without.")
        for own in fitted:
            assert own._mass is not None
            empty = PredictedMass(*own._mass.scaled.shape)
            both._mass = (both._mass or empty).merge(own._mass)
            both._remember(None)
            both.transductive_ = own.transductive_
        return both

    @property
    def offset_(self) -> np.ndarray:
        """(C,) float64, read-only: what is added to the logits; −inf for a class that must not be predicted."""
        if self._offset is None and self._mass is not None:
            self._finish(self._mass)
        return super().offset_

    def _parameters_to_merge(self) -> dict[str, Any]:
        """Those of the last chunk, or of one that is not fitted."""
        if self._mass is None and self._offset is not None:
            raise ValueError("`merge` must follow `partial_fit`. Got one after `fit` or `load`: fit each part again.")
        return self.get_params() if self._mass is None else self._fitted_params

    def _check(self, logits: np.ndarray | Tensor) -> tuple[Tensor, Tensor]:
        checked = as_sample_logits(logits)
        return checked, self._checked_prior(checked.shape[1])

    def _checked_prior(self, num_classes: int) -> Tensor:
        prior = self._check_parameters(num_classes)
        check_flag("converge", self.converge)
        if self.converge and not prior.all():
            raise ValueError(
                f"`target_prior` must be above 0 everywhere with `converge`. Got 0 for {describe_classes(prior == 0)}: "
                "no finite offset reaches it."
            )
        return prior

    def _fit(self, logits: Tensor, weight: Tensor, prior: Tensor, *, transductive: bool) -> None:
        used = weight > 0
        if not used.all():
            logits, weight = logits[used], weight[used]
        self._keep(self._unscaled_offset(logits, weight, prior), transductive=transductive)

    def _keep(self, offset: Tensor, *, transductive: bool) -> None:
        self._mass = None
        self._remember(scaled(offset, self.tau))
        self.transductive_ = transductive

    def _unscaled_offset(self, logits: Tensor, weight: Tensor, prior: Tensor) -> Tensor:
        if self.converge:
            return fixed_point_offsets(lambda: _blocks(logits, weight), prior[None])[0]
        mass = PredictedMass(1, prior.numel())
        mass.add(logits, weight=weight)
        return prior.log() - mass.log_mean(torch.ones(1, dtype=torch.float64))

    def _class_weight(self, counts: Tensor, prior: Tensor) -> Tensor:
        missing = (counts == 0) & (prior > 0)
        if missing.any():
            raise ValueError(
                f"`target` must hold a sample of every class whose target prior is above 0. Got none of "
                f"{describe_classes(missing)}. Without labels, `fit_transductive` needs none."
            )
        return prior / counts.clamp(min=1)

    def _continued_mass(self, num_classes: int, *, labelled: bool) -> PredictedMass:
        mass = self._mass
        if mass is None:
            if self._offset is not None:
                raise ValueError(
                    "`partial_fit` must continue a `partial_fit`. Got one after `fit` or `load`: start again."
                )
            return PredictedMass(num_classes if labelled else 1, num_classes)
        if mass.scaled.shape[1] != num_classes:
            raise ValueError(f"`logits` must have {mass.scaled.shape[1]} classes, as before. Got {num_classes}.")
        if labelled == self.transductive_:
            raise ValueError("`target` must be given for all chunks or for none.")
        return mass

    def _finish(self, mass: PredictedMass) -> None:
        """What the chunks so far amount to, with the parameters of the last one."""
        prior = as_prior("target_prior", self._fitted_params["target_prior"], mass.scaled.shape[1])
        weight = 1 / mass.samples.double() if self.transductive_ else self._class_weight(mass.samples, prior)
        self._offset = scaled(prior.log() - mass.log_mean(weight), self._fitted_params["tau"])

    def _evidence(self) -> dict[str, Any]:
        return {"transductive": self.transductive_}

    def _restore(self, content: dict[str, Any]) -> None:
        if not isinstance(content.get("transductive"), bool):
            raise ValueError(f"`path` must say whether the fit was transductive. Got {content.get('transductive')!r}.")
        self.transductive_ = content["transductive"]


def _check_same(first: dict[str, Any], second: dict[str, Any]) -> None:
    for name, value in first.items():
        if not np.array_equal(np.asarray(value), np.asarray(second[name])):
            raise ValueError(f"`other` must have the same `{name}`, {value}. Got {second[name]}.")


def _blocks(logits: Tensor, weight: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    for part in row_blocks(*logits.shape):
        yield logits[part].to("cpu", torch.float64), weight[part, None]
