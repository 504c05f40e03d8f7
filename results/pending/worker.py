"""One run of the queue, in a process of its own: `python worker.py TASK`, a `Task` as JSON.

The process ends with one of the codes of `pending.task`; its last line on standard error says why. It stops as on
Ctrl-C when its standard input ends, which happens when the queue is killed.
"""

import dataclasses
import json
import os
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT / "src"), str(ROOT / "results")]

from longtail.runs import RunFolder, RunInUseError  # noqa: E402
from longtail.training import Callback, TrainingDivergedError, run_experiment  # noqa: E402
from longtail.whole_file import write_whole  # noqa: E402
from pending.entries import Entry  # noqa: E402
from pending.fingerprint import fingerprint, seconds_of  # noqa: E402
from pending.task import COMPLETE, DIVERGED, REFUSED, STOPPED, TOO_LONG, Task  # noqa: E402

NICENESS = 19


def compute(task: Task) -> int:
    """Compute the fingerprint, then the run if it is resumed or there is time for it."""
    entry = Entry(**task.entry)
    first = None if task.first_stage is None else RunFolder.open(task.first_stage)
    config = dataclasses.replace(entry.config(first), device=task.device, threads=task.threads)
    data = None if config.dataset == "digits" else _loaded(task.data)  # digits come with scikit-learn
    say("fingerprint: one epoch with seed 0")
    found = fingerprint(config, data, Path(task.fingerprints), first)
    with write_whole(f"{task.out}.fingerprint.json") as file:
        file.write(json.dumps(found).encode())
    if task.deadline is None:
        return COMPLETE
    needed = seconds_of(config, found["epoch_seconds"], found["seconds"])
    if not Path(task.out).exists() and time.time() + needed > task.deadline:
        say(f"needs {needed / 60:.0f} minutes")
        return TOO_LONG
    run_experiment(config, data=data, out=task.out, resume=True, callbacks=_callbacks(entry), first_stage=first)
    return COMPLETE


def say(words: object) -> None:
    """One line on standard error, which is the log of the run."""
    print(" ".join(str(words).split()), file=sys.stderr, flush=True)


def _callbacks(entry: Entry) -> list[Callback]:
    from longtail.analysis.gradient_recorder import GradientRecorder
    from longtail.training.progress import ProgressReport

    return [ProgressReport(), *([GradientRecorder()] if entry.gradients else [])]


def _loaded(data: str | None) -> Any:
    """The folder of the data, or packed images."""
    if data is None or not Path(data).is_file():
        return data
    from packed_images import read_pack

    return read_pack(Path(data))


def _stop_with_the_queue() -> None:
    while os.read(0, 1024):  # unbuffered: a thread in a buffer's read would keep the process from ending
        pass
    os.kill(os.getpid(), signal.SIGTERM)


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt("Stopped.")


def main(task: Task) -> int:
    """Compute, and turn errors into a line and a code."""
    os.nice(NICENESS)
    signal.signal(signal.SIGTERM, _interrupt)
    threading.Thread(target=_stop_with_the_queue, daemon=True).start()
    try:
        return compute(task)
    except TrainingDivergedError as error:
        say(error)
        return DIVERGED
    except (ValueError, OSError, RunInUseError) as error:
        say(error)
        return REFUSED
    except KeyboardInterrupt as error:
        say(error)
        return STOPPED


if __name__ == "__main__":
    sys.exit(main(Task(**json.loads(sys.argv[1]))))
