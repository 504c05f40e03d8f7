"""What the last digits of a result may depend on beside its configuration: versions, threads and processor."""

import platform
from functools import cache
from pathlib import Path

import numpy as np
import torch

import longtail


def current_versions() -> dict[str, str]:
    """Versions, threads and processor of this process, and the GPU if there is one.

    Example:
        >>> versions = current_versions()
        >>> versions["torch"] == torch.__version__, list(versions)[:4]
        (True, ['longtail', 'python', 'torch', 'numpy'])
    """
    versions = {
        "longtail": longtail.__version__,
        "python": platform.python_version(),
        "torch": str(torch.__version__),
        "numpy": np.__version__,
        "threads": str(torch.get_num_threads()),
        "processor": processor_name(),
    }
    if torch.cuda.is_available():
        versions["gpu"] = torch.cuda.get_device_name()
    return versions


@cache
def processor_name() -> str:
    """The processor, its family and model on Linux, and the instructions that PyTorch uses on it.

    Such as "AMD EPYC, family 25, model 17, AVX512". Equal versions on two processors give results that differ in their
    last digits.
    """
    cpuinfo = Path("/proc/cpuinfo")
    entries: dict[str, str] = {}
    if cpuinfo.is_file():
        for line in cpuinfo.read_text(errors="replace").splitlines():
            name, _, value = line.partition(":")
            entries.setdefault(name.strip(), value.strip())
    words = [entries.get("model name") or platform.processor() or platform.machine()]
    words += [
        f"{word} {entries[key]}" for word, key in (("family", "cpu family"), ("model", "model")) if key in entries
    ]
    return ", ".join([*words, torch.backends.cpu.get_cpu_capability()])
