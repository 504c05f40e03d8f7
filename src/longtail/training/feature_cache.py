"""A cache of features between runs, whose files are named by a hash of all that their content depends on."""

import errno
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from longtail.array_headers import UNREADABLE, npy_header
from longtail.cache_folder import cache_folder
from longtail.training.ranks import ALONE, Ranks
from longtail.whole_file import LEFT_SECONDS, free_bytes, remove_parts, write_whole


def cached(key: str, shape: tuple[int, int], compute: Callable[[], Tensor], ranks: Ranks = ALONE) -> Tensor:
    """The features of a key, from the cache, or computed and added to it.

    Of several ranks the first reads and writes the cache, which the others need not see.

    Args:
        key: a hash of everything that they depend on.
        shape: (N, D) of the features; a file with another number of samples is replaced.
        compute: computes the features (N, D) if there is no such file; called by all ranks.
        ranks: by default this process alone.

    Raises:
        OSError: the cache can't be written; an unusable folder and one without the room for them are refused before
            anything is computed.
    """
    path = cache_folder("features") / f"{key}.npy"
    kept = _load(path, shape[0]) if ranks.first else None
    if ranks.from_first(kept is not None):
        return ranks.tensor_from_first(kept)
    try:
        if ranks.first:
            _make_folder(path.parent, room=4 * shape[0] * shape[1])
        features = compute()
        if ranks.first:
            with write_whole(path) as file:
                np.save(file, features.cpu().numpy())
    except OSError as error:
        if error.filename is None or not str(error.filename).startswith(str(path.parent)):
            raise  # an image file could not be read
        raise OSError(
            f"Features could not be kept in {path.parent}: {error.strerror or error}. Make room there, or name "
            "another folder in the environment variable LONGTAIL_CACHE."
        ) from error
    return features


def _load(path: Path, number: int) -> Tensor | None:
    try:
        header = npy_header(path)
        if len(header.shape) != 2 or header.shape[0] != number or header.dtype.kind != "f":
            return None
        return torch.from_numpy(np.load(path, allow_pickle=False))
    except (OSError, *UNREADABLE):  # missing or damaged
        return None


def _make_folder(folder: Path, room: int) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    remove_parts(folder, LEFT_SECONDS)
    if not os.access(folder, os.W_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(folder))
    if (free := free_bytes(folder)) < room:  # the features would have been computed for nothing
        raise OSError(errno.ENOSPC, f"they take {room / 1e6:,.1f} MB, and {free / 1e6:,.1f} MB are free", str(folder))
