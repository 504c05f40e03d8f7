"""Tensors by name in a file that is written whole, and loaded without executing anything."""

import io
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from longtail.plain_tensors import NotPlainError, load_plain
from longtail.runs.json_file import damaged
from longtail.runs.ordinary_file import ordinary
from longtail.whole_file import write_whole


def save_tensors(path: Path, tensors: Mapping[str, Any]) -> None:
    """Write tensors and plain values, nested as `state_dict` gives them."""
    content = io.BytesIO()  # written straight to a full disk, torch's archive would hide the cause
    torch.save(dict(tensors), content)
    with write_whole(ordinary(path)) as file:
        file.write(content.getbuffer())


def load_tensors(path: Path) -> dict[str, Any]:
    """What was saved, on the CPU. Checksums are compared, which torch itself does not do.

    Raises:
        ValueError: the file is damaged, or holds something else.
    """
    if not zipfile.is_zipfile(ordinary(path)):
        raise damaged(path)
    try:
        tensors = load_plain(path)
    except NotPlainError as error:
        raise ValueError(f"{path} must hold tensors and plain values only. It holds something else.") from error
    except ValueError as error:
        raise damaged(path) from error
    if not isinstance(tensors, dict):
        raise damaged(path)
    return tensors
