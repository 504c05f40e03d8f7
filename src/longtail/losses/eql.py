"""EQL (Tan et al., "Equalization Loss for Long-Tailed Object Recognition", CVPR 2020), the softmax form.

    L = −log( e^{z_k} / Σ_j w_j e^{z_j} ),   w_j = 1 − β_j [n_j / N < λ] (1 − [j = k]),   β_j ~ Bernoulli(γ)

drawn for each sample and class: most of the time a rare class is left out of the softmax of samples of other classes,
so that it is not pushed down by them. With probabilities as targets a class is left out only where its t_j is 0. Label
smoothing gives nothing to a class that has been left out.
"""

from typing import Unpack

import torch
from torch import Tensor
from torch.nn import functional as F

from longtail.arguments import check_fraction
from longtail.losses.contract import CrossEntropyArguments, LongTailedLoss
from longtail.losses.cross_entropy import cross_entropy_from_log_probs
from longtail.losses.fused import fuses_draws, random_mask
from longtail.losses.inputs import along_classes, check_arguments, check_draw, checked_target, class_dimension
from longtail.losses.margins import Margins
from longtail.losses.shifts import ClassCounts, counts_of

NOTHING = -1e30  # e^{NOTHING} is 0; with −∞ itself a target probability of 0 would give NaN


def eql_loss(
    logits: Tensor,
    target: Tensor,
    class_counts: ClassCounts,
    left_out: Tensor,
    *,
    threshold: float = 5e-3,
    weight: Tensor | None = None,
    ignore_index: int = -100,
    label_smoothing: float = 0.0,
) -> Tensor:
    """The equalisation loss for a given draw: pure, one loss per sample.

    Args:
        logits: (N, C), (N, C, d1, …) or (C,).
        target: class indices, or probabilities of the shape of the logits.
        class_counts: (C,) training samples of each class, ≥ 0.
        left_out: β as booleans, of the shape of the logits; has effect on classes below the threshold only.
        threshold: λ in [0, 1], share of the training set below which a class is rare.
        weight: (C,) class weights.
        ignore_index: index targets of this value give 0.
        label_smoothing: in [0, 1].

    Returns:
        The shape of the logits without C.

    Raises:
        ValueError, TypeError: a shape, dtype, count or setting outside what is written above.

    Example:
        >>> import torch
        >>> left_out = torch.ones(2, 3, dtype=torch.bool)
        >>> eql_loss(torch.zeros(2, 3), torch.tensor([0, 2]), [900, 99, 1], left_out)  # of 2 classes, of 3 classes
        tensor([0.6931, 1.0986])

    Source: the softmax form of the paper, section 3.
    """
    check_fraction("threshold", threshold)
    rare = _shares(class_counts) < threshold
    num_classes = rare.numel()
    check_arguments(num_classes, weight, ignore_index, label_smoothing)
    target = checked_target(logits, target, num_classes, ignore_index)
    check_draw("left_out", left_out, logits, torch.bool)
    adjusted = logits + _shift(logits, target, left_out, rare.to(logits.device))
    log_probs = _of_those_present(F.log_softmax(adjusted, class_dimension(logits)))
    return cross_entropy_from_log_probs(log_probs, target, weight, ignore_index, "none", label_smoothing)


class EQLLoss(LongTailedLoss):
    """The equalisation loss in the place of `nn.CrossEntropyLoss`.

    Args:
        class_counts: (C,) training samples of each class, as `longtail.data.class_counts` returns them.
        weight: (C,) class weights, as in `nn.CrossEntropyLoss`.
        threshold: λ in [0, 1], share of the training set below which a class is rare; 0 is cross-entropy.
        probability: γ in [0, 1] with which a rare class is left out; 0 is cross-entropy.
        **arguments: those of `nn.CrossEntropyLoss` (`ignore_index`, `reduction`, `label_smoothing`), `validate` and
            `margins_without_grad`, as in `LongTailedLoss`.

    The draws come from PyTorch's global generator of the device of the logits.

    Shape:
        logits (N, C), (N, C, d1, …) or (C,); target as class indices (integers) without C, or as probabilities with it.

    Raises:
        ValueError, TypeError: a count, setting, shape or dtype outside what is written above.
        IndexError: a class index outside [0, C).

    Example:
        >>> import torch
        >>> EQLLoss([900, 99, 1], probability=1.0)(torch.zeros(1, 3), torch.tensor([0]))
        tensor(0.6931)

    Source: Tan et al., CVPR 2020; the defaults are those that the GALA authors' code compares with.
    """

    rare: Tensor

    def __init__(
        self,
        class_counts: ClassCounts,
        weight: Tensor | None = None,
        *,
        threshold: float = 5e-3,
        probability: float = 0.9,
        **arguments: Unpack[CrossEntropyArguments],
    ) -> None:
        check_fraction("probability", probability)
        check_fraction("threshold", threshold)
        shares = _shares(class_counts)
        rare = shares < threshold
        super().__init__(rare.numel(), weight, **arguments)
        self.threshold = threshold
        self.probability = probability
        self.active = bool(probability and rare.any())
        self.smallest_share = float(shares.min())
        self.register_buffer("rare", rare.float())  # a number, since averages of models do not take booleans

    def draw(self, logits: Tensor) -> Tensor:
        """β, of the shape of the logits: zeros and ones of the compiled kernel (uint8), else booleans."""
        if fuses_draws(self.fused, logits):
            return random_mask(logits, self.probability)
        return torch.rand_like(logits, dtype=torch.float32) < self.probability

    def adjust(self, logits: Tensor, target: Tensor) -> Tensor:
        """Z + log w."""
        return self._drawn(logits, target).applied(logits, target)

    def margins_for(self, logits: Tensor, target: Tensor) -> Margins | None:
        """Log w; `None` with label smoothing, which gives nothing to a class that has been left out."""
        return None if self.label_smoothing else self._drawn(logits, target)

    def _drawn(self, logits: Tensor, target: Tensor) -> Margins:
        return Margins(each=_shift(logits, target, self.draw(logits), self.rare)) if self.active else Margins()

    def combine(self, log_probs: Tensor, target: Tensor) -> Tensor:
        """Cross-entropy over the classes that are present."""
        return super().combine(_of_those_present(log_probs) if self.label_smoothing else log_probs, target)

    def notes(self) -> list[str]:
        """That no class is rare, if the settings ask for some."""
        if self.active or not (self.threshold and self.probability):
            return []
        return [
            "EQL is cross-entropy here: no class has a share of the training samples below `threshold`, "
            f"{self.threshold:g}; the rarest has {self.smallest_share:.2g}. Pass a higher `threshold` to leave some out"
        ]

    def extra_repr(self) -> str:
        """The arguments that `print` shows."""
        return f"{super().extra_repr()}, threshold={self.threshold}, probability={self.probability}"


def _shares(class_counts: ClassCounts) -> Tensor:
    counts = counts_of(class_counts)
    return counts / counts.sum()


def _shift(logits: Tensor, target: Tensor, left_out: Tensor, rare: Tensor) -> Tensor:
    """Log w, in float32 at least."""
    dim = class_dimension(logits)
    dtype = torch.promote_types(logits.dtype, torch.float32)
    # A product and a sum are vector instructions; a fill where a random mask is true mispredicts branches.
    shift = left_out.to(torch.uint8) * along_classes(rare.to(dtype) * NOTHING, logits)
    if target.is_floating_point():
        return shift * (target == 0)
    return shift.scatter_(dim, target.clamp(0, logits.shape[dim] - 1).unsqueeze(dim), 0)


def _of_those_present(log_probs: Tensor) -> Tensor:
    """Zero for a class that was left out: its term is multiplied by a target of 0, or of the smoothing alone.

    A class whose logit was −∞ from the start has not been left out.
    """
    return log_probs.masked_fill((log_probs < NOTHING / 2) & (log_probs != -torch.inf), 0)
