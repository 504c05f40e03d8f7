"""The data that a command reads again for a run."""

from pathlib import Path

from longtail.runs import RunFolder


def data_of_run(folder: RunFolder, given: Path | None, dataset: str) -> Path | None:
    """The path that `--data` names, or else the one that the run read; None for data that need none.

    Raises:
        ValueError: the data are not where they were.
    """
    data = given or origin_of(folder)
    if data is None and dataset != "digits":
        kept = (folder.data or {}).get("origin")
        where = f"{kept}, which it read, is missing" if kept else "It does not say where they were"
        raise ValueError(f"--data must name the data of {folder.path}. {where}.")
    return data


def origin_of(folder: RunFolder) -> Path | None:
    """The path that the run read, if it is still there; as a user types it where it is below the working directory."""
    origin, here = folder.origin, Path.cwd().resolve()
    return origin.relative_to(here) if origin is not None and origin.is_relative_to(here) else origin
