"""Map-style data sets of (input, label) pairs: torch, torchvision, Hugging Face, and subsets of them."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from torch.utils.data import ConcatDataset, DataLoader, IterableDataset, Subset

from longtail.data.class_names import distinct_names, named_labels
from longtail.data.column_source import IMAGE_COLUMNS, has_columns, read_columns
from longtail.data.labels import LABEL_COLUMNS, raw_labels
from longtail.data.options import Options
from longtail.data.raw_part import PART_NAMES, RawPart


def is_mapping(data: Any) -> bool:
    """Whether `data` maps names of parts to data sets."""
    return isinstance(data, Mapping) and bool(data) and all(str(name).lower() in PART_NAMES for name in data)


def is_dataset(data: Any) -> bool:
    """Whether `data` has a length and items by their index."""
    if isinstance(data, (str, bytes, tuple, Mapping, np.ndarray)):
        return False
    return hasattr(data, "__len__") and hasattr(data, "__getitem__")


def read_dataset(data: Any, options: Options, notes: list[str]) -> dict[str, RawPart]:
    """Read the labels of a data set; its items stay where they are.

    Raises:
        TypeError: a data loader or a stream.
        ValueError, TypeError: no labels.
    """
    if has_columns(data):
        return read_columns(data, options, notes)
    what = "a data set object"
    if isinstance(data, list) and data and isinstance(data[0], Mapping):
        what = "a list of dictionaries, a data set object here; to read it as a table, pass pandas.DataFrame(rows)"
    options.refuse(what, "root", "path_column", "label", "split", "group")
    kind = type(data).__name__
    labels = raw_labels(data)
    names = distinct_names(declared_names(data), kind, notes)  # those of torchvision's ImageNet are not
    codes, found = named_labels(labels if isinstance(labels, np.ndarray) else list(labels), kind, notes)
    raw = RawPart(codes, found, items=data)
    raw.declare(names, kind, notes, indices=not isinstance(labels[0], str))
    return {"train": raw}


def input_of(item: Any) -> Any:
    """The input of an item: the first of a pair, or the column of images of a row.

    Raises:
        TypeError: neither.
    """
    if isinstance(item, Mapping):
        inputs = [name for name in item if name not in LABEL_COLUMNS]
        chosen = next((name for name in IMAGE_COLUMNS if name in item), inputs[0] if len(inputs) == 1 else None)
        if chosen is not None:
            return item[chosen]
        raise TypeError(f"a row must have a column {' or '.join(IMAGE_COLUMNS)}. Got {', '.join(map(str, item))}.")
    if not isinstance(item, (tuple, list)) or not item:
        raise TypeError(
            f"an item must be a pair of input and label, or a row. Got {type(item).__name__}. With Hugging Face, "
            "reset the format of the data set: data.with_format(None)."
        )
    return item[0]


def refuse_stream(data: Any) -> None:
    """Raise for what can only be read in its own order.

    Raises:
        TypeError: a data loader or an iterable data set.
    """
    if isinstance(data, DataLoader):
        raise TypeError("`data` must be a data set, not a DataLoader. Pass its `.dataset`.")
    if isinstance(data, IterableDataset):
        raise TypeError(
            f"`data` must be a map-style data set, with a length and items by index. Got a stream, "
            f"{type(data).__name__}. With Hugging Face, load it without `streaming`; with tar shards (WebDataset), "
            "pass the path of their folder."
        )


def declared_names(data: Any) -> tuple[str, ...]:
    """Names of the classes as a data set declares them; none if it doesn't."""
    if isinstance(data, Subset):
        return declared_names(data.dataset)
    if isinstance(data, ConcatDataset):
        names = {declared_names(part) for part in data.datasets}
        return names.pop() if len(names) == 1 else ()
    features = getattr(data, "features", None)
    if isinstance(features, Mapping):
        found = (getattr(features.get(name), "names", None) for name in LABEL_COLUMNS)
        return _texts(next((names for names in found if names), ()))
    return _texts(getattr(data, "classes", None) or ())


def _texts(names: Any) -> tuple[str, ...]:
    """Names, the first of several where they are synonyms."""
    return tuple(str(name[0] if isinstance(name, (tuple, list)) and name else name) for name in names)
