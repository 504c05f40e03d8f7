"""Importing Lightning Fabric without torchmetrics, which it imports for its version alone.

Together with torchvision and SciPy, which torchmetrics imports, that takes more than half of the import of Fabric.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib import metadata
from types import ModuleType


def import_fabric() -> None:
    """Import `lightning_fabric`, which later imports then find."""
    if "lightning_fabric" in sys.modules:
        return
    with suppress(ImportError, AttributeError), _version_alone("torchmetrics"):  # another Fabric may need more
        import lightning_fabric  # noqa: F401


@contextmanager
def _version_alone(package: str) -> Iterator[None]:
    """Let a package that is not imported yet be a module which holds its version and nothing else."""
    named = ModuleType(package)
    with suppress(metadata.PackageNotFoundError):
        named.__version__ = metadata.version(package)  # type: ignore[attr-defined]
        sys.modules.setdefault(package, named)
    try:
        yield
    finally:
        if sys.modules.get(package) is named:
            del sys.modules[package]
