"""The run folder: written whole, read safely, versioned."""

from longtail.runs.folder import SCHEMA_VERSION, RunFolder
from longtail.runs.run_lock import RunInUseError
from longtail.runs.versions import current_versions, processor_name

__all__ = ["SCHEMA_VERSION", "RunFolder", "RunInUseError", "current_versions", "processor_name"]
