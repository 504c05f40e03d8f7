"""Commands that torchrun starts in several processes, which share the samples."""

from collections.abc import Iterator
from contextlib import contextmanager

from longtail.repair.processes import ONE, Processes, connected
from longtail.started_processes import started_processes


@contextmanager
def shared_work() -> Iterator[Processes]:
    """The processes that torchrun started, or this one alone. An error of one ends all, and is printed once.

    Raises:
        RankFailedError: another process failed first, or was killed.
    """
    if started_processes() == 1:
        yield ONE
        return
    from longtail.training.launched_ranks import launched_ranks  # which takes a second to import

    with launched_ranks() as ranks, connected(ranks.rank, ranks.number) as processes:
        yield processes
