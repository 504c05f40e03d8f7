"""The store of torchrun, through which ranks find each other.

It may outlive the processes: where torchrun starts them again, it still holds what the former ones wrote, such as the
addresses at which they listened (torch 2.15). So everything here is under names of the current attempt.
"""

import os
import time
import uuid
from datetime import timedelta
from functools import cache

from torch.distributed import PrefixStore, Store, TCPStore  # type: ignore[attr-defined]
from torch.distributed.constants import default_pg_timeout

POLL_SECONDS = 0.05


@cache
def attempt() -> int:
    """How often processes have been started before with this store: the same number in all ranks, which all call this.

    `TORCHELASTIC_RESTART_COUNT` is not that: each machine counts its own failed processes, and not the restarts for
    those of another machine, or for a machine that joined.

    Raises:
        TimeoutError: not all ranks call this within 30 minutes.
    """
    if os.environ.get("TORCHELASTIC_USE_AGENT_STORE") != "True":  # the store begins and ends with the first rank
        return 0
    store = PrefixStore("longtail/attempts", _connected())
    return agreed_attempt(store, int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"]))


def restarted() -> bool:
    """Whether torchrun has started the processes before, as far as this machine or the store can tell."""
    return attempt() > 0 or os.environ.get("TORCHELASTIC_RESTART_COUNT", "0") != "0"


def launcher_store(name: str) -> PrefixStore:
    """A connection of its own, for what is called `name` in this attempt."""
    return PrefixStore(f"longtail/{attempt()}/{name}", _connected())


def agreed_attempt(store: Store, rank: int, ranks: int, limit: timedelta = default_pg_timeout) -> int:
    """The number of the attempt, counted by the first rank, which tells it to those of this attempt alone.

    Any other rank asks with a word of its own. The first answers what it finds, also the word of a former process,
    until all have thanked it for the number, which no former attempt had.

    Args:
        store: of all attempts.
        rank: of this process.
        ranks: how many there are.
        limit: how long to wait for the others.

    Raises:
        TimeoutError: a rank did not call this in time.

    Example:
        >>> from torch.distributed import HashStore
        >>> store = HashStore()
        >>> agreed_attempt(store, 0, 1), agreed_attempt(store, 0, 1)
        (0, 1)
    """
    until = time.monotonic() + limit.total_seconds()
    if rank:
        word = uuid.uuid4().hex
        store.set(f"asks/{rank}", word)
        while not store.check([f"answer/{word}"]):
            _pause(until, "rank 0", ranks)
        number = int(store.get(f"answer/{word}"))
        store.set(f"thanks/{number}/{rank}", "")
        return number
    number = store.add("number", 1) - 1
    waiting = list(range(1, ranks))
    while waiting:
        for other in waiting:
            if store.check([f"asks/{other}"]):
                store.set(f"answer/{store.get(f'asks/{other}').decode()}", str(number))
        waiting = [other for other in waiting if not store.check([f"thanks/{number}/{other}"])]
        if waiting:
            _pause(until, f"rank {waiting[0]}", ranks)
    return number


def _connected() -> TCPStore:
    address, port = os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"])
    return TCPStore(address, port, is_master=False, timeout=timedelta(seconds=60))


def _pause(until: float, other: str, ranks: int) -> None:
    """Sleep in Python, where a signal can interrupt the wait."""
    if time.monotonic() > until:
        raise TimeoutError(
            f"{other} of {ranks} did not start in time, as the others did. Start the same command again."
        )
    time.sleep(POLL_SECONDS)
