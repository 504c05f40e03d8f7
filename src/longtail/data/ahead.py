"""Results of jobs that are started a few batches before they are needed."""

from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future
from typing import TypeVar

T = TypeVar("T")
BATCHES_AHEAD = 4


def results_ahead(jobs: Iterable[list["Future[T]"]]) -> Iterator[list[T]]:
    """The results of each job, in order, with a few more jobs started than are asked for.

    Jobs that have not run are cancelled when the reader stops early.

    Args:
        jobs: the futures of each job; taking the next one starts it.
    """
    waiting: deque[list[Future[T]]] = deque()
    try:
        for job in jobs:
            waiting.append(job)
            if len(waiting) > BATCHES_AHEAD:
                yield [future.result() for future in waiting.popleft()]
        while waiting:
            yield [future.result() for future in waiting.popleft()]
    finally:
        for futures in waiting:
            for future in futures:
                future.cancel()
