"""Trains one run whole and several that are killed and resumed: `python killed_runs.py DATA OUT`.

Each process is forked from this one, which has imported everything and computed nothing, so that it starts at once.
"""

import os
import signal
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))

from longtail.training import Callback, Step, run_experiment
from longtail.training.fabric_import import import_fabric
from training.tiny import tiny_cifar10, tiny_config

CHECKPOINT_SECONDS = 0.05


class KillAfter(Callback):
    """kill -9 in the place of the end of a step, counted within this process."""

    def __init__(self, steps: int) -> None:
        self.left = steps

    def on_step_end(self, step: Step) -> None:
        self.left -= 1
        if self.left == 0:
            os.kill(os.getpid(), signal.SIGKILL)


def kill_while_writing(number: int) -> None:
    """kill -9 when the file of the `number`-th write_whole is written but not yet in its place."""
    former, count = os.fsync, 0

    def fsync(fd: Any) -> None:
        nonlocal count
        written_whole = str(Path(f"/proc/self/fd/{fd}").readlink()).endswith(".part")
        count += written_whole
        if written_whole and count == number:
            os.ftruncate(fd, os.fstat(fd).st_size // 2)
            os.kill(os.getpid(), signal.SIGKILL)
        former(fd)

    os.fsync = fsync


def train(data: Path, out: Path, steps: int = 0) -> None:
    run_experiment(
        tiny_config(),
        data=data,
        out=out,
        resume=True,
        checkpoint_seconds=CHECKPOINT_SECONDS,
        callbacks=[KillAfter(steps)],
    )


def in_a_process(work: Callable[[], object], seconds: float | None = None) -> bool:
    """Whether it came to its end; killed after `seconds` where they are given."""
    child = os.fork()
    if child == 0:
        work()
        os._exit(0)
    if seconds is not None:
        time.sleep(seconds)
        os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    if os.WIFEXITED(status) and os.WEXITSTATUS(status):
        raise SystemExit(f"a run failed with {os.WEXITSTATUS(status)}")
    return os.WIFEXITED(status)


def main(data: Path, out: Path) -> None:
    def resumed(name: str, *attempts: Callable[[Path], object]) -> None:
        for attempt in attempts:
            if in_a_process(partial(attempt, out / name)):
                raise SystemExit(f"{name} was not killed")
        in_a_process(lambda: train(data, out / name))

    def killed_after(steps: int) -> Callable[[Path], None]:
        return lambda path: train(data, path, steps)

    def killed_at_write(number: int) -> Callable[[Path], object]:
        return lambda path: (kill_while_writing(number), train(data, path))

    in_a_process(lambda: train(data, out / "whole"))
    resumed("before-the-first-checkpoint", killed_after(1))
    resumed("in-the-middle-of-epochs", killed_after(4), killed_after(6), killed_after(3))
    resumed("while-files-are-written", *(killed_at_write(number) for number in (2, 4, 5)))
    resumed("while-the-end-is-written", *at_the_end(data))
    random_moments(data, out / "at-random-moments")


def at_the_end(data: Path) -> list[Callable[[Path], object]]:
    """Two kills among the last files of a run: predictions, weights, result."""

    def killed_in(method: str) -> Callable[[Path], object]:
        def attempt(path: Path) -> None:
            from longtail.runs import RunFolder

            setattr(RunFolder, method, lambda *_: os.kill(os.getpid(), signal.SIGKILL))
            train(data, path)

        return attempt

    return [killed_in("save_weights"), killed_in("finish")]


def random_moments(data: Path, path: Path) -> None:
    for attempt in range(12):
        if in_a_process(lambda: train(data, path), seconds=0.3 + 0.31 * attempt % 1.7):
            return
    in_a_process(lambda: train(data, path))


if __name__ == "__main__":
    import_fabric()
    with tiny_cifar10():
        main(Path(sys.argv[1]), Path(sys.argv[2]))
