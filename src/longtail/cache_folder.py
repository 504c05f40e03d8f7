"""The folder for files that can be made again: features, compiled kernels."""

import os
from pathlib import Path


def cache_folder(content: str) -> Path:
    """The folder for one kind of content: in that of the environment variable LONGTAIL_CACHE, or in the user's cache.

    Raises:
        RuntimeError: neither is named, and the user has no home.
    """
    if base := os.environ.get("LONGTAIL_CACHE"):
        return Path(base) / content
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "longtail" / content
