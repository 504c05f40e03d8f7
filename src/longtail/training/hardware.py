"""Settings that depend on the machine: device, precision, threads and processes; and Fabric, the engine."""

import dataclasses
import logging
import os
import time
from typing import TYPE_CHECKING

import torch
from torch.nn import functional as F

from longtail.started_processes import started_processes
from longtail.training.config import TrainingConfig
from longtail.training.fabric_import import import_fabric
from longtail.training.launcher_store import restarted
from longtail.training.process_group import join_restarted_ranks, leave_at_exit

if TYPE_CHECKING:
    from lightning_fabric import Fabric
    from lightning_fabric.plugins.precision import Precision


def resolve(config: TrainingConfig) -> TrainingConfig:
    """The configuration with every "auto" replaced by its value on this machine; also sets PyTorch's threads.

    Raises:
        ValueError: a GPU is asked for and there is none, or another number of processes than were started.
    """
    if config.device == "cuda" and not torch.cuda.is_available():
        raise ValueError('`device` must be "cpu" or "auto" where CUDA is not available. Got "cuda".')
    processes = started_processes()
    if config.processes not in (None, processes):
        raise ValueError(
            f"`processes` must be the number that torchrun started, {processes}. Got {config.processes}. "
            f"Start with torchrun --nproc-per-node {config.processes}."
        )
    device = config.device
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    if config.threads is not None:
        torch.set_num_threads(config.threads)
    precision = config.precision
    if precision == "auto":
        # Several processes must agree, and their measurements may differ.
        measured = device == "cuda" or processes == 1
        precision = "bfloat16" if measured and bfloat16_pays(torch.device(device)) else "float32"
    return dataclasses.replace(
        config,
        device=device,
        precision=precision,
        channels_last="off" if config.channels_last == "off" else "on",
        compile="on" if config.compile == "on" else "off",
        threads=torch.get_num_threads(),
        processes=processes,
    )


def seconds_to_wait_for_the_lock() -> float:
    """120 after a restart by torchrun, when a process of the last attempt may still be ending; otherwise 0."""
    return 120.0 if restarted() else 0.0


def bfloat16_pays(device: torch.device) -> bool:
    """Whether bfloat16 is faster than float32: on a GPU if it supports it, on a CPU by timing convolutions (30 ms)."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    times = {dtype: _seconds_of_convolution(dtype) for dtype in (torch.float32, torch.bfloat16)}
    return times[torch.bfloat16] < times[torch.float32]


def _seconds_of_convolution(dtype: torch.dtype) -> float:
    images = torch.ones(32, 16, 32, 32, dtype=dtype).contiguous(memory_format=torch.channels_last)
    weight = torch.ones(16, 16, 3, 3, dtype=dtype).contiguous(memory_format=torch.channels_last)
    times = []
    for _ in range(7):
        start = time.perf_counter()
        F.conv2d(images, weight, padding=1)
        times.append(time.perf_counter() - start)
    return min(times)


def _precision(config: TrainingConfig) -> "Precision":
    """The precision plugin of Fabric. Asked for by its name, float16 on a CPU would become bfloat16."""
    from lightning_fabric.plugins.precision import MixedPrecision, Precision

    if config.precision == "float32":
        return Precision()
    return MixedPrecision("16-mixed" if config.precision == "float16" else "bf16-mixed", device=config.device)


def _fix_the_order_of_sums() -> None:
    """Make convolutions, matrix products and scatter sums deterministic, so that a resumed run gives the same."""
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark = True, False
    torch.use_deterministic_algorithms(True, warn_only=True)
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]


def make_fabric(config: TrainingConfig) -> "Fabric":
    """Launch Fabric, with one process or those that `torchrun` started."""
    import_fabric()  # takes a second, which reading a run and `--help` don't need
    from lightning_fabric import Fabric
    from lightning_fabric.plugins.environments.lightning import LightningEnvironment
    from lightning_fabric.plugins.environments.torchelastic import TorchElasticEnvironment

    logging.getLogger("lightning_fabric").setLevel(logging.WARNING)  # its messages repeat the run folder
    processes = config.processes or 1
    local = int(os.environ.get("LOCAL_WORLD_SIZE", processes))
    fabric = Fabric(
        accelerator=config.device,
        devices=local,
        num_nodes=processes // local,
        strategy="ddp" if processes > 1 else "auto",
        plugins=[TorchElasticEnvironment() if processes > 1 else LightningEnvironment(), _precision(config)],
    )
    if config.device == "cuda":
        _fix_the_order_of_sums()
    if processes > 1:
        join_restarted_ranks(config.device)
        leave_at_exit()
    fabric.launch()
    return fabric
