r"""GALA: Gradient-Aware Logit Adjustment (Zhang et al., ICASSP 2024, arXiv 2403.09036).

θ_j accumulates the positive gradient that classifier j has received from samples of its own class, φ_k the negative
gradient that samples of class k have caused on all other classifiers. For a sample of class k, with a and b the
logarithms of θ and φ over their means, the adjusted logits are

    released   z̃_j = z_j + λ1 log(θ_j + ε) − λ2 log(φ_k + ε)   for every j
    paper      z̃_j = z_j + λ1 a_j   for j ≠ k,     z̃_k = z_k + λ2 b_k

and the loss is −log softmax(z̃)_k. With p̃ = softmax(z̃) the gradients need no backward pass: a sample of class k adds
1 − p̃_k = 1 − e^{−loss} to θ_k, and as much to φ_k.

Where we differ from the authors. Their released code adds the λ2 term to the whole row, where softmax cancels it: that
form does without it here. Their printed formula lacks the means; when λ1 ≠ λ2 it then depends on how large θ has grown,
and dividing by the mean removes that. Their sums are divided by the batch size (64), ours are sums over samples, so
that batch size, micro-batches and ranks do not matter; their ε = 1e-3 becomes 0.064.
"""

import warnings
from typing import Unpack

import torch
from torch import Tensor

from longtail.arguments import check_choice, check_fraction, check_size, check_strength
from longtail.losses.fused import Received
from longtail.losses.gala_margins import PAPER_LAMBDA_NEGATIVE, adjust_logits, margins_of
from longtail.losses.inputs import as_statistics
from longtail.losses.loss_with_memory import LossWithMemory, MemoryArguments
from longtail.losses.margins import Margins
from longtail.losses.received_gradients import count_samples, received_gradients
from longtail.losses.shifts import class_indices, cross_entropy_of

FORMS = ("released", "paper")
ACCUMULATIONS = ("sum", "released", "ema")


def gala_loss(
    logits: Tensor,
    target: Tensor,
    theta: Tensor,
    phi: Tensor,
    *,
    lambda_positive: float = 1.2,
    lambda_negative: float | None = None,
    form: str = "released",
    eps: float = 0.064,
    weight: Tensor | None = None,
    ignore_index: int = -100,
    label_smoothing: float = 0.0,
) -> Tensor:
    """GALA for given statistics: pure, one loss per sample.

    Args:
        logits: (N, C), (N, C, d1, …) or (C,).
        target: class indices, or probabilities of the shape of the logits. Margins follow the target as given;
            weights and smoothing act on the cross-entropy alone.
        theta: (C,) accumulated positive gradient, ≥ 0. A constant: no gradient flows through it.
        phi: (C,) accumulated negative gradient, ≥ 0. A constant.
        lambda_positive: λ1 ≥ 0.
        lambda_negative: λ2 ≥ 0; `None` is 0.9 in the paper form. The released form ignores it.
        form: "released" or "paper", see the module.
        eps: ε > 0, added to θ and φ before the logarithm.
        weight: (C,) class weights.
        ignore_index: index targets of this value give 0.
        label_smoothing: in [0, 1].

    Returns:
        The shape of the logits without C.

    Raises:
        ValueError: a shape or setting is outside what is written above.
        TypeError: a dtype does not fit.

    Example:
        >>> import torch
        >>> logits, target = torch.zeros(2, 3), torch.tensor([0, 2])
        >>> theta = torch.tensor([4.0, 2.0, 1.0])  # class 0 has been trained most, class 2 least
        >>> gala_loss(logits, target, theta, theta)  # so the rare class pays more for the same logits
        tensor([0.4970, 2.1052])

    Source: the equations of the module's docstring; section 2.2 of the paper.
    """
    adjusted = gala_logits(
        logits,
        target,
        theta,
        phi,
        lambda_positive=lambda_positive,
        lambda_negative=lambda_negative,
        form=form,
        eps=eps,
    )
    return cross_entropy_of(adjusted, logits, target, weight, ignore_index, label_smoothing)


def gala_logits(
    logits: Tensor,
    target: Tensor,
    theta: Tensor,
    phi: Tensor,
    *,
    lambda_positive: float = 1.2,
    lambda_negative: float | None = None,
    form: str = "released",
    eps: float = 0.064,
) -> Tensor:
    """Adjusted logits of GALA for given statistics: their cross-entropy with the target is `gala_loss`.

    `F.cross_entropy(adjusted, target, …)` then has every argument of PyTorch. An ignored target may have any value; its
    row has no meaning. Arguments and errors as those of `gala_loss`.

    Returns:
        The shape of the logits, in float32 at least; the same object as the logits where both strengths are 0.

    Example:
        >>> import torch
        >>> from torch.nn import functional as F
        >>> logits, target = torch.zeros(2, 3), torch.tensor([0, 2])
        >>> theta = torch.tensor([4.0, 2.0, 1.0])
        >>> F.cross_entropy(gala_logits(logits, target, theta, theta), target, reduction="none")
        tensor([0.4970, 2.1052])
    """
    theta, phi = as_statistics(theta=theta, phi=phi)
    _check_settings(lambda_positive, lambda_negative, form, eps)
    target = class_indices(logits, target, theta.numel())
    return adjust_logits(logits, target, theta, phi, lambda_positive, lambda_negative, form, eps)


class GALALoss(LossWithMemory):
    r"""GALA as a drop-in for `nn.CrossEntropyLoss`: no class counts needed, the tail is learnt from the gradients.

    In training, with gradients on, each forward pass first uses the statistics θ and φ, then adds its own samples to
    them; they are summed over the ranks of `torch.distributed`, which must then call the loss equally often. With
    gradient accumulation, call it on all parts of a batch within `with criterion.one_step():`. In `eval()` or under
    `no_grad` it is plain cross-entropy on raw logits and does not update the statistics. Strength 0 is
    `F.cross_entropy` itself (the statistics go on). For mixup pass soft targets: two calls, one per label, would count
    every sample twice. The formulas: `help(longtail.losses.gala)`.

    Args:
        num_classes: C, at least 2.
        weight: (C,) class weights, as in `nn.CrossEntropyLoss`.
        lambda_positive: λ1 ≥ 0, the strength of the margins from θ.
        lambda_negative: λ2 ≥ 0, the strength of the margins from φ in the paper form (`None`: 0.9). The released form
            does not use it: a row constant, which softmax cancels.
        form: "released", what the authors' code computes (logit adjustment by a learned prior), or "paper", the formula
            they print, made independent of the scale of θ.
        accumulate: "sum" over all samples so far; "released", the double sum of the authors' code, in which early steps
            weigh most (a step is a forward pass, or all passes of `one_step`); "ema", a sum in which a step counts
            `ema_decay` times the next (once the training set is fitted, a short memory forgets the tail).
        ema_decay: in [0, 1]; 1 is the plain sum, 0.999 remembers about 1,000 steps.
        eps: ε > 0, in units of samples.
        **arguments: those of `nn.CrossEntropyLoss` (`ignore_index`, `reduction`, `label_smoothing`), `validate`,
            `margins_without_grad` and `process_group`, as in `LossWithMemory`. `label_smoothing` smooths the
            cross-entropy, not the statistics.

    Shape:
        logits (N, C), (N, C, d1, …) or (C,); target as class indices (integers) without C, or as probabilities with it.
        Buffers `theta`, `phi`: (C,) float32; with `accumulate="released"` also `theta_inner`, `phi_inner`.

    Raises:
        ValueError, TypeError: a setting, shape or dtype outside what is written above.
        IndexError: a class index outside [0, C).

    Example:
        >>> import torch
        >>> from torch.nn import functional as F
        >>> criterion = GALALoss(num_classes=3)
        >>> logits = torch.tensor([[2.0, 0.0, 0.0], [1.0, 1.0, 0.0]], requires_grad=True)
        >>> criterion(logits, torch.tensor([0, 0])).backward()  # the first step is cross-entropy
        >>> criterion.theta
        tensor([0.7907, 0.0000, 0.0000])
        >>> criterion(logits, torch.tensor([0, 2])).item() > F.cross_entropy(logits, torch.tensor([0, 2])).item()
        True

    Source: Zhang et al., "Gradient-Aware Logit Adjustment Loss for Long-tailed Classifier", ICASSP 2024.
    """

    theta: Tensor
    phi: Tensor
    theta_inner: Tensor
    phi_inner: Tensor

    def __init__(
        self,
        num_classes: int,
        weight: Tensor | None = None,
        *,
        lambda_positive: float = 1.2,
        lambda_negative: float | None = None,
        form: str = "released",
        accumulate: str = "sum",
        ema_decay: float = 0.999,
        eps: float = 0.064,
        **arguments: Unpack[MemoryArguments],
    ) -> None:
        _check_settings(lambda_positive, lambda_negative, form, eps)
        check_choice("accumulate", accumulate, ACCUMULATIONS)
        check_fraction("ema_decay", ema_decay)
        if form == "released" and lambda_negative is not None:
            warnings.warn(
                '`lambda_negative` does nothing in the form "released": it is one constant per row, which softmax '
                'cancels. Leave it out, or choose form="paper".',
                stacklevel=2,
            )
        inner = ("theta_inner", "phi_inner") if accumulate == "released" else ()
        super().__init__(num_classes, weight, statistics=("theta", "phi", *inner), **arguments)
        self.lambda_positive = lambda_positive
        self.lambda_negative = lambda_negative
        self.form = form
        self.accumulate = accumulate
        self.ema_decay = ema_decay
        self.eps = eps

    def adjust(self, logits: Tensor, target: Tensor) -> Tensor:
        """The adjusted logits z̃ for the statistics so far."""
        return adjust_logits(
            logits, target, self.theta, self.phi, self.lambda_positive, self.lambda_negative, self.form, self.eps
        )

    def margins(self) -> Margins:
        """Those of `adjust`."""
        return margins_of(self.theta, self.phi, self.lambda_positive, self.lambda_negative, self.form, self.eps)

    def learn_received(self, received: Received) -> None:
        """Contribute the gradients of one batch."""
        sums: tuple[Tensor, ...] = (received.positive, received.negative)
        if self.accumulate != "sum":
            sums = (*sums, received.samples)
        self.contribute(*sums)

    def learn(self, log_probs: Tensor, target: Tensor) -> None:
        """Contribute the gradients of one batch."""
        received: tuple[Tensor, ...] = received_gradients(log_probs, target, self.ignore_index)
        if self.accumulate != "sum":
            received = (*received, count_samples(log_probs, target, self.ignore_index))
        self.contribute(*received)

    def update(self, *sums: Tensor) -> None:
        """Add the gradients of a step to θ and φ."""
        positive, negative = sums[:2]
        samples = sums[2] if len(sums) > 2 else None
        theta, phi = self.theta, self.phi
        if self.accumulate == "released" and samples is not None:
            stepped = samples > 0
            inner_theta, inner_phi = self.theta_inner + positive, self.phi_inner + negative
            self.remember(theta_inner=inner_theta, phi_inner=inner_phi)
            positive, negative = inner_theta * stepped, inner_phi * stepped
        elif self.accumulate == "ema" and samples is not None:
            kept = torch.where(samples > 0, self.ema_decay, 1.0)
            theta, phi = theta * kept, phi * kept
        self.remember(theta=theta + positive, phi=phi + negative)

    def extra_repr(self) -> str:
        """The arguments that `print` shows."""
        shown = f"{super().extra_repr()}, form={self.form!r}, lambda_positive={self.lambda_positive}"
        if self.form == "paper":
            negative = PAPER_LAMBDA_NEGATIVE if self.lambda_negative is None else self.lambda_negative
            shown += f", lambda_negative={negative}"
        return f"{shown}, accumulate={self.accumulate!r}, eps={self.eps}"


def _check_settings(lambda_positive: float, lambda_negative: float | None, form: str, eps: float) -> None:
    check_strength("lambda_positive", lambda_positive)
    if lambda_negative is not None:
        check_strength("lambda_negative", lambda_negative)
    check_choice("form", form, FORMS)
    check_size("eps", eps)
