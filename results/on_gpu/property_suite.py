"""The property suite of the losses on the device, in several processes; counts and failures as they come."""

import os
import re
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from on_gpu.job import Job

ROOT = Path(__file__).resolve().parents[2]
PROCESSES = 8
OUTCOME = re.compile(r"^\S+::.+? (PASSED|FAILED|ERROR|SKIPPED)\b", re.M)
FAILURE = re.compile(r"^(?:FAILED|ERROR) (.+)", re.M)


def findings(job: Job) -> Iterator[tuple[str, Any]]:
    processes = 1 if job.tiny else PROCESSES
    outputs = [Path(job.work) / f"property-suite-{share}.txt" for share in range(processes)]
    started = [_start(job, output, f"{share}/{processes}") for share, output in enumerate(outputs)]
    while any(process.poll() is None for process in started):
        time.sleep(1)
        yield "outcomes", _outcomes(outputs)
    yield "outcomes", _outcomes(outputs)
    yield "failures", [failure for output in outputs for failure in FAILURE.findall(output.read_text())]
    yield "exit_codes", [process.returncode for process in started]
    yield "passed", all(process.returncode == 0 for process in started)
    for output, process in zip(outputs, started, strict=True):
        if process.returncode:
            print(output.read_text(), flush=True)


def _start(job: Job, output: Path, share: str) -> "subprocess.Popen[bytes]":
    tests = "tests/losses/test_cross_entropy.py" if job.tiny else "tests/losses"
    options = ["-v", "--tb=short", "-p", "no:cacheprovider", "-p", "on_gpu.share"]
    told = {"LONGTAIL_DEVICE": job.device, "SHARE": share, "OMP_NUM_THREADS": "1", "TORCHINDUCTOR_COMPILE_THREADS": "1"}
    with output.open("wb") as file:
        return subprocess.Popen(
            [sys.executable, "-m", "pytest", tests, *options],
            cwd=ROOT,
            stdout=file,
            stderr=subprocess.STDOUT,
            env={**os.environ, **told},
        )


def _outcomes(outputs: list[Path]) -> dict[str, int]:
    counts = Counter(word for output in outputs for word in OUTCOME.findall(output.read_text(errors="replace")))
    return {word.lower(): count for word, count in sorted(counts.items())}
