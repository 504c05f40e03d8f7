"""Early ends of a run: it was asked to stop, or its loss is no longer finite."""

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class TrainingStopped(KeyboardInterrupt):
    """Training was asked to stop (Ctrl-C, SIGTERM); a checkpoint is kept. `except Exception` does not catch it."""


class TrainingDivergedError(RuntimeError):
    """The loss or the weights are no longer finite; the last good checkpoint is kept if there was one."""

    def __init__(self, epoch: int, step: int, learning_rate: float, *, kept: bool) -> None:
        super().__init__(
            f"The loss became NaN or infinite in epoch {epoch}, at or before step {step}. "
            f"{'The last good checkpoint is kept. ' if kept else ''}"
            f"Try a smaller `learning_rate` (it was {learning_rate:.4g}), "
            'more `warmup_epochs`, precision="float32", or a weaker adjustment of the loss.'
        )


class StopRequest:
    """A signal handler that remembers whether a signal asked training to stop."""

    def __init__(self) -> None:
        self.asked = False

    def __call__(self, number: int, frame: FrameType | None) -> None:
        """Handle a signal: the first stops training after the step, a second one at once."""
        if self.asked:
            raise KeyboardInterrupt
        self.asked = True
        sys.stderr.write("\nstopping after this step; a second signal stops at once\n")


@contextmanager
def stop_on_signals(*, enabled: bool) -> Iterator[StopRequest]:
    """Within the block, Ctrl-C and SIGTERM stop training after the step instead of within it."""
    request = StopRequest()
    if not enabled or threading.current_thread() is not threading.main_thread():
        yield request
        return
    former = {number: signal.signal(number, request) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield request
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)
