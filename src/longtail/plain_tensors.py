"""Files of `torch.save` with tensors and plain values, loaded without executing anything that they hold."""

import pickle
import warnings
import zipfile
from pathlib import Path
from typing import Any

import torch


class NotPlainError(ValueError):
    """The file holds objects other than tensors and plain values, or is damaged so that it seems to."""


def load_plain(path: Path) -> Any:
    """The content of a file, on the CPU.

    Checksums are compared, which torch itself does not do. What torch says about a file that it refuses is not passed
    on: it recommends to load the file without this safety.

    Raises:
        NotPlainError: other objects than tensors and plain values.
        ValueError: the file is damaged, or its content is compressed, as `torch.save` never does.
        OSError: the file can't be read.
    """
    try:
        if zipfile.is_zipfile(path):
            _check_archive(path)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of archives of TorchScript and protocols of pickle
            return torch.load(path, map_location="cpu", weights_only=True)
    except OSError:
        raise
    except pickle.UnpicklingError:
        raise NotPlainError("it holds objects other than tensors, which are never loaded, or is damaged") from None
    except Exception:  # arbitrary bytes make the unpickler raise anything
        raise ValueError("it is damaged, or no file of tensors by torch.save") from None


def _check_archive(path: Path) -> None:
    with zipfile.ZipFile(path) as archive:
        if any(member.compress_type != zipfile.ZIP_STORED for member in archive.infolist()):
            raise ValueError("compressed")
        if archive.testzip() is not None:
            raise ValueError("another checksum")
