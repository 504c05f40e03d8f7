"""Files of weights, read without executing anything that they hold."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from longtail.plain_tensors import load_plain

# What training scripts wrap a state dict in; averaged weights first, as timm prefers them.
ENTRIES = ("state_dict_ema", "model_ema", "state_dict", "model_state_dict", "model")


def read_weights(path: str | os.PathLike[str]) -> dict[str, Tensor]:
    """The tensors of a `.safetensors` file, or of one that `torch.save` wrote (`.pt`, `.pth`, `.bin`).

    Raises:
        OSError: no such file.
        ValueError: the file is damaged, holds objects other than tensors and plain values, or no named tensors.
        ModuleNotFoundError: safetensors is not installed.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"`weights` must be a file that exists. Got {path}.")
    content = _read_safetensors(path) if path.suffix == ".safetensors" else _read_torch(path)
    tensors = _tensors(content)
    if not tensors:
        raise ValueError(f"`weights` must hold a state dict, tensors by name. Got {path}, which holds none.")
    return tensors


def _tensors(content: object) -> dict[str, Tensor]:
    if not isinstance(content, Mapping):
        return {}
    for entry in ENTRIES:
        if isinstance(content.get(entry), Mapping):
            return _tensors(content[entry])
    return {str(name): value for name, value in content.items() if isinstance(value, Tensor)}


def _read_torch(path: Path) -> Any:
    try:
        return load_plain(path)
    except ValueError as error:
        raise ValueError(
            f"`weights` must be a file that torch.load(weights_only=True) can read. Got {path}, which is damaged or "
            "holds more than tensors. Save model.state_dict()."
        ) from error


def _read_safetensors(path: Path) -> dict[str, Tensor]:
    try:
        from safetensors import SafetensorError
        from safetensors.torch import load_file
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            f"`weights`: {path} needs safetensors: pip install 'longtail[train]'.", name="safetensors"
        ) from error
    try:
        return load_file(path)
    except (SafetensorError, OSError, ValueError) as error:
        raise ValueError(f"`weights` must be a safetensors file. Got {path}, which is damaged: {error}.") from error
