"""Commands that torchrun starts in several processes: the first one prints and writes."""

from collections.abc import Iterator
from contextlib import contextmanager

from longtail.posthoc.fixed_point import NoFixedPointError
from longtail.repair.processes import Processes, processes_of_torchrun

FAILED = 2
EXPECTED = (ValueError, OSError, ModuleNotFoundError, NoFixedPointError)


@contextmanager
def shared_work() -> Iterator[Processes]:
    """The processes; an expected error in one of them ends all, and the first one prints it."""
    processes = Processes()
    try:
        with processes_of_torchrun() as processes:
            yield processes
    except EXPECTED:
        if processes.rank:
            raise SystemExit(FAILED) from None
        raise
