"""Features that are kept between runs, each file named by a hash of all that its content depends on."""

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from longtail.whole_file import write_whole


def cache_folder() -> Path:
    """Where features are kept: in the folder that the environment variable LONGTAIL_CACHE names, if it is set."""
    base = (
        os.environ.get("LONGTAIL_CACHE")
        or Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "longtail"
    )
    return Path(base) / "features"


def cached(key: str, number: int, compute: Callable[[], Tensor]) -> Tensor:
    """The features of that key, from the cache, or computed and put there.

    Args:
        key: of everything that they depend on.
        number: of samples; a file of other content is replaced.
        compute: called where there is no such file.

    Raises:
        OSError: the cache can't be written. A folder that can't be used is found before anything is computed.
    """
    path = cache_folder() / f"{key}.npy"
    kept = _load(path, number)
    if kept is not None:
        return kept
    try:
        _make_folder(path.parent)
        features = compute()
        with write_whole(path) as file:
            np.save(file, features.cpu().numpy())
    except OSError as error:
        if error.filename is None or not str(error.filename).startswith(str(path.parent)):
            raise  # of a file that was read
        raise OSError(
            f"Features could not be kept in {path.parent}: {error.strerror or error}. Make room there, or name "
            "another folder in the environment variable LONGTAIL_CACHE."
        ) from error
    return features


def _load(path: Path, number: int) -> Tensor | None:
    try:
        features = torch.from_numpy(np.load(path))
    except (OSError, ValueError, EOFError):  # missing or damaged
        return None
    return features if features.dim() == 2 and len(features) == number else None


def _make_folder(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    if not os.access(folder, os.W_OK):
        raise PermissionError(13, "Permission denied", str(folder))
