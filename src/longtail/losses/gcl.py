"""GCL (Li et al., "Long-Tailed Visual Recognition via Gaussian Clouded Logit Adjustment", CVPR 2022).

    L = −log softmax(s (cos_j − a |ε_j| δ_j − m e_k))_k,   δ_j = (log n_max − log n_j) / max_i (log n_max − log n_i)

with ε ~ N(0, 1/3) drawn for each sample and class, clamped to [−1, 1]: the rarer a class, the larger the cloud around
its logits. It takes the logits of `longtail.models.CosineClassifier(scale=s)`, cosines times s, as they are. Stage 1 of
the paper has a = 0.5 and m = 0; its second stage re-trains the classifier. Equal counts have no cloud (0/0 is taken as
0). An empty class counts as ½.
"""

from typing import Unpack

import torch
from torch import Tensor

from longtail.arguments import check_size, check_strength
from longtail.losses.contract import CrossEntropyArguments, LongTailedLoss
from longtail.losses.fused import fuses_draws, random_half_normals
from longtail.losses.inputs import along_classes, check_draw
from longtail.losses.margins import Margins
from longtail.losses.shifts import ClassCounts, class_indices, counts_of, cross_entropy_of

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
    """GCL for a given draw: pure, one loss per sample.

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
    adjusted = gcl_logits(logits, target, class_counts, noise, cloud=cloud, margin=margin, scale=scale)
    return cross_entropy_of(adjusted, logits, target, weight, ignore_index, label_smoothing)


def gcl_logits(
    logits: Tensor,
    target: Tensor,
    class_counts: ClassCounts,
    noise: Tensor,
    *,
    cloud: float = 0.5,
    margin: float = 0.0,
    scale: float = 30.0,
) -> Tensor:
    """Adjusted logits of GCL for a given draw: their cross-entropy with the target is `gcl_loss`.

    `F.cross_entropy(adjusted, target, …)` then has every argument of PyTorch. An ignored target may have any value; its
    row has no meaning. Arguments and errors as those of `gcl_loss`.

    Returns:
        The shape of the logits, in float32 at least; the same object as the logits where `cloud` and `margin` are 0.

    Example:
        >>> import torch
        >>> gcl_logits(torch.zeros(1, 2), torch.tensor([1]), [100, 1], torch.tensor([[0.2, 0.4]]), scale=10.0)
        tensor([[ 0., -2.]])
    """
    _check(cloud, margin, scale)
    rarity = _rarity(class_counts)
    target = class_indices(logits, target, rarity.numel())
    check_draw("noise", noise, logits)
    if not (cloud or margin):
        return logits
    margins = _margins(logits, rarity.to(logits.device), noise, cloud, margin, scale)
    return margins.applied(logits, target)


class GCLLoss(LongTailedLoss):
    """GCL in the place of `nn.CrossEntropyLoss`, for a model whose head gives scaled cosines.

    Args:
        class_counts: (C,) training samples of each class, as `longtail.data.class_counts` returns them.
        weight: (C,) class weights, as in `nn.CrossEntropyLoss`.
        cloud: a ≥ 0, strength of the noise, in cosines.
        margin: m ≥ 0 at the target, in cosines. With both 0 it is cross-entropy.
        scale: s > 0 of the head.
        **arguments: those of `nn.CrossEntropyLoss` (`ignore_index`, `reduction`, `label_smoothing`), `validate` and
            `margins_without_grad`, as in `LongTailedLoss`.

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
        **arguments: Unpack[CrossEntropyArguments],
    ) -> None:
        _check(cloud, margin, scale)
        rarity = _rarity(class_counts)
        super().__init__(rarity.numel(), weight, **arguments)
        self.cloud = cloud
        self.margin = margin
        self.scale = scale
        self.register_buffer("rarity", rarity)

    def draw(self, logits: Tensor) -> Tensor:
        """|ε|, of the shape of the logits."""
        if fuses_draws(self.fused, logits):
            return random_half_normals(logits, STANDARD_DEVIATION)
        noise = torch.randn_like(logits, dtype=torch.promote_types(logits.dtype, torch.float32))
        return noise.mul_(STANDARD_DEVIATION).clamp_(-1, 1).abs_()

    def margins_for(self, logits: Tensor, target: Tensor) -> Margins:
        """−s (a |ε| δ + m at the target)."""
        if not (self.cloud or self.margin):
            return Margins()
        return _margins(logits, self.rarity, self.draw(logits), self.cloud, self.margin, self.scale)

    def extra_repr(self) -> str:
        """The arguments that `print` shows."""
        return f"{super().extra_repr()}, cloud={self.cloud}, margin={self.margin}, scale={self.scale}"


def _check(cloud: float, margin: float, scale: float) -> None:
    check_strength("cloud", cloud)
    check_strength("margin", margin)
    check_size("scale", scale)


def _rarity(class_counts: ClassCounts) -> Tensor:
    """δ."""
    log_counts = counts_of(class_counts).log()
    gap = log_counts.max() - log_counts
    return gap / gap.max() if gap.any() else gap


def _margins(logits: Tensor, rarity: Tensor, noise: Tensor, cloud: float, margin: float, scale: float) -> Margins:
    dtype = torch.promote_types(logits.dtype, torch.float32)
    each = along_classes(rarity.to(dtype) * (-scale * cloud), logits) * noise.to(dtype)
    return Margins(each=each, own=torch.full_like(rarity, -scale * margin) if margin else None)
