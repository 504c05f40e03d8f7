"""Processes that are watched and ended with everything they started."""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from typing import IO


class Watched:
    """A process in a group of its own.

    Args:
        command: what to run.
        seconds: after which `is_late`.
        log: where its output goes.
        environment: added to that of this process.
    """

    def __init__(self, command: Sequence[str], seconds: float, log: IO[bytes], environment: Mapping[str, str]) -> None:
        self.begun = time.monotonic()
        self.until = self.begun + seconds
        self.process = subprocess.Popen(
            command, stdout=log, stderr=log, start_new_session=True, env={**os.environ, **environment}
        )

    @property
    def code(self) -> int | None:
        """The exit code, once it has ended."""
        return self.process.poll()

    @property
    def is_late(self) -> bool:
        """Whether its time is over."""
        return time.monotonic() > self.until

    def seconds(self) -> float:
        """Since it began."""
        return round(time.monotonic() - self.begun, 1)

    def end(self, patience: float = 0.0) -> None:
        """Ask it to end, and after `patience` seconds end the whole group."""
        if patience and self.code is None:
            self.process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(patience)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
