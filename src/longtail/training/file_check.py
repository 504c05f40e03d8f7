"""The first of several processes decodes the files of the data before training; the others take over what it found."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from longtail.data.check import found_bad, take_over
from longtail.training.launcher_store import launcher_store
from longtail.training.ranks import Ranks

if TYPE_CHECKING:
    from lightning_fabric import Fabric


@contextmanager
def first_checks_files(fabric: "Fabric", ranks: Ranks) -> Iterator[None]:
    """Let the first rank run the block before the others, which do not decode the same files again.

    Args:
        fabric: the engine, launched; its ranks wait for the first without a limit of time.
        ranks: of the run.
    """
    if ranks.number == 1:
        yield
        return
    store = launcher_store("files")
    with fabric.rank_zero_first():
        if not ranks.first:
            take_over(json.loads(store.get("bad")))
        try:
            yield
        finally:
            if ranks.first:
                store.set("bad", json.dumps(found_bad()))
