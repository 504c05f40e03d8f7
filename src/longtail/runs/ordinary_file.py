"""Files of a run folder must be ordinary files: through a link, resuming a run from elsewhere would write anywhere."""

import stat
from pathlib import Path

KINDS = ((stat.S_ISLNK, "a link"), (stat.S_ISDIR, "a folder"), (stat.S_ISFIFO, "a pipe"))


def ordinary(path: Path) -> Path:
    """The path, if there is an ordinary file or nothing.

    Raises:
        ValueError: a link, a folder, a pipe or a device.
    """
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return path
    if stat.S_ISREG(mode):
        return path
    kind = next((name for holds, name in KINDS if holds(mode)), "a device")
    advice = "Replace it by a copy of the file that it points to" if kind == "a link" else "Remove it"
    raise ValueError(f"{path} must be a file, and no link. It is {kind}. {advice}, or train the run again.")


def check_no_links(folder: Path) -> None:
    """Raise if a file or folder directly in a run folder is a link.

    Raises:
        ValueError: names the link.
    """
    for path in folder.iterdir():
        if path.is_symlink():
            ordinary(path)


def has_other_names(path: Path) -> bool:
    """Whether the file has hard links elsewhere, which would be changed together with it."""
    return path.exists() and path.stat().st_nlink > 1
