"""Copies of a commit, from which runs are computed, so that editing the checkout does not disturb them."""

import io
import shutil
import subprocess
import tarfile
from pathlib import Path


def head_of(repository: Path) -> str:
    """The commit that a checkout is at.

    Raises:
        ValueError: it is no checkout of git.
    """
    try:
        return _git(repository, "rev-parse", "HEAD").decode().strip()
    except (OSError, subprocess.CalledProcessError):
        raise ValueError(
            f"{repository} must be a git checkout, whose commit the results name. It is not: pass --here --commit SHA."
        ) from None


def copy_of(commit: str, repository: Path, folder: Path) -> Path:
    """The files of a commit in `folder`/COMMIT, written there if they are not there yet.

    Raises:
        ValueError: the repository does not have the commit.
    """
    copy = folder / commit
    if copy.is_dir():
        return copy
    try:
        archive = _git(repository, "archive", "--format=tar", commit)
    except (OSError, subprocess.CalledProcessError):
        raise ValueError(f"{repository} must hold the commit {commit}. It does not.") from None
    part = folder / f".{commit}.part"
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    with tarfile.open(fileobj=io.BytesIO(archive)) as files:
        files.extractall(part, filter="data")
    part.rename(copy)
    return copy


def _git(repository: Path, *arguments: str) -> bytes:
    return subprocess.run(["git", "-C", repository, *arguments], check=True, capture_output=True).stdout
