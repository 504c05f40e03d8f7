"""Only regular files are read: opening a pipe waits until somebody writes to it, which may be for ever."""

from pathlib import Path


def check_regular(path: Path) -> None:
    """Raise if the path is a folder, a pipe or a device; what to do about a missing file is up to its reader.

    Raises:
        ValueError: names the path.

    Example:
        >>> check_regular(Path("/dev/null"))
        Traceback (most recent call last):
        ValueError: /dev/null must be a file. It is a pipe or a device. Copy its content to a file.
    """
    if path.is_dir():
        raise ValueError(f"{path} must be a file. It is a folder.")
    if path.exists() and not path.is_file():
        raise ValueError(f"{path} must be a file. It is a pipe or a device. Copy its content to a file.")
