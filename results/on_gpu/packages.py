"""Packages that travel as wheels beside the data, for a machine that lacks them and has no network."""

import importlib.metadata
import zipfile
from pathlib import Path


def unpack_missing(wheels: Path, into: Path) -> list[str]:
    """Unpack each wheel, of pure Python, whose package is not installed; the names of those."""
    into.mkdir(parents=True, exist_ok=True)
    missing = [wheel for wheel in sorted(wheels.glob("*.whl")) if not _is_installed(wheel.name.split("-")[0])]
    for wheel in missing:
        with zipfile.ZipFile(wheel) as files:
            files.extractall(into)
    return [wheel.name for wheel in missing]


def _is_installed(name: str) -> bool:
    try:
        importlib.metadata.distribution(name)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True
