"""GCL (Li et al., "Long-Tailed Visual Recognition via Gaussian Clouded Logit Adjustment", CVPR 2022).

    L = −log softmax(s (cos_j − a |ε_j| δ_j − m e_k))_k,   δ_j = (log n_max − log n_j) / max_i (log n_max − log n_i)

with ε ~ N(0, 1/3) drawn for each sample and class, clamped to [−1, 1]: the rarer a class, the larger the cloud around
its logits. It takes the logits of `longtail.models.CosineClassifier(scale=s)`, cosines times s, as they are. Stage 1 of
the paper has a = 0.5 and m = 0; its second stage re-trains the classifier. Equal counts have no cloud (0/0 is taken as
0). An empty class counts as ½.
"""

import torch
from torch import Tensor

from longtail.arguments import check_positive, check_strength
from longtail.losses.contract import LongTailedLoss
from longtail.losses.inputs import along_classes
from longtail.losses.shifts import ClassCounts, counts_of, cross_entropy_on, shifted_at_target

STANDARD_DEVIATION = 1 / 3


def gcl_loss(
    logits: Tensor,
    target: Tensor,
    class_counts: ClassCounts,
    noise: Tensor,
    *,
    cloud: float = 0.5,
    margin: float = 0.0,
    scale: float = 30.0,
    weight: Tensor | None = None,
    ignore_index: int = -100,
    label_smoothing: float = 0.0,
) -> Tensor:
    """GCL for a given draw: pure, one loss a sample.

    Args:
        logits: (N, C), (N, C, d1, …) or (C,), cosines times `scale`.
        target: class indices, or probabilities of the shape of the logits.
        class_counts: (C,) training samples of each class, ≥ 0.
        noise: |ε| in [0, 1], of the shape of the logits.
        cloud: a ≥ 0, strength of the noise, in cosines.
        margin: m ≥ 0 at the target, in cosines.
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
        >>> noise = torch.tensor([[0.2, 0.4]])
        >>> gcl_loss(torch.zeros(1, 2), torch.tensor([1]), [100, 1], noise, scale=10.0)  # as cosines 0 and −0.2
        tensor([2.1269])

    Source: the paper's equations for the clouded logit, and its code.
    """
    _check(cloud, margin, scale)
    if noise.shape != logits.shape:
        raise ValueError(f"`noise` must have the shape of the logits, {tuple(logits.shape)}. Got {tuple(noise.shape)}.")
    rarity = _rarity(class_counts).to(logits.device)
    return cross_entropy_on(
        lambda z, y: _clouded(z, y, rarity, noise, cloud, margin, scale),
        logits,
        target,
        rarity.numel(),
        weight,
        ignore_index,
        label_smoothing,
    )


class GCLLoss(LongTailedLoss):
    """GCL in the place of `nn.CrossEntropyLoss`, for a model whose head gives scaled cosines.

    Args:
        class_counts: (C,) training samples of each class, as `longtail.data.class_counts` returns them.
        weight: (C,) class weights, as in `nn.CrossEntropyLoss`; so are `ignore_index`, `reduction`, `label_smoothing`.
        cloud: a ≥ 0, strength of the noise, in cosines.
        margin: m ≥ 0 at the target, in cosines. With both 0 it is cross-entropy.
        scale: s > 0 of the head.
        ignore_index: targets of this value count for nothing.
        reduction: "mean", "sum" or "none".
        label_smoothing: in [0, 1].
        validate: check values on every call; synchronises the device.
        margins_without_grad: in training mode, do not become plain cross-entropy without gradients (`torch.no_grad()`).

    The noise comes from PyTorch's global generator of the device of the logits.

    Shape:
        logits (N, C), (N, C, d1, …) or (C,); target as class indices (integers) without C, or as probabilities with it.

    Raises:
        ValueError, TypeError: a count, setting, shape or dtype outside what is written above.
        IndexError: a class index outside [0, C).

    Example:
        >>> import torch
        >>> criterion = GCLLoss([100, 1], cloud=0.0, margin=0.1, scale=10.0)
        >>> criterion(torch.zeros(1, 2), torch.tensor([1]))
        tensor(1.3133)

    Source: Li et al., CVPR 2022.
    """

    rarity: Tensor

    def __init__(
        self,
        class_counts: ClassCounts,
        weight: Tensor | None = None,
        *,
        cloud: float = 0.5,
        margin: float = 0.0,
        scale: float = 30.0,
        ignore_index: int = -100,
        reduction: str = "mean",
        label_smoothing: float = 0.0,
        validate: bool = False,
        margins_without_grad: bool = False,
    ) -> None:
        _check(cloud, margin, scale)
        rarity = _rarity(class_counts)
        super().__init__(
            rarity.numel(),
            weight,
            ignore_index=ignore_index,
            reduction=reduction,
            label_smoothing=label_smoothing,
            validate=validate,
            margins_without_grad=margins_without_grad,
        )
        self.cloud = cloud
        self.margin = margin
        self.scale = scale
        self.register_buffer("rarity", rarity)

    def draw(self, logits: Tensor) -> Tensor:
        """|ε|, of the shape of the logits."""
        noise = torch.randn_like(logits, dtype=torch.promote_types(logits.dtype, torch.float32))
        return noise.mul_(STANDARD_DEVIATION).clamp_(-1, 1).abs_()

    def adjust(self, logits: Tensor, target: Tensor) -> Tensor:
        """Z − s (a |ε| δ + m at the target)."""
        if not (self.cloud or self.margin):
            return logits
        return _clouded(logits, target, self.rarity, self.draw(logits), self.cloud, self.margin, self.scale)

    def extra_repr(self) -> str:
        """The arguments that `print` shows."""
        return f"{super().extra_repr()}, cloud={self.cloud}, margin={self.margin}, scale={self.scale}"


def _check(cloud: float, margin: float, scale: float) -> None:
    check_strength("cloud", cloud)
    check_strength("margin", margin)
    check_positive("scale", scale)


def _rarity(class_counts: ClassCounts) -> Tensor:
    """δ."""
    log_counts = counts_of(class_counts).log()
    gap = log_counts.max() - log_counts
    return gap / gap.max() if gap.any() else gap


def _clouded(
    logits: Tensor, target: Tensor, rarity: Tensor, noise: Tensor, cloud: float, margin: float, scale: float
) -> Tensor:
    if not (cloud or margin):
        return logits
    dtype = torch.promote_types(logits.dtype, torch.float32)
    clouded = torch.addcmul(
        logits.to(dtype), noise.to(dtype), along_classes(rarity.to(dtype), logits), value=-scale * cloud
    )
    if not margin:
        return clouded
    return shifted_at_target(clouded, target, torch.full_like(rarity, -scale * margin))
