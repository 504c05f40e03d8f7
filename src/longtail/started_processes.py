"""The processes that torchrun started, by the environment that it sets; this needs no PyTorch."""

import os


def started_processes() -> int:
    """The number that `torchrun` started; 1 unless all of its environment variables are set."""
    if not {"RANK", "LOCAL_RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT"} <= set(os.environ):
        return 1
    return int(os.environ["WORLD_SIZE"])


def first_process() -> bool:
    """Whether this is the process that prints and writes files; of those that `torchrun` started, the first."""
    return started_processes() == 1 or os.environ["RANK"] == "0"
