"""`longtail train --resume RUN`, and complete runs on a disk that can't be written to."""

import errno
import os
import shutil
from pathlib import Path

import numpy as np
import pytest

import longtail
from longtail.cli import main
from longtail.recipes import digits_lt
from longtail.runs import RunFolder
from longtail.training import run_experiment
from training.stopping import StopAfterOneEpoch

MACHINE = {"device": "cpu", "precision": "float32", "threads": 1}
SETTINGS = {"loss": "ce", "epochs": 2, **MACHINE}


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """A complete run, the same run interrupted, and its second stage."""
    out = tmp_path_factory.mktemp("runs")
    run_experiment(digits_lt(**SETTINGS), data=None, out=out / "complete")
    with pytest.raises(KeyboardInterrupt):
        run_experiment(
            digits_lt(**SETTINGS),
            data=None,
            out=out / "stopped",
            callbacks=[StopAfterOneEpoch()],
            checkpoint_seconds=0.0,
        )
    retrain = ["retrain", str(out / "complete"), "--method", "crt", "--epochs", "1", "--out", str(out / "second")]
    assert main(retrain) == 0
    return out


@pytest.mark.slow
def test_a_run_continues_with_the_configuration_in_its_folder(runs, tmp_path, capsys):
    shutil.copytree(runs / "stopped", tmp_path / "run")
    assert main(["train", "--resume", str(tmp_path / "run")]) == 0
    assert "resumed in epoch" in capsys.readouterr().err
    found, whole = (RunFolder.open(path) for path in (tmp_path / "run", runs / "complete"))
    assert found.result["test"] == whole.result["test"]
    assert main(["train", "--resume", str(tmp_path / "run")]) == 0
    assert f"run: {tmp_path / 'run'}" in capsys.readouterr().out


@pytest.mark.slow
def test_data_that_have_moved_must_be_named(tmp_path, capsys, tiny):
    config = ["train", "cifar10-lt", "--data", str(tiny), "--epochs", "1", "--model", "resnet8-cifar"]
    assert main([*config, "--imbalance", "4", "--batch-size", "16", "--out", str(tmp_path / "run")]) == 0
    (tmp_path / "run/result.json").unlink()
    (tmp_path / "run/data.json").unlink()
    capsys.readouterr()
    assert main(["train", "--resume", str(tmp_path / "run")]) == 2
    assert capsys.readouterr().err.startswith(f"longtail: --data must name the data of {tmp_path / 'run'}")
    assert main(["train", "--resume", str(tmp_path / "run"), "--data", str(tiny)]) == 0


def test_data_of_a_first_stage_that_have_moved_are_named(tmp_path, capsys):
    x = np.random.default_rng(0).normal(size=(40, 3))
    np.savez(tmp_path / "data.npz", x=x, y=np.repeat(["a", "b"], 20))
    data = tmp_path / "data.npz"
    longtail.fit(data, out=tmp_path / "run", epochs=1, batch_size=8, **MACHINE)
    data.rename(tmp_path / "moved.npz")
    command = ["retrain", str(tmp_path / "run"), "--method", "crt", "--epochs", "1"]
    assert main(command) == 2
    message = f"--data must name the data of {tmp_path / 'run'}. {data}, which it read, is missing."
    assert message in capsys.readouterr().err
    assert main([*command, "--data", str(tmp_path / "moved.npz")]) == 0


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("second", "--resume must name a run of longtail train. Got {}, of longtail retrain"),
        ("missing", "`path` must be a run folder. Got {}, which is missing."),
    ],
)
def test_what_cannot_be_resumed_so_is_one_line(runs, capsys, name, message):
    assert main(["train", "--resume", str(runs / name)]) == 2
    said = capsys.readouterr().err
    assert said.startswith(f"longtail: {message.format(runs / name)}")
    assert said.count("\n") == 1


@pytest.fixture
def read_only(runs, monkeypatch):
    """Let every attempt to write below the runs fail as on a read-only disk, which stops root, too."""

    def guarded(function, writes):
        def call(path, *arguments, **named):
            if Path(os.fsdecode(path)).is_relative_to(runs) and writes(*arguments):
                raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(path))
            return function(path, *arguments, **named)

        return call

    flags = os.O_WRONLY | os.O_RDWR | os.O_CREAT
    monkeypatch.setattr(os, "open", guarded(os.open, lambda flag, *_: flag & flags))
    for name in ("unlink", "remove", "rmdir", "mkdir", "rename", "replace", "chmod", "symlink", "utime"):
        monkeypatch.setattr(os, name, guarded(getattr(os, name), lambda *_: True))
    monkeypatch.setattr(os, "access", lambda path, mode: not (mode & os.W_OK and Path(path).is_relative_to(runs)))
    return runs


@pytest.mark.parametrize("left", [False, True])
@pytest.mark.slow
def test_a_complete_run_on_a_read_only_disk_can_be_looked_at(runs, left, request, tmp_path, capsys):
    if left:  # by a process that ended right after it had written the result
        shutil.copy(runs / "stopped/checkpoint.pt", runs / "complete")
    run, report = str(request.getfixturevalue("read_only") / "complete"), str(tmp_path / "report.html")
    for command in (
        ["train", "--resume", run],
        ["retrain", run, "--method", "crt", "--epochs", "1", "--out", str(runs / "second"), "--resume"],
        ["evaluate", run],
        ["report", run, "--out", report],
        ["doctor", run],
        ["fix", run, "--part", "test", "--out", str(tmp_path / "fix.json"), "--report", "none", "--quiet"],
        ["export", run, "--safetensors", str(tmp_path / "model")],
    ):
        assert main(command) in ((0, 1) if command[0] == "doctor" else (0,)), capsys.readouterr().err
    assert (runs / "complete/checkpoint.pt").exists() == left


def test_a_complete_run_without_its_fix_on_a_read_only_disk_can_be_looked_at(runs, request, tmp_path, capsys):
    features = np.random.default_rng(0).normal(size=(60, 3)).astype(np.float32)
    longtail.fit((features, np.repeat(["a", "b"], [40, 20])), out=runs / "own", epochs=1, batch_size=8, **MACHINE)
    (runs / "own/fix.json").unlink()
    run = str(request.getfixturevalue("read_only") / "own")
    for command in (["train", "--resume", run], ["report", run, "--out", str(tmp_path / "report.html")]):
        assert main(command) == 0, capsys.readouterr().err
    said = capsys.readouterr()
    assert "longtail predict applies: no fix" in said.out
    assert "None" not in said.err + said.out


def test_an_incomplete_run_on_a_read_only_disk_is_refused(read_only, capsys):
    assert main(["train", "--resume", str(read_only / "stopped")]) == 2
    said = [line for line in capsys.readouterr().err.splitlines() if line.startswith("longtail: ")]
    assert said == [
        "longtail: `path` must be a folder that can be written to, so that the run in it can continue. Got "
        f"{read_only / 'stopped'}: Read-only file system. Copy it to another disk."
    ]


@pytest.mark.parametrize("value", [["--resume", "runs/gala"], ["--resume=runs/gala"]])
def test_a_run_beside_data_or_a_recipe_is_refused(value, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "table.csv").write_text("a,label\n1,x\n")
    for command in (["train", "table.csv"], ["train", "digits-lt"]):
        assert main([*command, *value]) == 2
        said = capsys.readouterr().err
        assert f"--resume must have no value beside {command[1]}. Got runs/gala." in said
        assert "longtail train --resume runs/gala. With those given here: --resume --out runs/gala." in said
    assert main(["retrain", "runs/ce", *value]) == 2
    assert "Got runs/gala. Type: --resume --out runs/gala." in capsys.readouterr().err


def test_a_run_to_resume_is_named_with_or_without_an_equals_sign(tmp_path, capsys):
    said = []
    for typed in (["--resume", str(tmp_path)], [f"--resume={tmp_path}"]):
        assert main(["train", *typed]) == 2
        said.append(capsys.readouterr().err)
    assert said[0] == said[1] == f"longtail: `path` must be a run folder. Got {tmp_path}, which has no run.json.\n"
