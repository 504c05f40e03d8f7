"""What a result depends on beside its configuration and seed: versions, threads and processor."""

from collections.abc import Mapping

UNKNOWN = "not recorded"


def environment_of(versions: Mapping[str, str | None]) -> str:
    """Versions, threads and processor in one phrase."""
    packages = ("longtail", "python", "torch", "numpy", "scikit-learn")
    words = [f"{name} {versions[name]}" for name in packages if versions.get(name)]
    if versions.get("threads"):
        words.append("1 CPU thread" if str(versions["threads"]) == "1" else f"{versions['threads']} CPU threads")
    return f"{', '.join(words)}; processor: {processor_of(versions)}"


def processor_of(versions: Mapping[str, str | None]) -> str:
    return versions.get("gpu") or versions.get("processor") or UNKNOWN
