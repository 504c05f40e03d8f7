"""The store of torchrun, through which ranks find each other.

It may outlive the processes: after a restart it still holds what the former ones wrote, such as the addresses at which
they listened (torch 2.15). So everything here is under names of the current attempt.
"""

import os
from datetime import timedelta

import torch
from torch import distributed as dist
from torch.distributed import PrefixStore, TCPStore  # type: ignore[attr-defined]
from torch.distributed.constants import default_pg_timeout


def attempt() -> int:
    """How often torchrun has restarted the processes."""
    return int(os.environ.get("TORCHELASTIC_RESTART_COUNT", "0"))


def launcher_store(name: str) -> PrefixStore:
    """A connection of its own, for what is called `name` in this attempt."""
    address, port = os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"])
    store = TCPStore(address, port, is_master=False, timeout=timedelta(seconds=60))
    return PrefixStore(f"longtail/{attempt()}/{name}", store)


def join_restarted_ranks(device: str, limit: timedelta = default_pg_timeout) -> None:
    """After a restart, make the process group of all ranks; PyTorch would connect to the addresses of the last attempt.

    Args:
        device: "cpu" or "cuda".
        limit: how long a rank waits for the others; by default as before a restart, which is not that of NCCL.
    """
    if not attempt() or dist.is_initialized():
        return
    rank, number = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
    store = launcher_store("ranks")
    if device != "cuda":
        dist.init_process_group("gloo", store=store, rank=rank, world_size=number, timeout=limit)
        return
    own = torch.device("cuda", int(os.environ["LOCAL_RANK"]))
    torch.cuda.set_device(own)
    dist.init_process_group("nccl", store=store, rank=rank, world_size=number, timeout=limit, device_id=own)
