"""Checks that an argument is an open run, not its path, and that the run is complete."""

import os
from typing import Any

from longtail.runs.folder import RunFolder


def check_run(name: str, value: object) -> None:
    """Raise unless `value` is a `RunFolder`.

    Args:
        name: of the argument, for the error.
        value: what it was given.

    Raises:
        TypeError: it is a path, or something else.
    """
    if not isinstance(value, RunFolder):
        path = repr(os.fspath(value)) if isinstance(value, (str, os.PathLike)) else "path"
        raise TypeError(
            f"`{name}` must be a RunFolder. Got {value!r} ({type(value).__name__}). Pass `RunFolder.open({path})`, "
            "from longtail.runs."
        )


def complete_result(name: str, run: RunFolder) -> dict[str, Any]:
    """The result of a run that must be complete.

    Args:
        name: of the argument, for the error.
        run: what it was given.

    Raises:
        TypeError: it is a path, or something else.
        ValueError: the run is not complete, or its result is damaged.
    """
    check_run(name, run)
    result = run.result
    if result is None:
        raise ValueError(f"`{name}` must be a complete run. Got {run.path}, which has no result yet. Resume it.")
    return result
