"""The files that people keep predictions in: npz, npy, pt, csv, parquet. Nothing in them is executed."""

import csv
import pickle
import struct
import zipfile
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

LABELS = ("label", "target", "labels", "y")
NO_CLASS = ("group", "weight")
UNREADABLE = (
    OSError,
    KeyError,
    EOFError,
    RuntimeError,
    TypeError,
    MemoryError,
    csv.Error,
    zlib.error,
    struct.error,
    pickle.UnpicklingError,
    zipfile.BadZipFile,
)


def read_file(path: Path, labels: Path | None = None) -> Mapping[str, Any]:
    """What a file holds, by name: scores under what they are called, labels, and what else there is.

    Raises:
        ValueError: a file of another kind, or damaged; a table without labels.
    """
    if path.suffix not in READERS:
        raise ValueError(f"`path` must be a run folder or end in {', '.join(READERS)}. Got {path}.")
    content: Mapping[str, Any] = _read(READERS[path.suffix], path)
    if labels is not None:
        if labels.suffix != ".npy" or not labels.is_file():
            raise ValueError(f"`labels` must be an .npy file that exists. Got {labels}.")
        content = {**content, "target": _read(lambda file: np.load(file, allow_pickle=False), labels)}
    return content


def _read(reader: Callable[[Path], Any], path: Path) -> Any:
    try:
        return reader(path)
    except UNREADABLE as error:
        raise ValueError(f"{path} could not be read: {' '.join(str(error).split()) or type(error).__name__}") from error
    except ValueError as error:
        if str(path) in str(error):
            raise
        raise ValueError(f"{path} could not be read: {error}") from error


def _npz(path: Path) -> dict[str, Any]:
    with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
        return {name: arrays[name] for name in arrays.files}


def _npy(path: Path) -> dict[str, Any]:
    return {"scores": np.load(path, mmap_mode="r", allow_pickle=False)}


def _pt(path: Path) -> dict[str, Any]:
    content = torch.load(path, map_location="cpu", weights_only=True)
    if not isinstance(content, dict):
        raise ValueError(f"{path} must hold tensors by name. Got {type(content).__name__}.")
    return {str(name): _plain(value, path) for name, value in content.items()}


def _plain(value: Any, path: Path) -> Any:
    if not isinstance(value, torch.Tensor):
        return value
    if value.layout != torch.strided or value.is_quantized or value.is_meta:
        raise ValueError(f"{path} must hold plain tensors. Got a sparse, quantised or empty one.")
    tensor = value.detach()
    return tensor.to(torch.promote_types(tensor.dtype, torch.float32)).numpy() if tensor.is_floating_point() else tensor


def _csv(path: Path) -> dict[str, Any]:
    with path.open(newline="", encoding="utf-8-sig") as file:
        rows = [row for row in csv.reader(file) if row]
    if len(rows) < 2:
        raise ValueError(f"{path} must hold a header and at least one row. Got {len(rows)} rows.")
    uneven = next((number for number, row in enumerate(rows, 1) if len(row) != len(rows[0])), None)
    if uneven is not None:
        raise ValueError(f"{path} must hold {len(rows[0])} cells a row. Row {uneven} has {len(rows[uneven - 1])}.")
    twice = next((name for name in rows[0] if rows[0].count(name) > 1), None)
    if twice is not None:
        raise ValueError(f"{path} must have columns of different names. It has {twice!r} twice.")
    return _columns(dict(zip(rows[0], zip(*rows[1:], strict=True), strict=True)), path)


def _parquet(path: Path) -> dict[str, Any]:
    try:
        import pandas as pd

        frame = pd.read_parquet(path)
    except ImportError as error:
        raise ValueError(f"{path} needs pandas and pyarrow to be read: {error}") from error
    return _columns({str(name): tuple(frame[name]) for name in frame.columns}, path)


def _columns(table: Mapping[str, tuple[Any, ...]], path: Path) -> dict[str, Any]:
    label = next((name for name in LABELS if name in table), None)
    if label is None:
        raise ValueError(f"{path} must have a column {' or '.join(LABELS)}. It has {', '.join(table)}.")
    classes = [name for name in table if name != label and name not in NO_CLASS]
    index = next((name for name in classes if not name.strip() or name.startswith("Unnamed:")), None)
    if index is not None:
        raise ValueError(
            f"{path} must have a name for each class. The column {index!r} has none: is it an index? "
            "Write the table without it (index=False)."
        )
    try:
        scores = np.array([table[name] for name in classes], dtype=np.float64).T
    except ValueError as error:
        raise ValueError(f"{path} must hold numbers in the columns of its classes: {error}.") from None
    content = {"scores": scores, "target": np.array([str(v) for v in table[label]]), "class_names": classes}
    if "weight" in table:
        content["sample_weight"] = _weights(table["weight"], path)
    return content | ({"groups": np.array(table["group"])} if "group" in table else {})


def _weights(column: tuple[Any, ...], path: Path) -> np.ndarray:
    try:
        return np.array(column, dtype=np.float64)
    except ValueError as error:
        raise ValueError(f"{path} must hold numbers in the column weight: {error}.") from None


READERS = {".npz": _npz, ".npy": _npy, ".pt": _pt, ".csv": _csv, ".parquet": _parquet}
