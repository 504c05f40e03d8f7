"""Checks of the inputs of a diagnosis."""

import warnings
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from longtail.arguments import as_float64, refuse_masked, refuse_unordered
from longtail.class_vectors import as_class_counts
from longtail.data.check import Progress
from longtail.data.class_names import as_text
from longtail.posthoc.blocks import row_blocks
from longtail.posthoc.inputs import as_labels, as_logit_rows
from longtail.posthoc.probability_rows import look_like_probabilities
from longtail.repair.by_name import ClassIndex
from longtail.repair.folds import Splits, stratified_folds
from longtail.repair.processes import ALL, Share
from longtail.repair.reading.kinds import MASKED, as_checked_logits, check_own_class, of_regular_sum, regular_sum
from longtail.repair.reading.raw import Rows
from longtail.repair.samples import Samples

LEAST_WEIGHT = 1e-9
FINEST, LARGEST = 1e-100, -MASKED  # range of logits for which temperatures and offsets can be represented


def as_log_probabilities(probability: np.ndarray | Tensor) -> tuple[np.ndarray, float]:
    """Logarithms of probabilities (N, C), and the value that replaces 0."""
    tensor = as_logit_rows(probability)
    notes: list[str] = []
    rows = Rows((("`logits`", len(tensor)),))
    logits, floor = as_checked_logits(tensor.cpu().double().numpy(), "probabilities", rows, None, notes)
    for note in notes:
        warnings.warn(note, stacklevel=3)
    return logits, floor


def as_samples(
    logits: np.ndarray | Tensor,
    target: np.ndarray | Tensor | Sequence[int],
    sample_weight: np.ndarray | Sequence[float] | None,
    progress: Progress | None,
    share: Share = ALL,
) -> Samples:
    """Check logits (N, C), labels and weights; the logits share the memory of the input.

    Labels and weights are those of all processes that share the samples.
    """
    tensor = as_logit_rows(logits, masked=True)
    processes = share.processes
    like_probabilities = all(look_like_probabilities(tensor[part]) for part in row_blocks(*tensor.shape))
    if all(processes.gathered("rows like probabilities", like_probabilities)):
        raise ValueError(
            '`logits` must be logits, but their rows sum to 1. Probabilities? Pass `kind="probabilities"`.'
        )
    _check_scale(max(processes.gathered("scale", _widest(tensor))))
    own_totals = {regular_sum(tensor[part].cpu().double().numpy()) for part in row_blocks(*tensor.shape)}
    totals = set().union(*processes.gathered("sums of rows", own_totals))
    if len(totals) == 1 and None not in totals:
        raise ValueError(
            f"`logits` must be logits, but {of_regular_sum(totals.pop() or 0)} Then they are probabilities."
        )
    number = sum(processes.gathered("numbers of samples", len(tensor)))
    given = target if isinstance(target, (np.ndarray, Tensor)) else list(target)
    labels = as_labels(given, number, tensor.shape[1]).numpy()
    if len(np.unique(labels)) < 2:
        raise ValueError(f"`target` must hold at least two classes. Got only class {labels[0]}.")
    weight = np.ones(len(labels)) if sample_weight is None else as_float64("sample_weight", sample_weight)
    if weight.shape != labels.shape:
        raise ValueError(f"`sample_weight` must hold one weight per sample, ({len(labels)},). Got {weight.shape}.")
    if not (np.isfinite(weight) & (weight > 0)).all():
        worst = weight[~(np.isfinite(weight) & (weight > 0))][0]
        raise ValueError(f"`sample_weight` must be finite and above 0. Got {worst}. Drop samples without weight.")
    weight = weight / weight.max()
    if weight.min() < LEAST_WEIGHT:
        raise ValueError(
            f"`sample_weight` must differ by less than a factor of {1 / LEAST_WEIGHT:.0e}. "
            f"Got one of {weight.min():.1e} times the largest. Drop samples of so little weight."
        )
    precise = tensor.cpu().to(torch.promote_types(tensor.dtype, torch.float32)).numpy()
    check_own_class(precise, labels[share.own(len(precise))], Rows((("`logits`", number),)), first=share.first)
    return Samples(precise, labels, weight, progress=progress, share=share)


def _widest(logits: Tensor) -> float:
    """The largest difference within a row, without masked classes; 0 for less than float64, which is never refused.

    Raises:
        ValueError: a logit is so large that a temperature or an offset could not be represented.
    """
    if logits.dtype != torch.float64:
        return 0.0
    widest = 0.0
    for part in row_blocks(*logits.shape):
        high = float(logits[part].max())
        if high > LARGEST:
            raise ValueError(f"`logits` must be at most {LARGEST:g}. Got {high:g}. Divide them by a constant.")
        least = logits[part].masked_fill(logits[part] < MASKED, torch.inf).amin(1)
        widest = max(widest, float((logits[part].amax(1) - least).max()))
    return widest


def _check_scale(widest: float) -> None:
    """Raise if a temperature or an offset could not be represented."""
    if 0 < widest < FINEST:
        raise ValueError(
            f"`logits` must differ by {FINEST:g} or more within a row. They differ by {widest:g} at most. "
            "Multiply them by a constant."
        )


def as_groups(groups: np.ndarray | Sequence[object] | None, number: int) -> np.ndarray | None:
    """(N,) groups, or None."""
    if groups is None:
        return None
    refuse_masked("`groups`", groups)
    checked = np.asarray(groups)
    if checked.shape != (number,):
        raise ValueError(f"`groups` must hold one group per sample, ({number},). Got {checked.shape}.")
    if checked.dtype.kind in "fO":
        texts = [as_text(group) for group in checked.tolist()]
        if None in texts:
            raise ValueError(f"`groups` must hold a group for each sample. Sample {texts.index(None)} has none.")
        checked = np.array(texts)
    return checked


def as_splits(
    target: np.ndarray, folds: int, seed: int | Sequence[int], groups: np.ndarray | None, place: np.ndarray | None
) -> Splits:
    """The folds, without those that are empty."""
    _, fold = np.unique(stratified_folds(target, folds, seed, groups, place), return_inverse=True)
    number = int(fold.max()) + 1
    if number < 3:
        of = "`target`" if groups is None else "`groups`"
        what = "samples" if groups is None else "groups"
        raise ValueError(
            f"{of} must hold at least three {what}: one to score on, one to choose τ on, one to fit on. Got {number}."
        )
    return Splits(fold, number)


def as_names(class_names: Sequence[str] | None, num_classes: int) -> tuple[str, ...]:
    """(C,) names that differ from each other, by default 0, 1, …."""
    if isinstance(class_names, str):
        raise TypeError(f"`class_names` must be a sequence of names. Got the text {class_names!r}.")
    refuse_unordered(class_names)
    names = tuple(map(str, range(num_classes) if class_names is None else class_names))
    if len(names) != num_classes:
        raise ValueError(f"`class_names` must hold {num_classes} names, one per class. Got {len(names)}.")
    broken = next((name for name in names if any("\ud800" <= sign <= "\udfff" for sign in name)), None)
    if broken is not None:
        raise ValueError(f"`class_names` must be valid Unicode. Got {broken!r}.")
    return ClassIndex(names if class_names is None else class_names).names


def as_counts(class_counts: Tensor | np.ndarray | Sequence[float] | None, num_classes: int) -> np.ndarray | None:
    """Training samples of each class, (C,), or None."""
    if class_counts is None:
        return None
    counts: np.ndarray = as_class_counts(class_counts).numpy()
    if len(counts) != num_classes:
        raise ValueError(f"`class_counts` must hold {num_classes} counts, one per class. Got {len(counts)}.")
    return counts
