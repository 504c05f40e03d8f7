"""The processes that torchrun started for work without a run folder, such as the extraction of features."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from torch import distributed as dist

from longtail.started_processes import started_processes
from longtail.training.failed_ranks import failing_together
from longtail.training.process_group import join_restarted_ranks
from longtail.training.ranks import ALONE, Ranks

LIMIT = timedelta(days=1)
"""How long a rank waits for the others, which decode files for hours; `failing_together` notices a rank that ended."""


@contextmanager
def launched_ranks() -> Iterator[Ranks]:
    """Within the block, the ranks on the CPU: those that torchrun started, or this process alone.

    Raises:
        RankFailedError: another rank failed first.
    """
    if started_processes() == 1 or dist.is_initialized():
        yield ALONE
        return
    join_restarted_ranks("cpu", LIMIT)
    if not dist.is_initialized():
        dist.init_process_group("gloo", timeout=LIMIT)
    try:
        ranks = Ranks(dist.get_rank(), dist.get_world_size())
        with failing_together(ranks):
            yield ranks
            dist.barrier()
    finally:
        dist.destroy_process_group()
