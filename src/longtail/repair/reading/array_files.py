"""Files of arrays: npz, npy, pt. No code in them is executed."""

import pickle
import struct
import zipfile
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from longtail.data.table_file import TABLES
from longtail.repair.reading.memory import check_fits

PICKLES = (".pkl", ".pickle", ".joblib", ".p")
UNREADABLE = (
    OSError,
    KeyError,
    EOFError,
    RuntimeError,
    TypeError,
    MemoryError,
    zlib.error,
    struct.error,
    zipfile.BadZipFile,
)
SAVE_INSTEAD = "Save arrays: np.savez('predictions.npz', logits=logits, target=target, class_names=class_names)."
NAMES = "Labels and names must be arrays of dtype str: labels.astype(str)."


def read_arrays(path: Path) -> Mapping[str, Any]:
    """Read the arrays of a file, by name; an `.npy` file is memory-mapped and called `scores`.

    Raises:
        ValueError: an unknown or damaged file, one with pickled objects, or one that does not fit into memory.
    """
    suffix = path.suffix.lower()
    if suffix in PICKLES:
        raise ValueError(f"{path} is a pickle, which can run any code when it is loaded. {SAVE_INSTEAD}")
    if suffix not in READERS:
        kinds = ", ".join((*READERS, *TABLES))
        raise ValueError(f"`path` must be a run folder or end in {kinds} (tables may be compressed). Got {path}.")
    if suffix != ".npy":
        check_fits(path)
    content: Mapping[str, Any] = read_safely(READERS[suffix], path)
    return content


def read_safely(reader: Callable[[Path], Any], path: Path) -> Any:
    """Call `reader` on a file, and name the file in errors.

    Raises:
        ValueError: the file is damaged.
    """
    try:
        return reader(path)
    except pickle.UnpicklingError as error:
        raise ValueError(
            f"{path} could not be read: it is damaged, or holds objects other than tensors, which are never loaded. "
            "Save tensors: torch.save({'logits': logits, 'target': target}, 'predictions.pt')."
        ) from error
    except UNREADABLE as error:
        raise ValueError(f"{path} could not be read: {' '.join(str(error).split()) or type(error).__name__}") from error
    except ValueError as error:
        if str(path) in str(error):
            raise
        reason = f"{error}."
        if "allow_pickle" in str(error) or "memory-mapped" in str(error):
            reason = f"it is damaged, or holds pickled objects, which are never loaded. {SAVE_INSTEAD} {NAMES}"
        raise ValueError(f"{path} could not be read: {reason}") from error


def plain(value: Any, where: str) -> Any:
    """Convert a tensor to an array of at least float32; return anything else unchanged.

    Raises:
        ValueError: a sparse, quantised or meta tensor.
    """
    if not isinstance(value, torch.Tensor):
        return value
    if value.layout != torch.strided or value.is_quantized or value.is_meta:
        raise ValueError(f"{where} must hold plain tensors. Got a sparse, quantised or meta tensor.")
    tensor = value.detach().cpu()
    return (
        tensor.to(torch.promote_types(tensor.dtype, torch.float32)) if tensor.is_floating_point() else tensor
    ).numpy()


def _npz(path: Path) -> dict[str, Any]:
    with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
        if not hasattr(arrays, "files"):
            raise ValueError(f"{path} must hold several arrays by name. It is an .npy file with another suffix.")
        return {name: arrays[name] for name in arrays.files}


def _npy(path: Path) -> dict[str, Any]:
    return {"scores": np.load(path, mmap_mode="r", allow_pickle=False)}


def _pt(path: Path) -> dict[str, Any]:
    content = torch.load(path, map_location="cpu", weights_only=True)
    if isinstance(content, (tuple, list)) and len(content) == 2:
        content = dict(zip(("scores", "target"), content, strict=True))
    if isinstance(content, torch.Tensor):
        content = {"scores": content}
    if not isinstance(content, dict):
        raise ValueError(f"{path} must hold tensors by name, or a pair (scores, labels). Got {type(content).__name__}.")
    return {str(name): plain(value, str(path)) for name, value in content.items()}


READERS = {".npz": _npz, ".npy": _npy, ".pt": _pt, ".pth": _pt}
