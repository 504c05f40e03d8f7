"""What the queue tells a worker, and how a worker ends."""

from dataclasses import dataclass
from typing import Any

COMPLETE, REFUSED, DIVERGED, TOO_LONG, STOPPED = 0, 2, 3, 4, 130


@dataclass(frozen=True)
class Task:
    """One run.

    Attributes:
        entry: the fields of an `Entry`.
        out: the run folder, resumed where it exists; the fingerprint is written beside it, to OUT.fingerprint.json.
        fingerprints: the folder that keeps the fingerprints of this commit on this processor.
        data: the folder of the data sets, or a file that `results/pack_data.py` wrote.
        first_stage: the run folder of the first stage.
        device: cpu or cuda.
        threads: of the CPU.
        deadline: when a new run must be complete, in seconds since the epoch; None computes the fingerprint alone.
    """

    entry: dict[str, Any]
    out: str
    fingerprints: str
    data: str | None = None
    first_stage: str | None = None
    device: str = "cpu"
    threads: int = 1
    deadline: float | None = None
