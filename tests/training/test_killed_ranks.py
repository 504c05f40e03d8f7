"""Processes that are killed, slow, or fail in a run of two: the run restarts, or ends with one error for all."""

import re
import shutil

import numpy as np
import pytest

from longtail.analysis import RecordedGradients
from longtail.cli import main
from longtail.runs import RunFolder
from training.killed_ranks import OPTIONS
from training.launch import torchrun
from training.own import write_photographs
from training.test_resume import assert_same_end

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def photographs(tmp_path_factory):
    return write_photographs(tmp_path_factory.mktemp("own") / "photographs")


@pytest.fixture(scope="module")
def whole(photographs, tmp_path_factory):
    """A run that nothing happens to, but whose second process is slow."""
    out = tmp_path_factory.mktemp("whole") / "run"
    done = torchrun(2, "killed_ranks.py", photographs, out, "slow")
    assert done.returncode == 0, done.stderr
    return out


@pytest.fixture(scope="module")
def killed(photographs, tmp_path_factory):
    """A run whose second process was killed, and what was printed."""
    out = tmp_path_factory.mktemp("killed") / "run"
    return out, torchrun(2, "killed_ranks.py", photographs, out, "killed")


def said(done):
    """The lines that the command printed, without progress and the launcher's own."""
    return [line for line in done.stderr.splitlines() if line.startswith("longtail: ")]


def test_a_killed_rank_is_restarted_and_the_run_ends_bit_identically(photographs, whole, tmp_path):
    done = torchrun(2, "killed_ranks.py", photographs, tmp_path / "run", "killed", restarts=1)
    assert done.returncode == 0, done.stderr
    assert "resumed in epoch 2 after step 0 of 3" in done.stderr
    assert_same_end(tmp_path / "run", whole)


def test_a_failed_evaluation_loses_no_step_of_its_epoch(photographs, whole, tmp_path):
    done = torchrun(2, "killed_ranks.py", photographs, tmp_path / "run", "evaluation", restarts=1)
    assert done.returncode == 0, done.stderr
    assert "resumed after the last step, before its evaluation on the test set" in done.stderr
    assert_same_end(tmp_path / "run", whole)
    recorded, undisturbed = (RecordedGradients.load(out) for out in (tmp_path / "run", whole))
    for name, expected in vars(undisturbed).items():
        np.testing.assert_array_equal(getattr(recorded, name), expected, err_msg=name)


def test_without_a_restart_a_killed_rank_is_named_once(killed):
    out, done = killed
    assert done.returncode != 0
    assert RunFolder.open(out).result is None
    (line,) = said(done)
    assert re.match(r"longtail: rank 1 of 2 on \S+ \(process \d+\) was killed, or its memory ran out\.", line)
    assert "Start the same command again: training continues from its last checkpoint" in line
    assert "With --max-restarts 3 torchrun does so by itself" in line


@pytest.mark.parametrize("processes", [1, 3])
def test_a_run_is_resumed_by_another_number_of_processes(processes, photographs, killed, tmp_path, capfd):
    shutil.copytree(killed[0], tmp_path / "run")
    if processes == 1:
        command = ["train", "finetune", "--data", str(photographs), "--out", str(tmp_path / "run"), "--resume"]
        assert main([*command, *OPTIONS, "--workers", "0"]) == 0
        printed = capfd.readouterr().err
    else:
        done = torchrun(processes, "killed_ranks.py", photographs, tmp_path / "run", "none")
        assert done.returncode == 0, done.stderr
        printed = done.stderr
    assert "resumed in epoch 2 after step 0 of 3" in printed
    folder = RunFolder.open(tmp_path / "run")
    assert [line["epoch"] for line in folder.metrics] == [1, 2, 3]
    noted = [note for note in folder.result["notes"] if note.startswith(f"resumed with {processes} process")]
    assert len(noted) == 1
    assert "begun with 2: the same batches, but batch norm and mixing see other shares" in noted[0]


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        (
            "full-disk",
            r"The metrics of epoch 2, step 3 could not be written to .*File too large\. The last checkpoint is kept\.",
        ),
        ("worker", r"`workers`: a process that decodes images ended before its time.*--resume and fewer workers"),
        ("stuck", r"rank 1 of 2 on \S+ \(process \d+\) was killed, or its memory ran out\..*last checkpoint"),
    ],
)
def test_a_fault_of_one_rank_ends_all_with_one_error(fault, message, photographs, tmp_path):
    done = torchrun(2, "killed_ranks.py", photographs, tmp_path / "run", fault)
    assert done.returncode != 0
    (line,) = said(done)
    assert re.match(rf"longtail: {message}", line)
    assert RunFolder.open(tmp_path / "run").result is None
