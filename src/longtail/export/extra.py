"""The packages of the extra `export`, or a clear error."""

import importlib
from typing import Any


def of_the_extra(name: str) -> Any:
    """Import a package of the extra.

    Raises:
        ModuleNotFoundError: it is missing; the message says what to install.
    """
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            f"The export needs {error.name}: install longtail with its extra `export`", name=error.name
        ) from error
