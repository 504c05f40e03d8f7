"""The store of torchrun, through which ranks find each other.

It may outlive the processes: after a restart it still holds what the former ones wrote, such as the addresses at which
they listened (torch 2.15). So everything here is under names of the current attempt.
"""

import os
from datetime import timedelta

from torch.distributed import PrefixStore, TCPStore  # type: ignore[attr-defined]


def attempt() -> int:
    """How often torchrun has restarted the processes."""
    return int(os.environ.get("TORCHELASTIC_RESTART_COUNT", "0"))


def launcher_store(name: str) -> PrefixStore:
    """A connection of its own, for what is called `name` in this attempt."""
    address, port = os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"])
    store = TCPStore(address, port, is_master=False, timeout=timedelta(seconds=60))
    return PrefixStore(f"longtail/{attempt()}/{name}", store)
