"""One epoch of a configuration with seed 0: what it computes, as a hash of the test logits, and how long it takes.

Two commits whose hashes agree on one processor compute the same, so that their runs may stand in one row of a table.
"""

import dataclasses
import hashlib
import json
import shutil
import time
from pathlib import Path
from typing import Any

from filelock import FileLock

from longtail.plain_json import to_json
from longtail.runs import RunFolder
from longtail.training import SecondStageConfig, TrainingConfig, TrainingDivergedError, run_experiment
from longtail.whole_file import write_whole

OF_THE_RUN = ("seed", "threads", "processes", "device")


def row_of(config: TrainingConfig) -> str:
    """A short name of all settings that runs of one table row share."""
    shared = {name: value for name, value in dataclasses.asdict(config).items() if name not in OF_THE_RUN}
    return hashlib.sha256(json.dumps(shared, sort_keys=True).encode()).hexdigest()[:16]


def fingerprint(config: TrainingConfig, data: Any, folder: Path, first_stage: RunFolder | None) -> dict[str, Any]:
    """The hash after one epoch, and its seconds; computed once for a folder and kept there.

    Args:
        config: of the run; the seed and the number of epochs are not taken from it.
        data: of the run.
        folder: one for a commit and a processor.
        first_stage: of a second stage.
    """
    row = row_of(config)
    folder.mkdir(parents=True, exist_ok=True)
    kept = kept_fingerprint(config, folder)
    with FileLock(folder / f"{row}.lock"):  # another queue may be computing it
        if not kept.exists():
            content = _measured(config, data, folder / row, first_stage)
            with write_whole(kept) as file:
                file.write(to_json(content).encode())
    found: dict[str, Any] = json.loads(kept.read_text())
    return found


def kept_fingerprint(config: TrainingConfig, folder: Path) -> Path:
    """The file of a fingerprint that was computed before, if it was."""
    return folder / f"{row_of(config)}.json"


def _measured(config: TrainingConfig, data: Any, folder: Path, first_stage: RunFolder | None) -> dict[str, Any]:
    if config.device == "cuda":
        _one_epoch(config, data, folder, first_stage)  # the first epoch of a process loads kernels, the second is timed
    start = time.monotonic()
    try:
        run = _one_epoch(config, data, folder, first_stage)
        logits, _ = run.load_predictions("test")
        digest = hashlib.sha256(logits.tobytes()).hexdigest()[:16]
        epoch_seconds = sum(line["seconds"] for line in run.metrics)  # none in a second stage that trains nothing
    except TrainingDivergedError:  # the run itself will say so
        digest, epoch_seconds = "diverged", time.monotonic() - start
    shutil.rmtree(folder)
    return {"hash": digest, "epoch_seconds": epoch_seconds, "seconds": round(time.monotonic() - start, 3)}


def _one_epoch(config: TrainingConfig, data: Any, folder: Path, first_stage: RunFolder | None) -> RunFolder:
    shutil.rmtree(folder, ignore_errors=True)
    epochs = min(1, config.epochs) if isinstance(config, SecondStageConfig) else 1
    short = dataclasses.replace(config, seed=0, epochs=epochs, evaluate_every=0)
    return run_experiment(short, data=data, out=folder, first_stage=first_stage)


def seconds_of(config: TrainingConfig, epoch_seconds: float, seconds: float) -> float:
    """How long a run will take, by its first epoch: the epochs, the evaluations in between, the start and the end."""
    evaluations = config.epochs // config.evaluate_every if config.evaluate_every else 0
    start_and_end = seconds - epoch_seconds
    return config.epochs * epoch_seconds + start_and_end + evaluations * start_and_end / 2
