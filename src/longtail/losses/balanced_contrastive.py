"""Balanced contrastive learning (BCL): pulls together the views of a class, with all classes of equal influence.

Zhu et al., "Balanced Contrastive Learning for Long-Tailed Visual Recognition", CVPR 2022, Eq. 9 and 10. It is added to
a classification loss on another view of the same samples: to logit adjustment, with a weight of 0.35 in their code for
ImageNet-LT. Compared with supervised contrastive learning, the samples of a class share one term in the denominator
(class averaging), and each class has a learnt centre among the samples (class complement).
"""

import torch
from torch import Tensor

from longtail.arguments import check_size
from longtail.autocast import without_autocast
from longtail.losses.contrasted_views import check_vectors, labels_of_views


def balanced_contrastive_loss(
    projections: Tensor, target: Tensor, centres: Tensor, *, temperature: float = 0.07
) -> Tensor:
    r"""One loss for each view.

    With z the views and centres, s_{ik} = z_i · z_k / T, B_c the views of class c and its centre, and P_i the others of
    B_{y_i}: ℓ_i = mean over p ∈ P_i of log(Σ_c mean over k ∈ B_c, k ≠ i, of exp(s_{ik})) − s_{ip}.

    Args:
        projections: (N, D) of the views, of length 1; several views of a sample are rows like any others.
        target: (N,) class indices.
        centres: (C, D) of all classes, of length 1.
        temperature: T > 0.

    Returns:
        (N,) losses, in float32 at least.

    Raises:
        ValueError, TypeError: a shape, dtype or setting outside what is written above.

    Example:
        >>> projections = torch.nn.functional.normalize(torch.tensor([[1.0, 0.1], [1.0, -0.1], [0.0, 1.0]]), dim=1)
        >>> centres = torch.eye(2)
        >>> balanced_contrastive_loss(projections, torch.tensor([0, 0, 1]), centres, temperature=1.0)
        tensor([0.3446, 0.2906, 0.3141])

    Source: Zhu et al., CVPR 2022, Eq. 9 and 10, and their code, whose temperature for ImageNet-LT is 0.07.
    """
    check_size("temperature", temperature)
    check_vectors(projections=projections, centres=centres)
    labels = labels_of_views(projections, target, len(centres))
    classes = torch.cat([labels, torch.arange(len(centres), device=labels.device)])
    dtype = torch.promote_types(projections.dtype, torch.float32)
    with without_autocast(projections.device.type):
        similar = projections.to(dtype) @ torch.cat([projections, centres]).to(dtype).T / temperature
    itself = torch.eye(*similar.shape, dtype=torch.bool, device=similar.device)
    partners = (labels[:, None] == classes) & ~itself
    # A view is no term of its own sum, which its class then has one term less of.
    sizes = similar.new_zeros(len(centres)).scatter_add(0, classes, similar.new_ones(len(classes)))
    terms = sizes[classes] - partners.to(dtype)
    totals = (similar - terms.log()).masked_fill(itself, -torch.inf).logsumexp(1)
    return totals - (similar * partners).sum(1) / partners.sum(1)
