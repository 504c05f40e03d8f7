"""The Meta Sampler: how often each class is drawn is learnt (Ren et al., "Balanced Meta-Softmax", NeurIPS 2020).

Section 3.2 and appendix B.1: a sample of class c is drawn with a probability proportional to the rate π_c = σ(ψ_c) of
its class; rates start at ½, so that all samples are equally likely. Each draw takes the sample i with the largest
log π_i + g_i, with Gumbel noise g; its gradient is that of the softmax over all samples (straight-through, at
temperature 1). ψ is learnt by Adam. The time of a draw is proportional to the number of training samples.

The released configuration for Places-LT starts at rates ∝ n_c^−0.3 instead. In the released code workers draw a few
batches ahead, so that their rates are a few steps old; here each batch is drawn by the current rates.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

BETAS = (0.9, 0.99)
EPSILON = 1e-8
AT_ONCE = 1 << 24
"""Random numbers that are in memory at once."""


@dataclass(frozen=True, eq=False)
class Draws:
    """Samples that were drawn, and the values of each draw that the gradient of the rates needs.

    Attributes:
        indices: (B,) the samples.
        chosen: (B,) the softmax at each sample.
        shares: (B, C) the softmax, summed over the samples of each class.
    """

    indices: Tensor
    chosen: Tensor
    shares: Tensor


class MetaSampler(nn.Module):
    """Draws samples by the sampling rates of their classes, and learns these rates; its state is in its buffers.

    Args:
        target: (N,) class indices of the training samples, on the device on which samples are drawn.
        num_classes: C.
        learning_rate: that of Adam, at least 0; at 0 the rates stay equal.

    Example:
        >>> sampler = MetaSampler(torch.tensor([0] * 9 + [1]), num_classes=2, learning_rate=0.1)
        >>> draws = sampler.draw(4, torch.Generator().manual_seed(0))
        >>> sampler.learn(draws, torch.where(draws.indices == 9, -1.0, 1.0))  # the rare class reduces the loss
        >>> bool(sampler.class_probabilities()[1] > 0.1)
        True
    """

    logits: Tensor
    mean: Tensor
    square: Tensor
    steps: Tensor

    def __init__(self, target: Tensor, num_classes: int, learning_rate: float) -> None:
        super().__init__()
        self.learning_rate, self.target = learning_rate, target
        self.class_counts = torch.bincount(target, minlength=num_classes)
        self.by_class = target.argsort(stable=True)
        for name in ("logits", "mean", "square"):
            self.register_buffer(name, torch.zeros(num_classes))
        self.register_buffer("steps", torch.zeros((), dtype=torch.int64))

    def class_probabilities(self) -> Tensor:
        """(C,) the probability that a draw is of each class; 0 for a class without a sample."""
        weights = self.class_counts * self.logits.sigmoid()
        return weights / weights.sum()

    def draw(self, number: int, generator: torch.Generator) -> Draws:
        """Draw `number` samples with replacement."""
        at_once = max(1, AT_ONCE // len(self.target))
        blocks = [self._block(min(at_once, number - start), generator) for start in range(0, number, at_once)]
        return Draws(*map(torch.cat, zip(*blocks, strict=True)))

    @torch.no_grad()
    def learn(self, draws: Draws, gradient: Tensor) -> None:
        """Update the rates by one step of Adam.

        Args:
            draws: what `draw` returned since the last update.
            gradient: (B,) that of the loss with respect to the weight of each draw.
        """
        # ∂s_i/∂ψ_c = s_i ([i is of c] − Σ_{j of c} s_j) ∂log π_c/∂ψ_c with s the softmax, i the sample that was drawn
        drawn = F.one_hot(self.target[draws.indices], len(self.logits))
        self._step((1 - self.logits.sigmoid()) * ((gradient * draws.chosen) @ (drawn - draws.shares)))

    def _block(self, number: int, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
        """With g = −log e and e exponential, the softmax of log π + g is π / e over its sum."""
        rates = self.logits.sigmoid().repeat_interleave(self.class_counts)
        noise = torch.empty(len(rates), number, device=rates.device).exponential_(generator=generator)
        softmax = rates[:, None] / noise.clamp_min_(torch.finfo(noise.dtype).tiny)
        chosen, place = softmax.max(0)
        shares = torch.segment_reduce(softmax, "sum", lengths=self.class_counts, axis=0, initial=0)
        total = shares.sum(0)
        return self.by_class[place], chosen / total, (shares / total).T

    def _step(self, gradient: Tensor) -> None:
        first, second = BETAS
        self.steps += 1
        self.mean.lerp_(gradient, 1 - first)
        self.square.lerp_(gradient.square(), 1 - second)
        mean, square = self.mean / (1 - first**self.steps), self.square / (1 - second**self.steps)
        self.logits -= self.learning_rate * mean / (square.sqrt() + EPSILON)
