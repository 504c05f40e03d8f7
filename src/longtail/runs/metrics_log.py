"""Metrics of a run as JSON lines, appended as training goes."""

import os
from io import RawIOBase
from pathlib import Path
from typing import Any

from longtail.plain_json import to_json
from longtail.runs.fields import Rules, check_fields, damaged_field, is_count, is_number, is_text
from longtail.runs.json_file import StoredObject, parsed, stored
from longtail.runs.ordinary_file import has_other_names, ordinary
from longtail.whole_file import write_whole

FIELDS: Rules = {"epoch": ("be a whole number", is_count)}


def append_line(path: Path, metrics: dict[str, float | int | str]) -> None:
    """Append one line; after a line that was cut off, begin a new one.

    A file with hard links elsewhere is replaced by a copy first, so that only the copy grows.

    Raises:
        OSError: the line could not be written whole; names the file.
    """
    line = to_json(metrics) + "\n"
    if has_other_names(ordinary(path)):
        _replace(path, path.read_bytes())
    try:
        with path.open("ab+", buffering=0) as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(size - 1, 0))
            _write_all(file, (line if file.read() in (b"", b"\n") else "\n" + line).encode())
            os.fsync(file.fileno())  # no checkpoint may be ahead of its metrics
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from error


def _write_all(file: RawIOBase, content: bytes) -> None:
    while content:  # a disk that is nearly full takes a part
        content = content[file.write(content) or 0 :]


def read_lines(path: Path) -> list[dict[str, Any]]:
    """All lines; one that was cut off by the end of the process is left out.

    Raises:
        ValueError: a value of a line is of another kind.
    """
    lines = path.read_text(errors="replace").split("\n") if ordinary(path).exists() else []
    return [_checked(stored(metrics, path)) for metrics in map(parsed, lines) if metrics is not None]


def _checked(line: StoredObject) -> StoredObject:
    check_fields(line, FIELDS, line.path)
    for name, value in line.items():
        if not (value is None or is_number(value) or is_text(value)):
            raise damaged_field(line.path, name, "be a number, text or null", value)
    return line


def drop_lines_from(path: Path, epoch: int) -> None:
    """Drop the lines of `epoch` and later ones."""
    kept = [to_json(line) + "\n" for line in read_lines(path) if line.get("epoch", 0) < epoch]
    _replace(path, "".join(kept).encode())


def _replace(path: Path, content: bytes) -> None:
    with write_whole(path) as file:
        file.write(content)
