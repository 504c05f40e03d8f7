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
    command = [
        *launcher,
        *meeting,
        "--max-restarts",
        "2",
        str(Path(__file__).parent / "two_machines.py"),
        str(tmp_path),
    ]
    environment = {
        **os.environ,
        "OMP_NUM_THREADS": "1",
        "TORCH_DISABLE_SHARE_RDZV_TCP_STORE": str(int(not shared_store)),
    }
    launchers = [
        subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        for _ in range(2)
    ]
    try:
        said = [launched.communicate(timeout=120)[0] for launched in launchers]
    finally:
        for launched in launchers:
            launched.kill()
    assert [launched.returncode for launched in launchers] == [0, 0], said
    assert (tmp_path / "killed").exists()
    assert (tmp_path / "rank0").read_text() == (tmp_path / "rank1").read_text()
