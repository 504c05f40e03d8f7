"""What a result depends on beside its configuration and seed: versions, threads and processor."""

from collections.abc import Iterable, Mapping
from typing import Any

UNKNOWN = "not recorded"
BEFORE = {"longtail": "0.1.0", "python": "3.11.7", "torch": "2.15.0", "numpy": "2.4.6"}
"""Of results from before each had its versions beside it; their processor was not recorded."""


def environment_of(versions: Mapping[str, str | None]) -> str:
    """Versions, threads and processor in one phrase."""
    packages = ("longtail", "python", "torch", "numpy", "scikit-learn")
    words = [f"{name} {versions[name]}" for name in packages if versions.get(name)]
    if versions.get("threads"):
        words.append("1 CPU thread" if str(versions["threads"]) == "1" else f"{versions['threads']} CPU threads")
    return f"{', '.join(words)}; processor: {processor_of(versions)}"


def processor_of(versions: Mapping[str, str | None]) -> str:
    return versions.get("gpu") or versions.get("processor") or UNKNOWN


def environments_of(results: Iterable[Mapping[str, Any]], before: Mapping[str, str]) -> str:
    """All environments that results name; those without versions are from `before`."""
    found = dict.fromkeys(environment_of(result.get("versions", before)) for result in results)
    return "; or ".join(found)
