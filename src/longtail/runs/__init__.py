"""The run folder: written whole, read safely, versioned."""

from longtail.runs.folder import SCHEMA_VERSION, RunFolder, RunInUseError, current_versions

__all__ = ["SCHEMA_VERSION", "RunFolder", "RunInUseError", "current_versions"]
