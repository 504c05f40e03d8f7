"""One section in a process of its own: `python -m on_gpu.section NAME JOB FILE`.

FILE is written again after each finding, so that whatever ends the process leaves what was found before.
"""

import importlib
import sys
import traceback
from pathlib import Path
from typing import Any

from longtail.plain_json import to_json
from longtail.whole_file import write_whole
from on_gpu.job import Job


def main(name: str, job: Job, file: Path) -> int:
    found: dict[str, Any] = {"findings": {}}
    try:
        for key, value in importlib.import_module(f"on_gpu.{name}").findings(job):
            found["findings"][key] = value
            _write(file, found)
    except Exception:  # whatever it is, it belongs in the record
        traceback.print_exc()
        _write(file, {**found, "error": traceback.format_exc()})
        return 1
    return 0


def _write(file: Path, found: dict[str, Any]) -> None:
    with write_whole(file) as written:
        written.write(to_json(found).encode())


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], Job.from_json(sys.argv[2]), Path(sys.argv[3])))
