"""Labels and class counts of anything that has labels."""

from collections.abc import Iterable
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import ConcatDataset, Subset, TensorDataset

from longtail.arguments import check_integer

LABEL_ATTRIBUTES = ("targets", "labels", "_labels")
LABEL_COLUMNS = ("label", "labels", "fine_label", "target")


def class_counts(source: Any, num_classes: int | None = None) -> Tensor:
    """How many samples each class has.

    Args:
        source: labels as an array, tensor, list or pandas column; or a data set of torchvision, torch (`Subset`,
            `ConcatDataset`, `TensorDataset` with labels last), Hugging Face (a column `label`), or any sequence of
            (input, label) pairs, whose items are then read one by one.
        num_classes: C; by default what the source says (`classes`), or the largest label plus one.

    Returns:
        (C,) int64, zeros for classes without a sample.

    Raises:
        TypeError: no integer labels found.
        ValueError: no sample at all, or a label that is negative or not below `num_classes`.

    Example:
        >>> class_counts([0, 2, 0, 0], num_classes=4)
        tensor([3, 0, 1, 0])
    """
    labels = labels_of(source)
    if num_classes is None:
        num_classes = max(_declared_classes(source), int(labels.max()) + 1)
    check_integer("num_classes", num_classes, minimum=1)
    if labels.max() >= num_classes:
        index = int(np.flatnonzero(labels >= num_classes)[0])
        raise ValueError(
            f"`source` must hold labels in [0, {num_classes}). Got {labels[index]} at index {index}. "
            "Is `num_classes` right?"
        )
    return torch.from_numpy(np.bincount(labels, minlength=num_classes))


def labels_of(source: Any) -> np.ndarray:
    """The labels, (N,) int64, of what `class_counts` takes; errors as there."""
    labels = np.asarray(_find_labels(source))
    if labels.ndim != 1:
        raise ValueError(
            f"`source` must hold one label a sample, (N,). Got the shape {labels.shape}. One-hot? Take the argmax."
        )
    if not labels.size:
        raise ValueError("`source` must hold at least one sample. Got none.")
    if labels.dtype.kind not in "iu":
        raise TypeError(
            f"`source` must hold integer labels. Got {labels.dtype}, such as {labels[0]!r}. "
            "For names: `np.unique(labels, return_inverse=True)` numbers them."
        )
    if labels.min() < 0:
        index = int(labels.argmin())
        raise ValueError(f"`source` must hold labels of at least 0. Got {labels[index]} at index {index}.")
    return labels.astype(np.int64)


def _find_labels(source: Any) -> Any:
    if isinstance(source, Tensor):
        return source.detach().cpu().numpy()
    if isinstance(source, np.ndarray) or hasattr(source, "to_numpy"):
        return source
    if isinstance(source, Subset):
        return labels_of(source.dataset)[np.asarray(source.indices, dtype=np.int64)]
    if isinstance(source, ConcatDataset):
        return np.concatenate([labels_of(part) for part in source.datasets])
    if isinstance(source, TensorDataset):
        return source.tensors[-1].cpu().numpy()
    for name in LABEL_ATTRIBUTES:
        if getattr(source, name, None) is not None:
            return _find_labels(getattr(source, name))
    for name in LABEL_COLUMNS:
        if name in getattr(source, "column_names", ()):
            return source[name]
    return _labels_of_items(source)


def _labels_of_items(source: Any) -> Any:
    if not isinstance(source, Iterable) and not hasattr(source, "__getitem__"):
        raise TypeError(f"`source` must hold labels. Got {type(source).__name__}, which has none that we know of.")
    items = [source[i] for i in range(len(source))] if hasattr(source, "__getitem__") else list(source)
    if items and isinstance(items[0], tuple) and len(items[0]) >= 2:
        items = [item[1] for item in items]
    return [item.item() if isinstance(item, Tensor) and item.numel() == 1 else item for item in items]


def _declared_classes(source: Any) -> int:
    while isinstance(source, Subset):
        source = source.dataset
    return len(getattr(source, "classes", None) or ())
