"""The margins of GALA for given statistics, and logits with them; the equations are those of `longtail.losses.gala`."""

from torch import Tensor

from longtail.losses.inputs import along_classes, class_dimension
from longtail.losses.margins import Margins

PAPER_LAMBDA_NEGATIVE = 0.9


def adjust_logits(
    logits: Tensor,
    target: Tensor,
    theta: Tensor,
    phi: Tensor,
    lambda_positive: float,
    lambda_negative: float | None,
    form: str,
    eps: float,
) -> Tensor:
    """The adjusted logits z̃ of either form; the logits themselves, the same object, where the strengths are 0."""
    if form == "released":
        if lambda_positive == 0:
            return logits
        return logits.add(along_classes((theta + eps).log_(), logits), alpha=lambda_positive)
    others, own = _paper_margins(theta, phi, lambda_positive, lambda_negative, eps)
    if others is None or own is None:
        return logits
    if target.is_floating_point():
        return logits + (along_classes(others, logits) + target.detach() * along_classes(own - others, logits))
    dim = class_dimension(logits)
    adjusted = logits + along_classes(others, logits)
    # An ignored target may lie outside the classes; where its margin lands has no effect on the loss.
    index = target.clamp(0, theta.numel() - 1)
    return adjusted.scatter_add_(dim, index.unsqueeze(dim), (own - others).to(adjusted.dtype)[index].unsqueeze(dim))


def margins_of(
    theta: Tensor, phi: Tensor, lambda_positive: float, lambda_negative: float | None, form: str, eps: float
) -> Margins:
    """The margins of either form, as `adjust_logits` applies them."""
    if form == "released":
        return Margins(shift=(theta + eps).log_().mul_(lambda_positive) if lambda_positive else None)
    others, own = _paper_margins(theta, phi, lambda_positive, lambda_negative, eps)
    return Margins() if others is None or own is None else Margins(shift=others, own=own - others)


def _paper_margins(
    theta: Tensor, phi: Tensor, lambda_positive: float, lambda_negative: float | None, eps: float
) -> tuple[Tensor | None, Tensor | None]:
    """Those of classes other than the target and of the target; twice `None` where the strengths are 0."""
    lambda_negative = PAPER_LAMBDA_NEGATIVE if lambda_negative is None else lambda_negative
    if lambda_positive == 0 and lambda_negative == 0:
        return None, None
    theta, phi = theta + eps, phi + eps
    return (theta / theta.mean()).log_().mul_(lambda_positive), (phi / phi.mean()).log_().mul_(lambda_negative)
