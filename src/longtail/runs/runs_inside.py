"""Runs in a folder that is no run itself, such as that of a comparison, and beside one that is missing."""

import difflib
from pathlib import Path


def runs_inside(path: Path) -> str:
    """A sentence that names one of the runs in a folder; empty if there are none.

    Example:
        >>> import tempfile
        >>> runs_inside(Path(tempfile.mkdtemp()))
        ''
    """
    return _some(_runs(path), "It")


def runs_beside(path: Path) -> str:
    """A sentence that names the run of the most similar name in the folder of a missing one, or else any of its runs.

    Example:
        >>> import tempfile
        >>> runs_beside(Path(tempfile.mkdtemp()) / "run")
        ''
    """
    runs = _runs(path.parent)
    near = difflib.get_close_matches(path.name, [run.name for run in runs], n=1)
    return f"Did you mean {path.parent / near[0]}?" if near else _some(runs, str(path.parent))


def _runs(path: Path) -> list[Path]:
    return sorted(file.parent for file in path.glob("*/run.json") if not file.parent.is_symlink())


def _some(runs: list[Path], holder: str) -> str:
    if not runs:
        return ""
    number = "a run" if len(runs) == 1 else f"{len(runs)} runs"
    return f"{holder} holds {number}, such as {runs[0]}."
