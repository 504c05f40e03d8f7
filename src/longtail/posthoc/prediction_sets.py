"""Conformal prediction sets for long-tailed classes (Ding, Fermanian and Salmon, ICLR 2026; arXiv 2507.06867).

With p(y|x) the softmax of the logits, class y is in the set of a sample x if its adjusted probability f_y p(y|x) is at
least t_y. The factors f determine which coverage is optimised (`longtail.posthoc.conformal_scores`). The thresholds t
come from held-out samples (`longtail.posthoc.conformal`): one for all classes, one for each class, or τ times the
second plus 1 − τ times the first (INTERP-Q). The paper's score is −f p, and a class is in a set if its score is at most
the threshold; the sets are the same. A class with too few samples has an infinite class-wise threshold. The paper's
code replaces it by the largest possible score, that of probability 0; here that is t_y = 0.

The definitions were checked against the authors' code (github.com/tiffanyding/long-tail-conformal). Their fuzzy
class-wise method is not here.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, Self

import numpy as np
import torch
from torch import Tensor

from longtail.arguments import check_choice, check_flag, check_fraction
from longtail.posthoc.blocks import row_blocks
from longtail.posthoc.conformal import check_miscoverage, fewest_samples, interpolated_thresholds
from longtail.posthoc.conformal_scores import Values, check_score, score_factors
from longtail.posthoc.inputs import Array, as_labels, as_logits, as_sample_logits, like
from longtail.posthoc.parameters import Parameters
from longtail.posthoc.saved import made_of, numbers, read_saved, write_saved

FORMAT = "longtail.prediction-sets"
VERSION = 1
MOST = 2.0**53  # from here on a float does not tell whole numbers apart
THRESHOLDS = {"marginal": 0.0, "classwise": 1.0}


class _Fitted(NamedTuple):
    """What `fit` learns, (C,) each, and the parameters that it had."""

    factors: np.ndarray
    thresholds: np.ndarray
    samples: np.ndarray
    parameters: dict[str, Any]


@dataclass(eq=False)
class PredictionSets(Parameters):
    """Prediction sets: classes that contain the true class of a sample with a probability of 1 − `miscoverage`.

    Args:
        miscoverage: α, between 0 and 1: the share of samples whose set may miss the true class.
        score: "prevalence-adjusted" divides probabilities by the class frequencies of training, so that rare classes
            enter sets; "softmax" does not. Use "softmax" for logits that are re-balanced already.
        thresholds: "marginal", one for all classes; "classwise", one for each class; or τ from 0 to 1 to interpolate.
        class_counts: (C,) **training** samples of each class, for "prevalence-adjusted"; a class without any counts as
            ½. "calibration" counts the labels that `fit` gets in their place.
        class_weight: (C,) weights above 0: classes of larger weight have a higher coverage ("prevalence-adjusted").
        never_empty: put the class with the largest adjusted probability into every set. No set is empty then, and
            coverage is a little higher than asked for.

    Attributes:
        factors_: (C,) float64; probabilities are multiplied by these. Only their ratios matter.
        thresholds_: (C,) float64; a class is in a set if its adjusted probability is at least its threshold. 0: the
            class is in every set, since `fit` had too few of its samples.
        samples_: (C,) int64, the samples of each class that `fit` had.

    **What is guaranteed**, if the samples of `fit` and new ones are exchangeable and the model, offsets and counts do
    not come from the samples of `fit`: "marginal" misses at most α of all samples, "classwise" at most α of each
    class, τ in between at most 2 α of all samples, in each case on average over sets of samples to fit on. With
    "calibration" this is approximate. Macro-coverage is optimised, but not guaranteed.

    Inputs are logits, numpy or torch; −inf masks a class, which is then in no set. For probabilities p pass log p.

    Example:
        >>> import numpy as np
        >>> rng = np.random.default_rng(0)
        >>> target = rng.choice(3, size=500, p=[0.8, 0.15, 0.05])
        >>> logits = rng.normal(size=(500, 3)) + 2 * np.eye(3)[target] + np.log([0.8, 0.15, 0.05])
        >>> new = np.array([[3.0, 0.0, 1.0], [0.0, 2.0, 0.0]])
        >>> PredictionSets(score="softmax").fit(logits, target).predict_lists(new, ["cat", "dog", "lynx"])
        [['cat'], ['dog']]
        >>> sets = PredictionSets(class_counts=[800, 150, 50]).fit(logits, target)
        >>> sets.predict_lists(new, class_names=["cat", "dog", "lynx"])
        [['lynx', 'cat'], ['dog', 'lynx']]
        >>> sets.predict_sets(new)
        array([[ True, False,  True],
               [False,  True,  True]])

    Source: Ding, Fermanian and Salmon, "Conformal Prediction for Long-Tailed Classification", ICLR 2026. `never_empty`,
    and counting classes without a sample as ½, are ours.
    """

    miscoverage: float = 0.1
    score: str = "prevalence-adjusted"
    thresholds: str | float = "marginal"
    class_counts: Values | str | None = None
    class_weight: Values | None = None
    never_empty: bool = True
    _fitted: _Fitted | None = field(default=None, init=False, repr=False)

    def fit(self, logits: np.ndarray | Tensor, target: np.ndarray | Tensor | list[int]) -> Self:
        """Find the thresholds on labelled samples that the model was not trained on.

        Args:
            logits: (N, C), finite, or −inf for masked classes.
            target: (N,) class indices. Classes may be absent; N is at least ⌈1/α⌉ − 1, unless thresholds are
                "classwise": a class with fewer samples is then in every set.

        Raises:
            ValueError: parameters, logits or labels that do not fit; too few samples; a sample whose own class is
                masked.
            TypeError: parameters, logits or labels of another kind.
        """
        checked, labels = self._checked(logits, target)
        num_classes = checked.shape[1]
        tau = self._check_parameters(num_classes)
        if tau < 1 and len(labels) < fewest_samples(self.miscoverage):
            raise ValueError(
                f"`logits` must hold at least {fewest_samples(self.miscoverage)} samples for a `miscoverage` of "
                f"{self.miscoverage}. Got {len(labels)}. With fewer samples, choose a larger `miscoverage`."
            )
        samples = torch.bincount(labels, minlength=num_classes)
        factors = score_factors(self.score, self.class_counts, self.class_weight, samples)
        values = factors[labels] * _own_probabilities(checked, labels)
        thresholds = interpolated_thresholds(values, labels, num_classes, self.miscoverage, tau)
        self._remember(factors.numpy(), thresholds.numpy(), samples.numpy())
        return self

    @property
    def factors_(self) -> np.ndarray:
        """(C,) float64, read-only: what the probabilities of the classes are multiplied by."""
        return self._learnt().factors

    @property
    def thresholds_(self) -> np.ndarray:
        """(C,) float64, read-only: the smallest adjusted probability with which a class is in a set."""
        return self._learnt().thresholds

    @property
    def samples_(self) -> np.ndarray:
        """(C,) int64, read-only: the samples of each class that `fit` had."""
        return self._learnt().samples

    def predict_sets(self, logits: Array) -> Array:
        """Which classes are in the set of each sample.

        Args:
            logits: (N, C), or (C,) for one sample; finite, or −inf for masked classes, which are in no set.

        Returns:
            Booleans of the same kind and shape.

        Raises:
            ValueError: logits that are NaN or +inf, −inf for all classes of a sample, or of another number of classes.
        """
        checked = as_logits(logits, num_classes=self.factors_.size, masked=True)
        rows = checked.reshape(-1, checked.shape[-1])
        inside = torch.empty(rows.shape, dtype=torch.bool, device=rows.device)
        for block in row_blocks(*rows.shape):
            inside[block] = self._sets(rows[block])[0]
        return like(logits, inside.view(checked.shape))

    def predict_lists(self, logits: np.ndarray | Tensor, class_names: Sequence[str] | None = None) -> list[Any]:
        """The classes in the set of each sample as a list, the largest adjusted probability first.

        Args:
            logits: as for `predict_sets`.
            class_names: (C,) names in the order of the columns; without them lists hold class indices.

        Returns:
            A list for each sample, or the list of one sample (C,).

        Raises:
            ValueError: as `predict_sets`; another number of names, or two that are equal.
            TypeError: as `predict_sets`; names in no order, such as a mapping or a set.
        """
        names = None if class_names is None else _as_names(class_names, self.factors_.size)
        checked = as_logits(logits, num_classes=self.factors_.size, masked=True)
        rows = checked.reshape(-1, checked.shape[-1])
        found: list[list[Any]] = []
        for block in row_blocks(*rows.shape):
            inside, adjusted = self._sets(rows[block])
            order = adjusted.argsort(dim=1, descending=True, stable=True)
            found += [own[is_in[own]].tolist() for own, is_in in zip(order, inside, strict=True)]
        if names is not None:
            found = [[names[index] for index in own] for own in found]
        return found if checked.dim() == 2 else found[0]

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write parameters, factors and thresholds as JSON; the file is written atomically.

        Raises:
            AttributeError: not fitted.
            OSError: the file can't be written.
        """
        factors, thresholds, samples, parameters = self._learnt()
        content = {
            "format": FORMAT,
            "version": VERSION,
            "parameters": parameters,
            "num_classes": factors.size,
            "samples": samples,
            "factors": factors,
            "thresholds": thresholds,
        }
        return write_saved(path, content)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """Read what `save` wrote. Nothing in the file is executed.

        Raises:
            FileNotFoundError: no such file.
            ValueError, TypeError: not such a file, of another version, or damaged.
        """
        path = Path(path)
        content = read_saved(path, FORMAT, VERSION)
        parameters, num_classes = content.get("parameters"), content.get("num_classes")
        if not isinstance(parameters, dict) or type(num_classes) is not int or num_classes < 2:
            raise ValueError(f"`path` must name a complete file. Got {path}, which lacks fields.")
        loaded = made_of(parameters, cls, path)
        loaded._check_parameters(num_classes)
        factors, thresholds, samples = (
            numbers(content, name, num_classes, path) for name in ("factors", "thresholds", "samples")
        )
        if not (factors > 0).all() or not (thresholds >= 0).all():
            raise ValueError(f"`path` must hold factors above 0 and thresholds of at least 0. Got others in {path}.")
        if not ((samples >= 0) & (samples < MOST) & (samples % 1 == 0)).all():
            raise ValueError(f"`path` must hold a number of samples for each class. Got something else in {path}.")
        loaded._remember(factors, thresholds, samples.astype(np.int64))
        return loaded

    def _checked(self, logits: np.ndarray | Tensor, target: np.ndarray | Tensor | list[int]) -> tuple[Tensor, Tensor]:
        checked = as_sample_logits(logits, masked=True)
        labels = as_labels(target, *checked.shape)
        own = checked.gather(1, labels.to(checked.device)[:, None])[:, 0]
        if (own == -torch.inf).any():
            row = int((own == -torch.inf).nonzero()[0])
            raise ValueError(
                f"`logits` must be above -inf for the own class of each sample. Got -inf for class {int(labels[row])} "
                f"in row {row}. Drop the sample, or do not mask its class. Logarithms of probabilities that are 0? "
                "Clip those to a small number first."
            )
        return checked, labels

    def _check_parameters(self, num_classes: int) -> float:
        """Raise if the parameters do not fit; returns τ."""
        check_miscoverage("miscoverage", self.miscoverage)
        check_flag("never_empty", self.never_empty)
        check_score(self.score, self.class_counts, self.class_weight, num_classes)
        if isinstance(self.thresholds, str):
            check_choice("thresholds", self.thresholds, list(THRESHOLDS))
            return THRESHOLDS[self.thresholds]
        check_fraction("thresholds", self.thresholds)
        return float(self.thresholds)

    def _sets(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Which classes are in the sets of rows (n, C), and their adjusted probabilities."""
        factors, thresholds, _, parameters = self._learnt()
        adjusted = rows.double().softmax(1) * torch.tensor(factors, device=rows.device)
        inside = (adjusted >= torch.tensor(thresholds, device=rows.device)) & (rows > -torch.inf)
        if parameters["never_empty"]:
            inside.scatter_(1, adjusted.argmax(1, keepdim=True), True)  # never masked: that would have probability 0
        return inside, adjusted

    def _remember(self, factors: np.ndarray, thresholds: np.ndarray, samples: np.ndarray) -> None:
        for array in (factors, thresholds, samples):
            array.setflags(write=False)
        self._fitted = _Fitted(factors, thresholds, samples, self.copied_params())

    def _learnt(self) -> _Fitted:
        if self._fitted is None:
            raise AttributeError(f"This {type(self).__name__} is not fitted yet: call `fit` first.")
        return self._fitted


def _as_names(class_names: Sequence[str], num_classes: int) -> list[str]:
    if isinstance(class_names, (str, bytes, Mapping, set, frozenset)) or not hasattr(class_names, "__len__"):
        kind = type(class_names).__name__
        raise TypeError(f"`class_names` must be a list of names in the order of the columns. Got {kind}.")
    names = list(class_names)
    if len(names) != num_classes:
        raise ValueError(f"`class_names` must hold {num_classes} names, one of each class. Got {len(names)}.")
    if len(set(names)) < num_classes:
        repeated = next(name for place, name in enumerate(names) if name in names[:place])
        raise ValueError(f"`class_names` must differ from each other. Got {repeated!r} twice.")
    return names


def _own_probabilities(logits: Tensor, labels: Tensor) -> Tensor:
    """The probability of each sample's own class, (N,) float64 on the CPU."""
    own = torch.empty(len(labels), dtype=torch.float64)
    for block in row_blocks(*logits.shape):
        rows = logits[block]
        own[block] = rows.double().softmax(1).gather(1, labels[block, None].to(rows.device))[:, 0].cpu()
    return own
