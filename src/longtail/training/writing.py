"""Errors of a run whose folder can't be written to, such as on a full disk."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from longtail.runs import RunFolder


@contextmanager
def write_errors(folder: RunFolder) -> Iterator[None]:
    """Add to the error of a file of the run that the run can be resumed.

    Raises:
        OSError: a file of the run could not be written within the block.
    """
    try:
        yield
    except OSError as error:
        if error.filename is None or folder.path.resolve() not in Path(error.filename).resolve().parents:
            raise
        raise not_written(f"{error.filename} could not be written", folder, error) from error


def not_written(said: str, folder: RunFolder, error: OSError) -> OSError:
    """The error that says what could not be written, why, and how to resume the run."""
    kept = "The last checkpoint is kept. " if folder.has_checkpoint else ""
    return OSError(f"{said}: {error.strerror}. {kept}Solve that and pass --resume (in Python resume=True).")
