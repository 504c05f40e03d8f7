"""A process that is killed on one of two machines, each with a launcher of its own."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow


def free_port():
    with socket.socket() as listening:
        listening.bind(("localhost", 0))
        return listening.getsockname()[1]


@pytest.mark.parametrize("shared_store", [True, False])
def test_all_ranks_find_each_other_again(shared_store, tmp_path):
    launcher = [sys.executable, "-m", "torch.distributed.run", "--nnodes", "2", "--nproc-per-node", "1"]
    meeting = ["--rdzv-backend", "c10d", "--rdzv-endpoint", f"localhost:{free_port()}", "--rdzv-id", "two"]
    script = [str(Path(__file__).parent / "two_machines.py"), str(tmp_path)]
    command = [*launcher, *meeting, "--max-restarts", "2", *script]
    sharing = {"TORCH_DISABLE_SHARE_RDZV_TCP_STORE": "0" if shared_store else "1"}
    environment = {**os.environ, "OMP_NUM_THREADS": "1", **sharing}
    launchers = [
        subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        for _ in range(2)
    ]
    try:
        said = [launched.communicate(timeout=120)[0] for launched in launchers]
    finally:
        for launched in launchers:
            launched.terminate()  # and with it its process
    assert [launched.returncode for launched in launchers] == [0, 0], said
    assert [(tmp_path / f"rank{rank}").read_text() for rank in (0, 1)] == ["[0, 1]", "[0, 1]"]
