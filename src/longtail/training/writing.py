"""What a run says when its folder can't be written to, such as on a full disk."""

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
        raise OSError(
            f"{error.filename} could not be written: {error.strerror}. "
            f"{'The last checkpoint is kept. ' if folder.has_checkpoint else ''}Solve that and pass --resume."
        ) from error
