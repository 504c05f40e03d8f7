"""The commit that the results of a script are of."""

import subprocess
from pathlib import Path


def current_commit() -> str | None:
    """The commit that these scripts are at; None outside a checkout of git."""
    head = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, cwd=Path(__file__).parent)
    return head.stdout.strip() or None
