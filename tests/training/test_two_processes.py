"""Two processes under torchrun end as one process with the same batches, where batch norm does not part them."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from longtail.analysis import RecordedGradients
from longtail.runs import RunFolder
from training.two_processes import train_a_perceptron


@pytest.fixture(scope="module")
def out(tiny_data, tmp_path_factory):
    out = tmp_path_factory.mktemp("two")
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    script = Path(__file__).with_name("two_processes.py")
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run([*launch, script, tiny_data, out], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return out


def test_two_processes_end_as_one(out, tmp_path):
    one = train_a_perceptron(tmp_path / "one")
    two = [torch.load(out / f"rank{rank}.pt", weights_only=True) for rank in range(2)]
    for group in ("model", "criterion"):
        for name, tensor in one[group].items():
            assert torch.equal(two[0][group][name], two[1][group][name]), name
            torch.testing.assert_close(two[0][group][name], tensor, rtol=1e-4, atol=1e-5)
    assert two[0]["losses"] == pytest.approx(one["losses"], rel=1e-5)
    for whole, first, second in zip(one["seen"], two[0]["seen"], two[1]["seen"], strict=True):
        assert first + second == whole


def test_gradients_are_recorded_over_all_processes(out, tmp_path):
    train_a_perceptron(tmp_path / "one")
    one, two = (RecordedGradients.load(folder) for folder in (tmp_path / "one", out / "perceptron"))
    for name in vars(one):
        np.testing.assert_allclose(getattr(two, name), getattr(one, name), rtol=1e-3, atol=1e-4, err_msg=name)


def test_a_run_of_two_processes_is_one_folder(out):
    folder = RunFolder.open(out / "run")
    assert folder.header["config"]["processes"] == 2
    assert len(folder.metrics) == 1
    assert folder.result["test"]["raw"]["top1"] >= 0
    # Each process normalises its half of the batch with the half's own statistics, as everywhere in the field: with
    # batch norm two processes are another run than one, and the run folder says how many there were.
