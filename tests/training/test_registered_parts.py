"""Sources, backbones and stages from outside the package: trained, killed, resumed, and used."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from longtail.reports.run_view import RunView
from longtail.runs import RunFolder
from longtail.training import TrainingStopped, run_experiment, trained_network
from training.own import scratch_config, write_photographs
from training.registered_parts import Statistics, inputs_of_test, parts_of_mine, run_mine
from training.test_resume import At, assert_same_end


@pytest.fixture(autouse=True)
def mine():
    with parts_of_mine():
        yield


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    with parts_of_mine():
        return run_mine(tmp_path_factory.mktemp("mine") / "whole")


def test_a_run_is_made_of_the_parts_that_were_registered(whole):
    assert whole.result["mine"] == "alternating"
    assert "shortened" in whole.result["notes"]
    assert whole.result["class_counts"] == [24, 12, 6]
    assert whole.result["fit_on"] == "validation"
    assert whole.data["class_names"] == ["low", "middle", "high"]
    assert whole.result["test"]["raw"]["balanced_accuracy"] > 0.5
    assert len(whole.metrics) == 3


def test_its_network_predicts(whole):
    network = trained_network(whole)
    assert isinstance(network.backbone, Statistics)
    assert network.backbone.seen == 3 * 5 * 8
    assert not torch.equal(network.backbone.scale, torch.ones(6))
    with torch.no_grad():
        logits = network(torch.from_numpy(inputs_of_test())).numpy()
    np.testing.assert_allclose(logits, whole.load_predictions("test")[0], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("steps", [2, 8])
@pytest.mark.slow
def test_a_run_of_registered_parts_resumes_bit_identically(whole, tmp_path, steps):
    script = Path(__file__).with_name("own_killed_run.py")
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run([sys.executable, script, tmp_path / "run", str(steps)], check=False, env=environment)
    assert done.returncode == -signal.SIGKILL
    again = At(0, None)
    run_mine(tmp_path / "run", callbacks=[again])
    assert again.began == {2: (1, 1), 8: (2, 2)}[steps]  # the step in which it was killed was not kept
    assert_same_end(tmp_path / "run", whole.path)


def test_other_data_are_refused_and_change_nothing(tmp_path):
    stop = At(7, lambda: os.kill(os.getpid(), signal.SIGINT))
    with pytest.raises(TrainingStopped):
        run_mine(tmp_path / "run", callbacks=[stop])
    before = {path.name: path.read_bytes() for path in (tmp_path / "run").iterdir()}
    with pytest.raises(ValueError, match=r"`data` must be the data that the run .* was begun with. Its samples or"):
        run_mine(tmp_path / "run", data=5)
    assert {path.name: path.read_bytes() for path in (tmp_path / "run").iterdir()} == before


def test_a_report_knows_their_names(whole):
    shown = RunView(whole, "mine")
    assert shown.class_names == ("low", "middle", "high")
    assert shown.recall.shape == (3,)
    assert shown.test_images(np.array([0])) is None


@pytest.mark.slow
def test_own_photographs_are_resumed_bit_identically_and_other_photographs_refused(tmp_path):
    folder = write_photographs(tmp_path / "photographs")
    config = scratch_config()
    run_experiment(config, data=folder, out=tmp_path / "whole")
    stop = At(4, lambda: os.kill(os.getpid(), signal.SIGINT))
    with pytest.raises(TrainingStopped):
        run_experiment(config, data=folder, out=tmp_path / "run", callbacks=[stop])
    (folder / "ant/0.png").rename(folder / "ant/new.png")
    with pytest.raises(ValueError, match="`data` must be the data that the run"):
        run_experiment(config, data=folder, out=tmp_path / "run", resume=True)
    (folder / "ant/new.png").rename(folder / "ant/0.png")
    run_experiment(config, data=folder, out=tmp_path / "run", resume=True)
    assert_same_end(tmp_path / "run", tmp_path / "whole")
    network = trained_network(RunFolder.open(tmp_path / "run"))
    assert network(torch.zeros(1, 3, 16, 16)).shape == (1, 3)
