"""LDAM (Cao et al., "Learning Imbalanced Datasets with Label-Distribution-Aware Margin Loss", NeurIPS 2019).

    L = −log softmax(s (cos − m_k e_k))_k,   m_j = max_margin · n_j^{−1/4} / max_i n_i^{−1/4}

on the cosines of features and class vectors, scaled by s: the logits of `longtail.models.CosineClassifier(scale=s)`,
which this loss takes as they are, so that the margin in logits is s m_j. The paper's C / n_j^{1/4} leave C open; its
code sets the largest, the rarest class's, to 0.5. Equal counts get equal margins. An empty class counts as ½.
"""

from torch import Tensor

from longtail.arguments import check_positive, check_strength
from longtail.losses.contract import LongTailedLoss
from longtail.losses.shifts import ClassCounts, counts_of, cross_entropy_on, shifted_at_target


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
    """LDAM: pure, one loss a sample.

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
    shift = _margins(class_counts, max_margin, scale).to(logits.device)
    return cross_entropy_on(
        lambda z, y: shifted_at_target(z, y, shift) if max_margin else z,
        logits,
        target,
        shift.numel(),
        weight,
        ignore_index,
        label_smoothing,
    )


class LDAMLoss(LongTailedLoss):
    """LDAM in the place of `nn.CrossEntropyLoss`, for a model whose head gives scaled cosines.

    For its deferred re-weighting (LDAM-DRW) see `longtail.losses.DeferredReweighting`.

    Args:
        class_counts: (C,) training samples of each class, as `longtail.data.class_counts` returns them.
        weight: (C,) class weights, as in `nn.CrossEntropyLoss`; so are `ignore_index`, `reduction`, `label_smoothing`.
        max_margin: margin of the rarest class, in cosines, ≥ 0; 0 is cross-entropy.
        scale: s > 0 of the head.
        ignore_index: targets of this value count for nothing.
        reduction: "mean", "sum" or "none".
        label_smoothing: in [0, 1].
        validate: check values on every call; synchronises the device.
        margins_without_grad: in training mode, do not become plain cross-entropy without gradients (`torch.no_grad()`).

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
        ignore_index: int = -100,
        reduction: str = "mean",
        label_smoothing: float = 0.0,
        validate: bool = False,
        margins_without_grad: bool = False,
    ) -> None:
        shift = _margins(class_counts, max_margin, scale)
        super().__init__(
            shift.numel(),
            weight,
            ignore_index=ignore_index,
            reduction=reduction,
            label_smoothing=label_smoothing,
            validate=validate,
            margins_without_grad=margins_without_grad,
        )
        self.max_margin = max_margin
        self.scale = scale
        self.register_buffer("shift", shift)

    def adjust(self, logits: Tensor, target: Tensor) -> Tensor:
        """Z − s m at the target."""
        return shifted_at_target(logits, target, self.shift) if self.max_margin else logits

    def extra_repr(self) -> str:
        """The arguments that `print` shows."""
        return f"{super().extra_repr()}, max_margin={self.max_margin}, scale={self.scale}"


def _margins(class_counts: ClassCounts, max_margin: float, scale: float) -> Tensor:
    """−s m."""
    check_strength("max_margin", max_margin)
    check_positive("scale", scale)
    rarity = counts_of(class_counts) ** -0.25
    return -scale * max_margin * rarity / rarity.max()
