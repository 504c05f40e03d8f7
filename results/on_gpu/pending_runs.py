"""The rest of the time: `results/run_pending.py` computes the runs that wait, as many at once as was found best."""

import sys
import time
from pathlib import Path

from on_gpu.job import Job
from on_gpu.processes import Watched
from on_gpu.record import Record

NAME = "pending_runs"
SCRIPT = Path(__file__).resolve().parents[1] / "run_pending.py"
SECONDS_BETWEEN_LOOKS = 1.0
SECONDS_TO_START = 10.0  # before run_pending.py counts its minutes
SECONDS_TO_END = 5.0  # between its end and that of this script
LEAST_SECONDS = 30.0
PATIENCE = 3.0
TINY_MINUTES = 1.5
TINY_LIST = """
[[group]]
name = "tiny-{seed}"
why = "to try the script"
recipe = "cifar10-lt"
each = { seed = [0] }
[group.settings]
imbalance = 4
model = "resnet8-cifar"
batch_size = 16
epochs = 1
precision = "float32"
seed = "{seed}"
"""


def run_pending(job: Job, record: Record, commit: str, deadline: float, environment: dict[str, str]) -> None:
    """Compute runs until the time is over, and keep each when it has finished."""
    seconds = 60 * TINY_MINUTES if job.tiny else deadline - time.monotonic() - SECONDS_TO_END
    if seconds < LEAST_SECONDS:
        record.keep_section(NAME, state="left out", findings={"seconds_left": seconds})
        record.say(f"{NAME}: left out, {seconds:.0f} s are left")
        return
    results = Path(job.work) / "finished"
    results.mkdir()
    record.say(f"{NAME} begins, {_jobs(job, record)} at once")
    record.keep_section(NAME, state="running", findings={"jobs": _jobs(job, record)})
    watched = Watched(_command(job, record, commit, seconds, results), seconds, record.log, environment)
    try:
        while watched.code is None and not watched.is_late:
            time.sleep(SECONDS_BETWEEN_LOOKS)
            record.keep_runs(results)
    finally:
        code = watched.code
        watched.end(PATIENCE)
        record.keep_runs(results)
        state = {None: "cut off", 0: "complete"}.get(code, "failed")
        found = {"jobs": _jobs(job, record), "finished": sorted(record.runs), "exit_code": code}
        record.keep_section(NAME, state=state, seconds=watched.seconds(), findings=found)
        record.say(f"{NAME}: {state} after {watched.seconds():.0f} s, {len(record.runs)} runs finished")


def _command(job: Job, record: Record, commit: str, seconds: float, results: Path) -> list[str]:
    told = {
        "--commit": commit,
        "--device": job.device,
        "--jobs": _jobs(job, record),
        "--minutes": round((seconds - SECONDS_TO_START) / 60, 2),
        "--data": job.pack,
        "--work": Path(job.work) / "pending",
        "--results": results,
        **({"--pending": _tiny_list(job)} if job.tiny else {}),
    }
    arguments = [word for name, value in told.items() for word in (name, str(value))]
    return [sys.executable, str(SCRIPT), "--here", *arguments]


def _jobs(job: Job, record: Record) -> int:
    """As many as was found best; a guess where that section did not come so far."""
    found = record.content["sections"].get("at_once", {}).get("findings", {})
    return int(found.get("jobs", 4 if job.device == "cuda" else 1))


def _tiny_list(job: Job) -> Path:
    path = Path(job.work) / "pending.toml"
    path.write_text(TINY_LIST)
    return path
