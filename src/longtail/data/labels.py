"""Labels and class counts of anything that has labels."""

import os
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import ConcatDataset, DataLoader, Dataset, IterableDataset, Subset, TensorDataset

from longtail.arguments import check_integer, refuse_masked

LABEL_ATTRIBUTES = ("targets", "labels", "_labels")
LABEL_COLUMNS = ("label", "labels", "fine_label", "target")
MOST_CLASSES = 1_000_000


def class_counts(source: Any, num_classes: int | None = None) -> Tensor:
    """How many samples each class has.

    Args:
        source: labels as an array (N,) or (N, 1), tensor, list or pandas column; or a data set of torchvision, torch
            (`Subset`, `ConcatDataset`, `TensorDataset` with labels last), Hugging Face (a column `label`), or any
            sequence of (input, label) pairs, whose items are then read one by one; or a `DataLoader` of one of these
            (its data set is counted, whatever its sampler draws); or what `read_data` takes (a path, a pandas table,
            (X, y)) or returns (`Samples`; of `Parts` the training part).
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
    source = _read(source)
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


def labels_of(source: Any, name: str = "source") -> np.ndarray:
    """The labels, (N,) int64, of what `class_counts` takes; errors as there, which call the argument `name`.

    Example:
        >>> labels_of([("first image", 2), ("second image", 0)])
        array([2, 0])
    """
    labels = np.asarray(raw_labels(source, name))
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    if labels.ndim != 1:
        raise ValueError(
            f"`{name}` must hold one label per sample, (N,) or (N, 1). Got the shape {labels.shape}. "
            "One-hot? Take the argmax."
        )
    if not labels.size:
        raise ValueError(f"`{name}` must hold at least one sample. Got none.")
    if labels.dtype.kind not in "iu":
        raise TypeError(
            f"`{name}` must hold integer labels. Got {labels.dtype}, such as {labels[:1].tolist()[0]!r}. "
            "For names: `np.unique(labels, return_inverse=True)` numbers them."
        )
    if labels.min() < 0:
        index = int(labels.argmin())
        raise ValueError(f"`{name}` must hold labels of at least 0. Got {labels[index]} at index {index}.")
    if labels.max() >= MOST_CLASSES:
        index = int(labels.argmax())
        raise ValueError(
            f"`{name}` must hold class indices below {MOST_CLASSES:,}. Got {labels[index]} at index {index}. "
            "For identifiers: `np.unique(labels, return_inverse=True)` numbers them."
        )
    return labels.astype(np.int64)


def raw_labels(source: Any, name: str = "source") -> Any:
    """The labels as they are, integers or not.

    Labels that a data set holds as an attribute are believed only if there is one for each sample: a subset that passes
    the attributes of the whole on has those of the whole. Errors call the argument `name`.
    """
    source = _read(source)
    if isinstance(source, Mapping):
        raise TypeError(
            f"`{name}` must hold labels, not be a mapping. Got {type(source).__name__} with keys "
            f"{', '.join(map(repr, list(source)[:5]))}. Pass one of its entries; counts by class are counts already."
        )
    if isinstance(source, Tensor):
        return source.detach().cpu().numpy()
    if isinstance(source, np.ndarray) or hasattr(source, "to_numpy"):
        refuse_masked("`source`", source)
        return source
    if isinstance(source, DataLoader):
        return raw_labels(source.dataset)
    if isinstance(source, ConcatDataset):
        return np.concatenate([_one_column(raw_labels(part)) for part in source.datasets])
    if isinstance(source, Subset):
        indices = [int(index) for index in source.indices]
        known = _known_labels(source.dataset)
        return _labels_of_items(source) if known is None else _one_column(known)[indices]
    known = _known_labels(source)
    return _labels_of_items(source, name) if known is None else known


def _read(source: Any) -> Any:
    """Samples of what only `read_data` can read."""
    from longtail.data.array_source import is_pair
    from longtail.data.read import read_data
    from longtail.data.samples import Parts, Samples
    from longtail.data.tables.source import is_frame

    if isinstance(source, (str, os.PathLike)) or is_pair(source) or is_frame(source):
        source = read_data(source)
    if isinstance(source, Parts):
        source = source.train
    return _Named(source.target, source.class_names) if isinstance(source, Samples) else source


class _Named:
    """Labels and names of classes, as torchvision's data sets have them."""

    def __init__(self, targets: np.ndarray, classes: tuple[str, ...]) -> None:
        self.targets, self.classes = targets, classes

    def __len__(self) -> int:
        return len(self.targets)


def _one_column(labels: Any) -> np.ndarray:
    array = np.asarray(raw_labels(labels))
    return array[:, 0] if array.ndim == 2 and array.shape[1] == 1 else array


def _known_labels(source: Any) -> Any:
    """Labels that a data set holds as such; `None` where its items must be read."""
    if isinstance(source, (Subset, ConcatDataset)):
        return raw_labels(source)
    if isinstance(source, TensorDataset):
        return source.tensors[-1].cpu().numpy()
    for name in LABEL_ATTRIBUTES:
        labels = getattr(source, name, None)
        if labels is not None and _one_each(labels, source):
            labels = labels.detach().cpu().numpy() if isinstance(labels, Tensor) else labels
            transform = getattr(source, "target_transform", None)
            return labels if transform is None else [transform(label) for label in labels]
    columns = () if isinstance(source, IterableDataset) else getattr(source, "column_names", None) or ()
    column = next((name for name in LABEL_COLUMNS if name in columns), None)
    return None if column is None else column_of(source, column)


def column_of(source: Any, name: str) -> Any:
    """A column of a data set as it is stored, without a format or a transform, which would read whole rows."""
    plain = source.with_format(None) if hasattr(source, "with_format") else source
    return plain[name][:]  # one slice: iterating over a column of Hugging Face takes 500 times as long


def _one_each(labels: Any, source: Any) -> bool:
    if not hasattr(labels, "__len__") or not hasattr(source, "__len__"):
        return hasattr(labels, "__len__")
    return len(labels) == len(source)


def _labels_of_items(source: Any, name: str = "source") -> Any:
    if not isinstance(source, Iterable) and not hasattr(source, "__getitem__"):
        raise TypeError(f"`{name}` must hold labels. Got {type(source).__name__}, which has none that we know of.")
    indexed = hasattr(source, "__getitem__") and hasattr(source, "__len__")
    items = (source[i] for i in range(len(source))) if indexed else iter(source)
    return [_label_of_item(item, paired=isinstance(source, Dataset)) for item in items]


def _label_of_item(item: Any, *, paired: bool) -> Any:
    if isinstance(item, Mapping):
        name = next((name for name in LABEL_COLUMNS if name in item), None)
        if name is None:
            raise ValueError(
                f"a row must have a column {' or '.join(LABEL_COLUMNS)}. Got {', '.join(map(str, item))}: rename the "
                "column of labels."
            )
        item = item[name]
    elif isinstance(item, tuple) or (paired and isinstance(item, list)):
        item = item[1] if len(item) > 1 else item
    single = item.numel() == 1 if isinstance(item, Tensor) else getattr(item, "size", 0) == 1
    return item.item() if single and hasattr(item, "item") else item


def _declared_classes(source: Any) -> int:
    if isinstance(source, DataLoader):
        return _declared_classes(source.dataset)
    if isinstance(source, ConcatDataset):
        return max(map(_declared_classes, source.datasets))
    if isinstance(source, Subset):
        return _declared_classes(source.dataset)
    features = getattr(source, "features", None)
    if isinstance(features, Mapping):
        return max((getattr(features.get(name), "num_classes", 0) or 0 for name in LABEL_COLUMNS), default=0)
    return len(getattr(source, "classes", None) or ())
