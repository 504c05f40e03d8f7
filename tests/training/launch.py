"""Starts a script of the tests in several processes, as a user's torchrun would."""

import os
import subprocess
import sys
from pathlib import Path


def torchrun(processes: int, script: str, *arguments: object, restarts: int = 0) -> subprocess.CompletedProcess[str]:
    """The finished launcher; the script is named from the folder of this file."""
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(processes)]
    command = [*launch, "--max-restarts", str(restarts), str(Path(__file__).parent / script), *map(str, arguments)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=300)
