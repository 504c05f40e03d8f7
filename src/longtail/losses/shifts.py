"""What losses that shift logits share: the log prior, the shift, the checks and the loss of their pure functions."""

from collections.abc import Iterable

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from longtail.class_vectors import as_class_counts, count_empty_as_half
from longtail.losses.cross_entropy import cross_entropy_from_log_probs
from longtail.losses.inputs import along_classes, check_arguments, checked_target, class_dimension

IGNORED = -100  # as `nn.CrossEntropyLoss` has it
ClassCounts = Tensor | np.ndarray | Iterable[float]


def counts_of(class_counts: ClassCounts) -> Tensor:
    """Training samples of each class, (C,) float64 on the CPU; an empty class counts as ½, with a warning."""
    return count_empty_as_half(as_class_counts(class_counts))


def log_prior_of(class_counts: ClassCounts) -> Tensor:
    """Log π_j = log(n_j / N), (C,) float64 on the CPU."""
    counts = counts_of(class_counts)
    return (counts / counts.sum()).log()


def shifted(logits: Tensor, shift: Tensor) -> Tensor:
    """Logits plus one number per class, in float32 at least."""
    dtype = torch.promote_types(logits.dtype, torch.float32)
    return logits + along_classes(in_precision(shift, dtype), logits)


def in_precision(constants: Tensor, dtype: torch.dtype) -> Tensor:
    """Numbers of the classes, (C,), in the precision of a batch.

    The compiler of a graph would convert them again for each logit; it stores what `as_strided` is taken of.
    """
    converted = constants.to(dtype)
    if converted is constants or not torch.compiler.is_compiling():
        return converted
    return converted.as_strided(converted.shape, converted.stride())


def shifted_at_target(logits: Tensor, target: Tensor, shift: Tensor) -> Tensor:
    """Logits whose target class is shifted by its number; with probabilities t by t_j times it, as a constant."""
    dtype = torch.promote_types(logits.dtype, torch.float32)
    shift = shift.to(dtype)
    if target.is_floating_point():
        return logits + target.detach().to(dtype) * along_classes(shift, logits)
    dim = class_dimension(logits)
    # An ignored target may lie outside the classes; where its shift lands has no effect on the loss.
    index = target.clamp(0, shift.numel() - 1)
    return logits.to(dtype).scatter_add(dim, index.unsqueeze(dim), shift[index].unsqueeze(dim))


def class_indices(logits: Tensor, target: Tensor, num_classes: int) -> Tensor:
    """The target after the checks that every loss makes; ignored ones may have any value."""
    return checked_target(logits, target, num_classes, IGNORED)


def cross_entropy_of(
    adjusted: Tensor,
    logits: Tensor,
    target: Tensor,
    weight: Tensor | None,
    ignore_index: int,
    label_smoothing: float,
) -> Tensor:
    """Cross-entropy on adjusted logits, one loss per sample; `F.cross_entropy` itself where they are the logits."""
    dim = class_dimension(logits)
    num_classes = logits.shape[dim]
    check_arguments(num_classes, weight, ignore_index, label_smoothing)
    target = checked_target(logits, target, num_classes, ignore_index)
    if adjusted is logits:
        return F.cross_entropy(
            logits, target, weight, ignore_index=ignore_index, reduction="none", label_smoothing=label_smoothing
        )
    log_probs = F.log_softmax(adjusted, dim)
    return cross_entropy_from_log_probs(log_probs, target, weight, ignore_index, "none", label_smoothing)
