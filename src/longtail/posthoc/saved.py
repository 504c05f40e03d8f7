"""JSON files with a format, a version, parameters and lists of numbers."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from longtail.free_memory import free_memory
from longtail.plain_json import to_json
from longtail.regular_file import check_regular
from longtail.whole_file import write_whole

LARGEST = 1e300
MEMORY_OF_JSON = 16  # bytes of memory at the peak of reading a byte of the file
Method = TypeVar("Method")


def write_saved(path: str | os.PathLike[str], content: Mapping[str, Any]) -> Path:
    """Write what `read_saved` reads, atomically.

    Raises:
        OSError: the file can't be written.
    """
    with write_whole(path) as file:
        file.write(to_json(content, indent=1).encode())
    return Path(path)


def read_saved(path: Path, kind: str, version: int, oldest: int | None = None) -> dict[str, Any]:
    """The content of a JSON file of a given format and version. No code in it is executed.

    Args:
        path: path of the file.
        kind: its format.
        version: the newest supported version.
        oldest: the oldest supported version; by default `version`.

    Raises:
        FileNotFoundError: no such file.
        ValueError: not such a file, of another version, or damaged.
    """
    check_regular(path)
    if not path.exists():
        raise FileNotFoundError(f"`path` must name a file written by `save`. Got {path}, which is missing.")
    if path.stat().st_size > free_memory() // MEMORY_OF_JSON:
        raise ValueError(f"`path` must fit into memory. Got {path}, which does not.")
    try:
        content = json.loads(path.read_bytes(), parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        content = None
    if not isinstance(content, dict) or content.get("format") != kind:
        raise ValueError(f"`path` must name a file written by `save`. Got {path}, which is not one or is damaged.")
    found = content.get("version")
    if type(found) is not int or not (version if oldest is None else oldest) <= found <= version:
        raise ValueError(
            f"`path` must hold version {version} of the format. Got version {found} in {path}. "
            "Was it written by a newer longtail?"
        )
    return content


def made_of(parameters: dict[str, Any], kind: type[Method], path: str | os.PathLike[str]) -> Method:
    """A method with the parameters of a file.

    Raises:
        ValueError: they are not those of its kind.
    """
    try:
        return kind(**parameters)
    except TypeError as error:
        raise ValueError(f"`path` must hold the parameters of {kind.__name__}: {error}, in {path}.") from None


def is_number(value: Any) -> bool:
    """Whether a value of JSON is a finite number that a float holds."""
    return type(value) in (int, float) and abs(value) < LARGEST


def number_within(content: dict[str, Any], name: str, low: float, high: float, path: Path) -> float:
    """One number in [low, high].

    Raises:
        ValueError: anything else.
    """
    value = content.get(name)
    if not is_number(value) or not low <= float(value or 0) <= high:
        raise ValueError(f"{path} must hold a {name} between {low:g} and {high:g}. Got {value!r}.")
    return float(value or 0)


def numbers(content: dict[str, Any], name: str, length: int, path: Path) -> np.ndarray:
    """A list of finite numbers, one per class, (C,) float64.

    Raises:
        ValueError: anything else.
    """
    values = content.get(name)
    if not isinstance(values, list) or len(values) != length or not all(map(is_number, values)):
        raise ValueError(f"{path} must hold one finite number per class as {name}, {length} in all. It does not.")
    return np.array(values, dtype=np.float64)


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")
