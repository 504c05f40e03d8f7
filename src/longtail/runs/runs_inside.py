"""Runs in a folder that is no run itself, such as that of a comparison."""

from pathlib import Path


def runs_inside(path: Path) -> str:
    """A sentence that names one of the runs in a folder; empty if there are none.

    Example:
        >>> import tempfile
        >>> runs_inside(Path(tempfile.mkdtemp()))
        ''
    """
    runs = sorted(file.parent for file in path.glob("*/run.json") if not file.parent.is_symlink())
    if not runs:
        return ""
    number = "a run" if len(runs) == 1 else f"{len(runs)} runs"
    return f"It holds {number}, such as {runs[0]}."
