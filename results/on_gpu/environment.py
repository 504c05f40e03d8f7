"""The machine: versions, the GPU and its driver, processors, memory."""

import importlib.metadata
import os
import subprocess
from collections.abc import Iterator
from typing import Any

import torch
from PIL import features

from longtail.runs import current_versions
from on_gpu.job import Job

ASKED = "name,driver_version,memory.total,memory.used,clocks.max.sm,power.limit,compute_mode,mig.mode.current"
PACKAGES = ("torchvision", "lightning-fabric", "torchmetrics", "filelock", "pytest", "hypothesis", "pillow", "triton")


def findings(job: Job) -> Iterator[tuple[str, Any]]:
    yield "versions", current_versions()
    yield "packages", {name: _version(name) for name in PACKAGES}
    yield "webp", features.check("webp")
    yield "processors", len(os.sched_getaffinity(0))
    yield "memory_bytes", os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    if job.device == "cuda":
        yield "cuda", torch.version.cuda
        yield "cudnn", torch.backends.cudnn.version()
        yield "nvidia_smi", _nvidia_smi()


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _nvidia_smi() -> str:
    command = ["nvidia-smi", f"--query-gpu={ASKED}", "--format=csv,noheader"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30)
    return (done.stdout or done.stderr).strip()
