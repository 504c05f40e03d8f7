"""A disk that fills while a checkpoint, metrics, predictions, weights or the result are written."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from training.test_resume import assert_same_end

MOMENTS = {
    "checkpoint": "The checkpoint of epoch 1, step 5 could not be written to {run}",
    "metrics": "The metrics of epoch 1, step 11 could not be written to {run}",
    "predictions": "{run}/predictions-train.npz could not be written",
    "weights": "{run}/weights.pt could not be written",
    "result": "{run}/result.json could not be written",
}


def with_a_small_disk(folder):
    """What begins a command that sees a file system of its own there; skips where we may mount none."""
    mount = f'mount -t tmpfs -o size=16m tmpfs {folder} && exec "$@"'
    prefix = ["unshare", "--mount", "--map-root-user", "sh", "-c", mount, "sh"]
    if not shutil.which("unshare") or subprocess.run([*prefix, "true"], capture_output=True, check=False).returncode:
        pytest.skip("this system lets us mount no file system of our own")
    return prefix


@pytest.fixture(scope="module")
def ended(tmp_path_factory):
    folder = tmp_path_factory.mktemp("full")
    disk, out = folder / "disk", folder / "out"
    disk.mkdir()
    out.mkdir()
    command = [*with_a_small_disk(disk), sys.executable, str(Path(__file__).with_name("full_disk.py")), disk, out]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"})
    assert done.returncode == 0, done.stderr
    told = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    return disk / "run", out, {line["moment"]: line for line in told}


@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.slow
def test_a_full_disk_is_one_line_and_the_run_resumes_to_the_same_end(ended, moment):
    run, out, told = ended
    error = told[moment]["error"]
    assert error.startswith(MOMENTS[moment].format(run=run) + ": No space left on device. ")
    assert error.endswith("Solve that and pass --resume (in Python resume=True).")
    assert ("The last checkpoint is kept" in error) == (moment != "metrics")
    assert "\n" not in error
    assert not [file for file in told[moment]["files"] if file.endswith(".part")]
    assert "result.json" not in told[moment]["files"]
    assert_same_end(out / moment, out / "whole")
