"""A check that an argument is an open run, not its path."""

import os

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
