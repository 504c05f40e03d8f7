"""Arrays: `.npz` and `.npy` files, and (X, y) pairs in memory."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from longtail.arguments import refuse_masked
from longtail.array_headers import UNREADABLE, ArrayFile, PickledError, is_npy, shape_of
from longtail.data.array_inputs import inputs_of
from longtail.data.class_names import INTEGER, as_text, first_repeated, named_labels
from longtail.data.features.mapped_array import array_of_npy, array_of_npz
from longtail.data.options import OptionDoesNotApplyError, Options
from longtail.data.raw_part import PART_NAMES, RawPart, rows_of
from longtail.data.tables.file import refuse_repeated
from longtail.data.tables.row_order import refuse_another_order
from longtail.data.tables.source import is_frame
from longtail.data.tables.vector_columns import with_numbers

INPUT_NAMES = ("images", "image", "x", "data", "features", "inputs", "feats", "embeddings")
LABEL_NAMES = ("labels", "label", "y", "target", "targets")
GROUP_NAMES = ("groups", "group")
PARTS_OF_SAMPLES = "part"
"""Name of an array that names the part of each sample, as `longtail features` writes it."""


def is_array_file(data: Any) -> bool:
    """Whether `data` is the path of an `.npz` or `.npy` file."""
    return isinstance(data, Path) and data.is_file() and data.suffix.lower() in (".npz", ".npy")


def is_pair(data: Any) -> bool:
    """Whether `data` is a pair of inputs (N, …) and labels (N,) or (N, 1)."""
    return _are_two(data) and data[0].shape[0] == len(data[1])


def refuse_unequal(data: Any, name: str) -> None:
    """Raise if `data` is a pair of inputs and labels of different lengths.

    Raises:
        ValueError: the lengths differ.
    """
    if _are_two(data) and data[0].shape[0] != len(data[1]):
        raise ValueError(
            f"`{name}` must hold one label for each sample. Got {data[0].shape[0]:,} samples and {len(data[1]):,} "
            "labels."
        )


def _are_two(data: Any) -> bool:
    if not isinstance(data, tuple) or len(data) != 2:
        return False
    return len(getattr(data[0], "shape", ())) >= 2 and hasattr(data[1], "__len__")


def read_pair(data: tuple[Any, Any], options: Options, notes: list[str]) -> dict[str, RawPart]:
    """Read (X, y): features (N, D), or images (N, H, W[, C]) uint8, and labels.

    Raises:
        TypeError: a sparse matrix, such as that of a text vectoriser; masked values.
        ValueError: inputs of another form, or invalid labels.
    """
    options.refuse("(X, y)", "root", "path_column", "label", "split", "group")
    if hasattr(data[0], "toarray"):
        raise TypeError(f"`X` must be a dense array. Got a {type(data[0]).__name__}: pass `X.toarray()`.")
    refuse_another_order(*data, "y")
    refuse_masked("`X`", data[0])
    table = with_numbers(data[0]) if is_frame(data[0]) else data[0]
    inputs = table.detach().cpu().numpy() if isinstance(table, Tensor) else np.asarray(table)
    codes, names = named_labels(data[1], "`y`", notes)
    raw = RawPart(codes, names, labels_from="`y`", **inputs_of(inputs, "`X`", notes))
    if raw.features is not None and hasattr(table, "columns"):
        raw.features = np.asarray(raw.features)
        raw.feature_names = tuple(str(name) for name in table.columns)
        refuse_repeated(raw.feature_names, "`X`")
    return {"train": raw}


def read_arrays(data: Path, options: Options, notes: list[str]) -> dict[str, RawPart]:
    """Read one part, or those that the arrays are named for (`train_images`, `train_labels`, `val_images`, …).

    Raises:
        ValueError: damaged, pickled, without inputs or labels, or inputs of another form.
    """
    options.refuse("arrays", "root", "path_column", "split", "group")
    if data.suffix.lower() == ".npy":
        return {"train": _of_npy(data, options, notes)}
    arrays = _load(data)
    if "" in arrays:
        raise ValueError(f"{data} must hold several arrays by name. It is an .npy file with another suffix.")
    class_names = arrays.get("class_names")
    parts: dict[str, dict[str, str]] = {}
    place = _place_of_each(arrays)
    for key in arrays:
        if key == "class_names" or (place is not None and key == PARTS_OF_SAMPLES):
            continue
        part, role = _role(key, options.label)
        if role is None:
            notes.append(f"{data}: the array {key!r} is not used.")
        elif role in parts.setdefault(part, {}):
            raise ValueError(
                f"{data} must hold one array of {role} for {part}. Got {parts[part][role]!r} and {key!r}. "
                "Keep one of them in the file."
            )
        else:
            parts[part][role] = key
    if not parts:
        raise ValueError(f"{data} must hold inputs and labels, such as `images` and `labels`. Got {_keys(arrays)}.")
    if options.label is not None and options.label not in arrays and "labels" not in parts.get("train", ("labels",)):
        message = f"--label must name an array of {data}. Got {options.label!r}; it holds {_keys(arrays)}."
        raise OptionDoesNotApplyError("label", message)
    found = {part: _of_keys(data, arrays, part, keys, class_names, notes) for part, keys in parts.items()}
    return found if place is None else _divided(found, place, data, notes)


def read_inputs(path: Path) -> np.ndarray:
    """The inputs of an `.npy` or `.npz` file, which need no labels beside them; a large table is memory-mapped.

    Raises:
        ValueError: damaged, pickled, without an array of inputs, or with several.
    """
    arrays = _load(path)
    keys = [key for key in arrays if key.lower() in ("", *INPUT_NAMES)]
    if len(keys) != 1:
        raise ValueError(
            f"{path} must hold one array that is named {', '.join(INPUT_NAMES[:-1])} or {INPUT_NAMES[-1]}. "
            f"Got {_keys(arrays)}."
        )
    return arrays[keys[0]]


def _place_of_each(arrays: Mapping[str, np.ndarray]) -> np.ndarray | None:
    """(N,) the part of each sample, where an array names it."""
    key = PARTS_OF_SAMPLES
    if key not in arrays or len(shape_of(arrays, key)) != 1 or arrays[key].dtype.kind != "U":
        return None
    names = [name.lower() for name in arrays[key].tolist()]
    return np.array([PART_NAMES[name] for name in names]) if set(names) <= set(PART_NAMES) else None


def _divided(found: dict[str, RawPart], place: np.ndarray, path: Path, notes: list[str]) -> dict[str, RawPart]:
    """The samples of one part as the parts that are named for each."""
    whole = next(iter(found.values()))
    if list(found) != ["train"] or len(place) != len(whole.codes):
        raise ValueError(
            f"{path} must name a part for each sample in the array {PARTS_OF_SAMPLES!r}. Got {len(place):,} names for "
            f"{len(whole.codes):,} samples of {', '.join(found)}. Correct or drop it."
        )
    notes.append(f"{path}: parts are read from the array {PARTS_OF_SAMPLES!r}.")
    whole.labels_from = None
    return {name: rows_of(whole, np.flatnonzero(place == name)) for name in dict.fromkeys(place.tolist())}


def _role(key: str, label: str | None) -> tuple[str, str | None]:
    """The part and the role of an array: `val_images`, `images_val`, `x_train` and `images` alone."""
    if key == label:
        return "train", "labels"
    first, _, rest = key.lower().partition("_")
    begin, _, last = key.lower().rpartition("_")
    part, name = "train", key.lower()
    if rest and first in PART_NAMES:
        part, name = PART_NAMES[first], rest
    elif begin and last in PART_NAMES:
        part, name = PART_NAMES[last], begin
    roles = {"inputs": INPUT_NAMES, "labels": () if label and part == "train" else LABEL_NAMES, "groups": GROUP_NAMES}
    return part, next((role for role, names in roles.items() if name in names), None)


def _of_keys(
    path: Path,
    arrays: Mapping[str, np.ndarray],
    part: str,
    keys: dict[str, str],
    class_names: np.ndarray | None,
    notes: list[str],
) -> RawPart:
    for role, usual in (("inputs", INPUT_NAMES), ("labels", LABEL_NAMES)):
        if role not in keys:
            raise ValueError(
                f"{path} must hold {role} of {part}, an array such as {usual[0]!r}. Got {_keys(arrays)}. "
                "For labels, --label names the array."
            )
    shapes = [shape_of(arrays, keys[role]) for role in ("inputs", "labels")]
    if shapes[0][:1] != shapes[1][:1]:
        numbers = [f"{shape[0]:,}" if shape else "a scalar" for shape in shapes]
        raise ValueError(
            f"{path} must hold one label for each input. Got {numbers[0]} in {keys['inputs']!r} and {numbers[1]} in "
            f"{keys['labels']!r}."
        )
    inputs, labels = arrays[keys["inputs"]], arrays[keys["labels"]]
    labels_from = f"the array {keys['labels']!r} of {path}"
    codes, names = named_labels(labels, labels_from, notes)
    raw = RawPart(
        codes, names, labels_from=labels_from, **inputs_of(inputs, f"the array {keys['inputs']!r} of {path}", notes)
    )
    if "groups" in keys:
        raw.groups = _groups(arrays[keys["groups"]], len(labels), path)
    if class_names is not None:
        _declare(raw, class_names, path)
    return raw


def _groups(groups: np.ndarray, samples: int, path: Path) -> np.ndarray:
    if groups.shape != (samples,):
        raise ValueError(f"{path} must hold one group for each sample, ({samples},). Got {groups.shape}.")
    names = [as_text(group) for group in groups.tolist()]
    if None in names:  # all that have none would be one group
        raise ValueError(f"{path} must hold a group for each sample. Sample {names.index(None)} has none.")
    return np.array(names, dtype=object)


def _declare(raw: RawPart, class_names: np.ndarray, path: Path) -> None:
    """Names that the file gives: labels are these, or indices into them."""
    given = tuple(as_text(name) or str(name) for name in class_names.tolist())
    if (places := first_repeated(given)) is not None:
        raise ValueError(
            f"{path} must hold each name once in `class_names`. Got {given[places[1]]!r} for {places[0]} and "
            f"{places[1]}: correct it."
        )
    if set(raw.names) <= set(given):
        place = {name: index for index, name in enumerate(given)}
        raw.codes = np.array([place[name] for name in raw.names], dtype=np.int64)[raw.codes]
    elif all(INTEGER.fullmatch(name) and 0 <= int(name) < len(given) for name in raw.names):
        raw.codes = np.array([int(name) for name in raw.names], dtype=np.int64)[raw.codes]
    else:
        raise ValueError(f"{path} must hold labels that `class_names` names. It has {len(given)} names, none for some.")
    raw.names, raw.declared, raw.labels_from = given, True, None


def _of_npy(path: Path, options: Options, notes: list[str]) -> RawPart:
    if options.label is None:
        raise ValueError(f"{path} must come with labels, in a file of their own: --label labels.npy.")
    labels = Path(options.label)
    if not labels.is_file() or labels.suffix.lower() != ".npy":
        raise ValueError(f"--label must name an .npy file of labels for {path}. Got {options.label}.")
    inputs, target = (_single(file) for file in (path, labels))
    keys = {"inputs": path.name, "labels": labels.name}
    return _of_keys(path, {path.name: inputs, labels.name: target}, "train", keys, None, notes)


def refuse_labels_of_train(data: Any, label: str | None, name: str) -> None:
    """Raise if the samples of another part, in an `.npy` file, would get the labels that are given for train.

    Raises:
        ValueError: they would.
    """
    if label is not None and isinstance(data, (str, os.PathLike)) and Path(data).suffix.lower() == ".npy":
        raise ValueError(
            f"`{name}` must hold labels of its own. {label} holds those of train. Save inputs and labels of {data} "
            "as one .npz file."
        )


def _load(path: Path) -> Mapping[str, np.ndarray]:
    """The arrays of an `.npz` file, each read when it is asked for, or that of an `.npy` file, named ""."""
    try:
        return {"": array_of_npy(path)} if is_npy(path) else ArrayFile(path, lambda key: _array(path, key))
    except (*UNREADABLE, OSError) as error:
        raise _damaged(path, error) from None


def _array(path: Path, key: str) -> np.ndarray:
    try:
        return array_of_npz(path, key)
    except (*UNREADABLE, OSError) as error:
        raise _damaged(path, error) from None


def _single(path: Path) -> np.ndarray:
    arrays = _load(path)
    if "" not in arrays:
        raise ValueError(f"{path} must hold one array. It is an .npz file with another suffix.")
    return arrays[""]


def _damaged(path: Path, error: Exception) -> ValueError:
    if isinstance(error, PickledError):
        return ValueError(
            f"{path} must hold plain arrays. It holds Python objects, which are not loaded: save strings with "
            "`np.array(names, dtype=str)`."
        )
    return ValueError(f"{path} must be a file of arrays. It is damaged: {error}. Fetch it again.")


def _keys(arrays: Mapping[str, np.ndarray]) -> str:
    return ", ".join(f"{key} {shape_of(arrays, key)}" for key in list(arrays)[:10]) or "no array"
