"""The offset at which the mean prediction is the target prior."""

from torch import Tensor, zeros_like


class NoFixedPointError(RuntimeError):
    """The iteration did not converge."""


def fixed_point_offset(
    logits: Tensor, weight: Tensor, prior: Tensor, *, tolerance: float = 1e-6, max_iterations: int = 5000
) -> Tensor:
    """Find o with Σ_i w_i softmax(z_i + o) = π.

    The fixed point minimises the convex function Σ_i w_i log Σ_j exp(z_ij + o_j) − Σ_j π_j o_j. The update
    o ← o + log π − log(mean prediction), whose first step is the re-balancing rule, never increases it; it is
    Sinkhorn's algorithm with the samples scaled by softmax and the classes by o, and converges from anywhere.

    Args:
        logits: (N, C) float64.
        weight: (N,) float64, above 0, sums to 1.
        prior: (C,) float64, above 0, sums to 1.
        tolerance: the largest relative error of a class's mean prediction.
        max_iterations: passes over the data.

    Returns:
        (C,) float64 of mean 0.

    Raises:
        NoFixedPointError: no convergence; the logits are saturated, so that hardly any sample lies between two classes.
    """
    log_prior, log_weight = prior.log(), weight.log()[:, None]
    offset = zeros_like(prior)
    for _ in range(max_iterations):
        step = log_prior - ((logits + offset).log_softmax(1) + log_weight).logsumexp(0)
        if step.abs().max() <= tolerance:
            return offset - offset.mean()
        offset = offset + step
    worst = int(step.abs().argmax())
    raise NoFixedPointError(
        f"The fixed point was not reached in {max_iterations} passes: class {worst} still receives "
        f"{(-step[worst]).exp().item():.3g} times its share. The logits are saturated (are they those of the training "
        "set?). Use `converge=False`, or fit on data that the model has not seen."
    )
