"""LDAM (Cao et al., "Learning Imbalanced Datasets with Label-Distribution-Aware Margin Loss", NeurIPS 2019).

    L = −log softmax(s (cos − m_k e_k))_k,   m_j = max_margin · n_j^{−1/4} / max_i n_i^{−1/4}

on the cosines of features and classifier weights, scaled by s: the logits of
`longtail.models.CosineClassifier(scale=s)`, which this loss takes as they are, so that the margin in logits is s m_j.
The paper's C / n_j^{1/4} leave C open; its code sets the largest, the rarest class's, to 0.5. Equal counts get equal
margins. An empty class counts as ½.
"""

from typing import Unpack

from torch import Tensor

from longtail.arguments import check_size, check_strength
from longtail.losses.contract import CrossEntropyArguments, LongTailedLoss
from longtail.losses.margins import Margins
from longtail.losses.shifts import ClassCounts, class_indices, counts_of, cross_entropy_of, shifted_at_target


def ldam_loss(
    logits: Tensor,
    target: Tensor,
    class_counts: ClassCounts,
    *,
    max_margin: float = 0.5,
    scale: float = 30.0,
    weight: Tensor | None = None,
    ignore_index: int = -100,
    label_smoothing: float = 0.0,
) -> Tensor:
    """LDAM: pure, one loss per sample.

    Args:
        logits: (N, C), (N, C, d1, …) or (C,), cosines times `scale`.
        target: class indices, or probabilities t of the shape of the logits; class j's margin then counts t_j.
        class_counts: (C,) training samples of each class, ≥ 0.
        max_margin: margin of the rarest class, in cosines; 0 is cross-entropy.
        scale: s > 0, what the head multiplied the cosines with.
        weight: (C,) class weights.
        ignore_index: index targets of this value give 0.
        label_smoothing: in [0, 1].

    Returns:
        The shape of the logits without C.

    Raises:
        ValueError, TypeError: a shape, dtype, count or setting outside what is written above.

    Example:
        >>> import torch
        >>> ldam_loss(torch.zeros(2, 2), torch.tensor([0, 1]), [16, 1], scale=4.0)
        tensor([1.3133, 2.1269])

    Source: the paper's label-distribution-aware margin loss, with the constants of its code.
    """
    adjusted = ldam_logits(logits, target, class_counts, max_margin=max_margin, scale=scale)
    return cross_entropy_of(adjusted, logits, target, weight, ignore_index, label_smoothing)


def ldam_logits(
    logits: Tensor,
    target: Tensor,
    class_counts: ClassCounts,
    *,
    max_margin: float = 0.5,
    scale: float = 30.0,
) -> Tensor:
    """Adjusted logits of LDAM: their cross-entropy with the target is `ldam_loss`.

    `F.cross_entropy(adjusted, target, …)` then has every argument of PyTorch. An ignored target may have any value; its
    row has no meaning. Arguments and errors as those of `ldam_loss`.

    Returns:
        The shape of the logits, in float32 at least; the same object as the logits where `max_margin` is 0.

    Example:
        >>> import torch
        >>> ldam_logits(torch.zeros(2, 2), torch.tensor([0, 1]), [16, 1], scale=4.0)
        tensor([[-1.,  0.],
                [ 0., -2.]])
    """
    shift = _margins(class_counts, max_margin, scale)
    target = class_indices(logits, target, shift.numel())
    return shifted_at_target(logits, target, shift.to(logits.device)) if max_margin else logits


class LDAMLoss(LongTailedLoss):
    """LDAM in the place of `nn.CrossEntropyLoss`, for a model whose head gives scaled cosines.

    For its deferred re-weighting (LDAM-DRW) see `longtail.losses.DeferredReweighting`.

    Args:
        class_counts: (C,) training samples of each class, as `longtail.data.class_counts` returns them.
        weight: (C,) class weights, as in `nn.CrossEntropyLoss`.
        max_margin: margin of the rarest class, in cosines, ≥ 0; 0 is cross-entropy.
        scale: s > 0 of the head.
        **arguments: those of `nn.CrossEntropyLoss` (`ignore_index`, `reduction`, `label_smoothing`), `validate` and
            `margins_without_grad`, as in `LongTailedLoss`.

    Shape:
        logits (N, C), (N, C, d1, …) or (C,); target as class indices (integers) without C, or as probabilities with it.

    Raises:
        ValueError, TypeError: a count, setting, shape or dtype outside what is written above.
        IndexError: a class index outside [0, C).

    Example:
        >>> import torch
        >>> LDAMLoss([16, 1], scale=4.0)(torch.zeros(2, 2), torch.tensor([0, 1]))
        tensor(1.7201)

    Source: Cao et al., NeurIPS 2019.
    """

    shift: Tensor

    def __init__(
        self,
        class_counts: ClassCounts,
        weight: Tensor | None = None,
        *,
        max_margin: float = 0.5,
        scale: float = 30.0,
        **arguments: Unpack[CrossEntropyArguments],
    ) -> None:
        shift = _margins(class_counts, max_margin, scale)
        super().__init__(shift.numel(), weight, **arguments)
        self.max_margin = max_margin
        self.scale = scale
        self.register_buffer("shift", shift)

    def margins(self) -> Margins:
        """−s m at the target."""
        return Margins(own=self.shift) if self.max_margin else Margins()

    def extra_repr(self) -> str:
        """The arguments that `print` shows."""
        return f"{super().extra_repr()}, max_margin={self.max_margin}, scale={self.scale}"


def _margins(class_counts: ClassCounts, max_margin: float, scale: float) -> Tensor:
    """−s m."""
    check_strength("max_margin", max_margin)
    check_size("scale", scale)
    rarity = counts_of(class_counts) ** -0.25
    return -scale * max_margin * rarity / rarity.max()
