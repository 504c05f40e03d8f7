"""Queues of short runs on digits, in processes of their own."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

SCRIPT = Path(__file__).parents[2] / "results/run_pending.py"
PATIENCE = 480  # seconds; a queue has the lowest priority on a busy machine


def group(name: str, recipe: str = "digits-lt", each: str = "", **settings: object) -> str:
    """One group of pending.toml."""
    lines = [
        "[[group]]",
        f'name = "{name}"',
        'why = "a test"',
        f'recipe = "{recipe}"',
        *([f"each = {each}"] * bool(each)),
    ]
    return "\n".join([*lines, "[group.settings]", *(f"{key} = {json.dumps(value)}" for key, value in settings.items())])


def start(folder: Path, *groups: str, options: tuple[object, ...] = (), before: str = "") -> subprocess.Popen[str]:
    """A queue of these groups, which works in `folder`; `before` is a shell command that goes ahead of it."""
    folder.mkdir(exist_ok=True)
    (folder / "pending.toml").write_text("\n".join(groups) + "\n")
    command = [
        *(sys.executable, SCRIPT, "--here", "--commit", "abc", "--device", "cpu", "--pending", folder / "pending.toml"),
        *("--work", folder / "work", "--results", folder / "runs", *options),
    ]
    quoted = " ".join(f"'{word}'" for word in command)
    return subprocess.Popen(
        ["bash", "-c", f"{before}exec {quoted}"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )


def said(queue: "subprocess.Popen[str]") -> str:
    """What a queue has printed, when it has ended."""
    return queue.communicate(timeout=PATIENCE)[0]


def wait_until(condition: Callable[[], bool]) -> None:
    """Wait for a condition that a queue will fulfil."""
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, "the queue did not get there"
        time.sleep(0.05)


def epochs_of(folder: Path, name: str) -> int:
    """How many epochs of a run are logged."""
    file = folder / "work/runs" / name / "metrics.jsonl"
    return len(file.read_text().splitlines()) if file.exists() else 0
