"""Files of arrays: npz, npy, pt. No code in them is executed."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from longtail.array_headers import UNREADABLE, ArrayFile, NotArraysError, is_npy, npy_header, npz_array
from longtail.data.tables.file import TABLES
from longtail.free_memory import free_memory
from longtail.plain_tensors import NotPlainError, load_plain
from longtail.repair.reading.memory import check_fits

MOST_BYTES_OF_A_NUMBER = 8
PICKLES = (".pkl", ".pickle", ".joblib", ".p")
SAVE_INSTEAD = "Save arrays: np.savez('predictions.npz', logits=logits, target=target, class_names=class_names)."
NAMES = "Labels and names must be arrays of dtype str: labels.astype(str)."


def read_arrays(path: Path) -> Mapping[str, Any]:
    """Read the arrays of a file, by name; an `.npy` file is memory-mapped and called `scores`.

    Those of an `.npz` file are an `ArrayFile`: each is read when it is asked for.

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
    except NotPlainError as error:
        raise ValueError(
            f"{path} could not be read: it is damaged, or holds objects other than tensors, which are never loaded. "
            "Save tensors: torch.save({'logits': logits, 'target': target}, 'predictions.pt')."
        ) from error
    except NotArraysError as error:
        raise ValueError(
            f"{path} could not be read: it is damaged, or holds pickled objects, which are never loaded. "
            f"{SAVE_INSTEAD} {NAMES}"
        ) from error
    except ValueError as error:
        if str(path) in str(error):
            raise
        raise ValueError(f"{path} could not be read: {error}.") from error
    except (*UNREADABLE, OSError) as error:
        raise ValueError(f"{path} could not be read: {' '.join(str(error).split()) or type(error).__name__}") from error


def plain(value: Any, where: str) -> Any:
    """Convert a tensor to an array of at least float32; return anything else unchanged.

    Raises:
        ValueError: a sparse, quantised or meta tensor, or one that does not fit into memory.
    """
    if not isinstance(value, torch.Tensor):
        return value
    if value.layout != torch.strided or value.is_quantized or value.is_meta:
        raise ValueError(f"{where} must hold plain tensors. Got a sparse, quantised or meta tensor.")
    if value.numel() * MOST_BYTES_OF_A_NUMBER > free_memory():  # strides of 0 make a large tensor of a few numbers
        raise ValueError(f"{where} must fit into memory. It holds a tensor of the shape {tuple(value.shape)}.")
    tensor = value.detach().cpu()
    return (
        tensor.to(torch.promote_types(tensor.dtype, torch.float32)) if tensor.is_floating_point() else tensor
    ).numpy()


def _npz(path: Path) -> ArrayFile:
    if is_npy(path):
        raise ValueError(f"{path} must hold several arrays by name. It is an .npy file with another suffix.")
    return ArrayFile(path, lambda name: read_safely(lambda own: npz_array(own, name), path))


def _npy(path: Path) -> dict[str, Any]:
    npy_header(path)
    return {"scores": np.load(path, mmap_mode="r", allow_pickle=False)}


def _pt(path: Path) -> dict[str, Any]:
    content = load_plain(path)
    if isinstance(content, (tuple, list)) and len(content) == 2:
        content = dict(zip(("scores", "target"), content, strict=True))
    if isinstance(content, torch.Tensor):
        content = {"scores": content}
    if not isinstance(content, dict):
        raise ValueError(f"{path} must hold tensors by name, or a pair (scores, labels). Got {type(content).__name__}.")
    return {str(name): plain(value, str(path)) for name, value in content.items()}


READERS = {".npz": _npz, ".npy": _npy, ".pt": _pt, ".pth": _pt}
