r"""Probabilistic contrastive learning (ProCo): contrasts each view with the distributions of all classes.

Du et al., "Probabilistic Contrastive Learning for Long-Tailed Visual Recognition", TPAMI 2024 (arXiv 2403.06726). The
projections of class j are taken to follow a von Mises-Fisher distribution on the unit sphere in D dimensions, which
their mean r_j μ_j determines (‖μ_j‖ = 1). Then the supervised contrastive loss of a view x against infinitely many
views x_j of each class is the cross-entropy of z + log π, where π are the class frequencies and

    z_j = log E exp(x · x_j / T) = log(I_ν(κ̃_j) / κ̃_j^ν) − log(I_ν(κ_j) / κ_j^ν),
    κ_j = r_j (D − r_j²) / (1 − r_j²),     κ̃_j = ‖κ_j μ_j + x / T‖,     ν = D/2 − 1.

The means are those of all views since the previous epoch began. The loss is added to a classification loss on another
view of the same samples.

Where we differ from the authors' code. A pass uses the means of the steps before and then adds its own views to them,
so that parts of a batch and ranks do not matter; theirs adds first. A class that was not seen yet is uniform on the
sphere (κ = 0), where theirs has a random mean. Their κ_j lacks the r_j² of the numerator, which is that of Banerjee et
al. (JMLR 2005) here. Their recurrence for Bessel functions takes D steps in float64; the expansion for large orders
(https://dlmf.nist.gov/10.41, 10.41.3) takes a few operations in float32, and its terms here leave an error of the
logits below 1e-5 for D = 16 and 1e-9 for D = 128.
"""

import torch
from torch import Tensor
from torch import distributed as dist
from torch.nn import functional as F

from longtail.arguments import check_integer, check_size
from longtail.autocast import without_autocast
from longtail.losses.contrasted_views import check_vectors, labels_of_views
from longtail.losses.memory import Memory, refuse_vmap
from longtail.losses.shifts import ClassCounts, log_prior_of

FEWEST_DIMENSIONS = 16
LARGEST_CONCENTRATION = 1e5
"""Of κ, as in the authors' code: the projections of a class that has a single one would have an infinite one."""


def expected_similarities(projections: Tensor, means: Tensor, *, temperature: float = 0.07) -> Tensor:
    """How similar each view is to those of each class, in expectation: log E exp(x · x_j / T), the module's z.

    Args:
        projections: (N, D) of the views, of length 1; D is at least 16.
        means: (C, D), the mean projection of each class, of length 1 at most; 0 for a class of which nothing is known.
            Constants: no gradient flows through them.
        temperature: T > 0.

    Returns:
        (N, C), in float32 at least; the loss is the cross-entropy of them plus log π.

    Raises:
        ValueError, TypeError: a shape, dtype or setting outside what is written above.

    Example:
        >>> means = torch.zeros(2, 16)
        >>> means[0, 0] = means[1, 1] = 0.5
        >>> expected_similarities(torch.eye(16)[:2], means, temperature=1.0)
        tensor([[0.5168, 0.0239],
                [0.0239, 0.5168]])

    Source: Du et al., TPAMI 2024; the module has the equations.
    """
    check_size("temperature", temperature)
    check_vectors(projections=projections, means=means)
    dimensions = projections.shape[1]
    if dimensions < FEWEST_DIMENSIONS:
        raise ValueError(f"`projections` must have at least {FEWEST_DIMENSIONS} columns. Got {dimensions}.")
    dtype, order = torch.promote_types(projections.dtype, torch.float32), dimensions / 2 - 1
    views, means = projections.to(dtype) / temperature, means.detach().to(dtype)
    lengths = means.norm(dim=1)
    gaps = (1 - lengths.square()).clamp(min=1e-12)
    # κ over r, which does not divide by r = 0: κ μ is this multiple of the mean.
    scales = torch.minimum((dimensions - lengths.square()) / gaps, LARGEST_CONCENTRATION / lengths)
    with without_autocast(projections.device.type):
        # κ̃² − κ², from which the differences below follow without cancellation.
        rise = 2 * scales * (views @ means.T) + views.square().sum(1, keepdim=True)
    before = (1 + (scales * lengths / order).square()).sqrt()
    after = (before.square() + rise / order**2).clamp(min=1).sqrt()
    step = rise / order**2 / (after + before)
    expansion: Tensor = order * (step - (step / (1 + before)).log1p()) - (step / before).log1p() / 2
    return expansion + _correction(1 / after, order) - _correction(1 / before, order)


def _correction(t: Tensor, order: float) -> Tensor:
    """Log Σ_k U_k(t) / ν^k up to k = 3, with the polynomials U of https://dlmf.nist.gov/10.41, 10.41.10."""
    square = t.square()
    first = (3 - 5 * square) / 24
    second = (81 + square * (-462 + 385 * square)) / 1152
    third = (30375 + square * (-369603 + square * (765765 - 425425 * square))) / 414720
    share: Tensor = t / order
    return (share * (first + share * (second + share * third))).log1p()


class ProbabilisticContrastiveLoss(Memory):
    """ProCo as a module that learns the mean projection of each class.

    In training, with gradients on, each forward pass first uses the means, then adds its own views to them; they are
    summed over the ranks of `torch.distributed`. Call `set_epoch` when an epoch begins: means are those of the views of
    the previous epoch and of this one, and without the calls those of all views.

    Args:
        class_counts: (C,) training samples of each class.
        dimensions: D of the projections, at least 16.
        temperature: T > 0.
        process_group: the ranks that means are taken over; `None` is all.

    Shape:
        projections (N, D) of length 1, target (N,) class indices; N losses, in float32 at least. Buffers: `sums` and
        `former_sums` (C, D), `samples` and `former_samples` (C,) of this epoch and of the previous one.

    Raises:
        ValueError, TypeError: a count, shape, dtype or setting outside what is written above.

    Example:
        >>> criterion = ProbabilisticContrastiveLoss([9, 1], dimensions=16)
        >>> views = torch.eye(16)[[0, 0, 1]].requires_grad_()
        >>> criterion(views, torch.tensor([0, 0, 1]))  # nothing is known of the classes but their frequencies
        tensor([0.1054, 0.1054, 2.3026], grad_fn=<NllLossBackward0>)
        >>> criterion.means()[:, :2]
        tensor([[1., 0.],
                [0., 1.]])

    Source: Du et al., TPAMI 2024; the temperature is that of their code for ImageNet-LT, 0.1 for CIFAR.
    """

    log_prior: Tensor
    sums: Tensor
    samples: Tensor
    former_sums: Tensor
    former_samples: Tensor
    epoch: Tensor

    def __init__(
        self,
        class_counts: ClassCounts,
        dimensions: int,
        *,
        temperature: float = 0.07,
        process_group: dist.ProcessGroup | None = None,
    ) -> None:
        super().__init__()
        check_integer("dimensions", dimensions, minimum=FEWEST_DIMENSIONS)
        check_size("temperature", temperature)
        self.temperature = temperature
        self.register_buffer("log_prior", log_prior_of(class_counts))
        classes = len(self.log_prior)
        sums, samples = torch.zeros(classes, dimensions, dtype=torch.float32), torch.zeros(classes, dtype=torch.float32)
        self.remember_from_now(
            process_group, sums=sums, samples=samples, former_sums=sums.clone(), former_samples=samples.clone()
        )
        self.register_buffer("epoch", torch.zeros((), dtype=torch.int64))

    def means(self) -> Tensor:
        """(C, D), the mean projection of each class; 0 of a class without views."""
        samples = self.samples + self.former_samples
        return (self.sums + self.former_sums) / samples.clamp(min=1)[:, None]

    def set_epoch(self, epoch: int) -> None:
        """Say which epoch begins: views of the epochs before the previous one are forgotten.

        A repeated call, as after a checkpoint was loaded, changes nothing.

        Raises:
            ValueError, TypeError: `epoch` is not an integer of at least 0.
        """
        check_integer("epoch", epoch, minimum=0)
        if epoch == int(self.epoch):
            return
        self.epoch.fill_(epoch)
        self.remember(former_sums=self.sums, former_samples=self.samples)
        self.remember(sums=torch.zeros_like(self.sums), samples=torch.zeros_like(self.samples))

    def forward(self, projections: Tensor, target: Tensor) -> Tensor:
        """The loss of each view."""
        labels = labels_of_views(projections, target, len(self.log_prior))
        logits = expected_similarities(projections, self.means(), temperature=self.temperature)
        losses = F.cross_entropy(logits + self.log_prior.to(logits.dtype), labels, reduction="none")
        if self.training and torch.is_grad_enabled() and not self._paused:
            self._learn(projections.detach(), labels)
        return losses

    def _learn(self, views: Tensor, labels: Tensor) -> None:
        refuse_vmap(views, labels)
        finite = views.isfinite().all(1)
        views = views.float().masked_fill(~finite[:, None], 0)
        sums, samples = torch.zeros_like(self.sums), torch.zeros_like(self.samples)
        self.contribute(sums.index_add(0, labels, views), samples.index_add(0, labels, finite.to(samples.dtype)))

    def update(self, *sums: Tensor) -> None:
        """Add the views of a step."""
        self.remember(sums=self.sums + sums[0], samples=self.samples + sums[1])

    def extra_repr(self) -> str:
        """The arguments that `print` shows."""
        return f"dimensions={self.sums.shape[1]}, temperature={self.temperature}"
