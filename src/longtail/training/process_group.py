"""The process group of all ranks: how ranks join it after a restart, and leave it before their process ends."""

import atexit
import gc
import os
from datetime import timedelta

import torch
from torch import distributed as dist
from torch.distributed.constants import default_pg_timeout

from longtail.training.launcher_store import attempt, launcher_store


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


def leave_at_exit() -> None:
    """Let this process leave its process group before it ends.

    A thread of Gloo that still releases the tensors of a collective when Python ends would abort the process
    (https://github.com/pytorch/pytorch/issues/190489, Python 3.11 with torch 2.15).
    """
    atexit.unregister(_leave)  # of the run before
    atexit.register(_leave)


def _leave() -> None:
    """Destroy the process group, which waits for its threads unless an object still refers to it."""
    if dist.is_initialized():
        gc.collect()  # of models that were trained, which refer to it and to themselves
        dist.destroy_process_group()
