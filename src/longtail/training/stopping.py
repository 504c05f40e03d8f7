"""How a run ends before its time: asked to, or because its loss is no longer a number."""

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class TrainingStopped(KeyboardInterrupt):
    """Training was asked to stop (Ctrl-C, SIGTERM) and has kept a checkpoint. `except Exception` lets it pass."""


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
    """Whether a signal has asked for the end."""

    def __init__(self) -> None:
        self.asked = False

    def __call__(self, number: int, frame: FrameType | None) -> None:
        """Take a signal: the first asks for the end of the step, a second one ends at once."""
        if self.asked:
            raise KeyboardInterrupt
        self.asked = True
        sys.stderr.write("\nstopping after this step; once more to stop at once\n")


@contextmanager
def stop_on_signals(*, enabled: bool) -> Iterator[StopRequest]:
    """Within the block, Ctrl-C and SIGTERM ask for the end of the step instead of cutting it off."""
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
