"""Fine-tuning with worker processes, killed and resumed."""

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from longtail.cli import main
from longtail.runs import RunFolder
from longtail.training import Callback, TrainingStopped, run_experiment
from training.finetuning_killed import config, train
from training.own import finetune_config, write_photographs
from training.test_resume import At, assert_same_end

SCRIPT = str(Path(__file__).with_name("finetuning_killed.py"))
ALONE = {**os.environ, "OMP_NUM_THREADS": "1"}


@pytest.fixture(scope="module")
def photographs(tmp_path_factory):
    return write_photographs(tmp_path_factory.mktemp("own") / "photographs")


@pytest.fixture(scope="module")
def whole(photographs, tmp_path_factory):
    return train(photographs, tmp_path_factory.mktemp("whole") / "run").path


@pytest.mark.slow
def test_a_run_killed_with_two_workers_resumes_bit_identically(photographs, whole, tmp_path):
    """First in a step, then at whatever moment it has come to when its first new checkpoint is there."""
    command = [sys.executable, SCRIPT, str(photographs), str(tmp_path / "run"), "2"]
    assert subprocess.run([*command, "4"], env=ALONE, check=False).returncode == -signal.SIGKILL
    checkpoint = tmp_path / "run/checkpoint.pt"
    before = checkpoint.stat().st_mtime_ns
    process = subprocess.Popen([*command, "0"], env=ALONE)
    while checkpoint.exists() and checkpoint.stat().st_mtime_ns == before and process.poll() is None:
        time.sleep(0.002)
    process.kill()
    assert process.wait() == -signal.SIGKILL
    resumed = At(0, None)
    run_experiment(config(workers=1), data=photographs, out=tmp_path / "run", resume=True, callbacks=[resumed])
    assert resumed.began is not None
    assert resumed.began > (1, 3)
    assert_same_end(tmp_path / "run", whole)


@pytest.mark.slow
def test_a_signal_to_the_workers_too_keeps_the_step(photographs, whole, tmp_path):
    def stop_all():
        os.kill(os.getpid(), signal.SIGTERM)
        for child in multiprocessing.active_children():
            os.kill(child.pid, signal.SIGTERM)

    with pytest.raises(TrainingStopped, match=r"Stopped in epoch 2 after step [23] of 3"):
        run_experiment(config(workers=1), data=photographs, out=tmp_path / "run", callbacks=[At(5, stop_all)])
    train(photographs, tmp_path / "run")
    assert_same_end(tmp_path / "run", whole)


@pytest.mark.slow
def test_a_worker_that_dies_is_one_line_and_the_run_goes_on_without(photographs, whole, tmp_path, capsys, monkeypatch):
    def kill_a_worker(*_):
        for child in multiprocessing.active_children():
            os.kill(child.pid, signal.SIGKILL)

    monkeypatch.setattr("longtail.training.progress.ProgressReport.on_step_end", kill_a_worker)
    options = ["--model", "resnet8-cifar", "--no-pretrained", "--size", "16", "--batch-size", "2", "--epochs", "3"]
    moments = ["--mean", "0.5", "0.5", "0.5", "--std", "0.25", "0.25", "0.25", "--device", "cpu", "--threads", "1"]
    command = ["train", "finetune", "--data", str(photographs), "--out", str(tmp_path / "run"), *options, *moments]
    assert main([*command, "--workers", "1"]) == 2
    said = capsys.readouterr().err.splitlines()[-1]
    assert said.startswith("longtail: `workers`: a process that decodes images ended before its time")
    assert "--resume and fewer workers; --workers 0 decodes without them" in said
    assert main([*command, "--workers", "0", "--resume"]) == 0


class Spoil(Callback):
    """Damages a file when the first epoch has ended."""

    def __init__(self, file):
        self.file = file

    def on_epoch_end(self, metrics):
        if metrics["epoch"] == 1:
            self.file.write_bytes(b"noise")


@pytest.mark.parametrize("workers", [0, 1])
@pytest.mark.slow
def test_a_file_that_goes_bad_stops_the_run_or_is_left_out(tmp_path, workers, caplog):
    folder = write_photographs(tmp_path / "photographs")
    splits = RunFolder.open(run_experiment(finetune_config(epochs=1), data=folder, out=tmp_path / "first").path)
    held_out = {name for own in splits.data["held_out"]["held_out"].values() for name in own}
    file = next(file for file in sorted(folder.rglob("*.png")) if str(file.relative_to(folder)) not in held_out)
    content = file.read_bytes()
    settings = {"batch_size": 24, "workers": workers, "epochs": 2}  # all training images in one batch
    run = run_experiment(finetune_config(**settings), data=folder, out=tmp_path / "whole")

    with pytest.raises(ValueError, match=rf"{file} must be a whole image file.*Restore it and go on with --resume"):
        run_experiment(finetune_config(**settings), data=folder, out=tmp_path / "run", callbacks=[Spoil(file)])
    file.write_bytes(content)
    run_experiment(finetune_config(**settings), data=folder, out=tmp_path / "run", resume=True)
    assert_same_end(tmp_path / "run", run.path)

    config = finetune_config(**settings, on_bad_file="skip")
    left_out = run_experiment(config, data=folder, out=tmp_path / "skip", callbacks=[Spoil(file)])
    notes = [note for note in left_out.result["notes"] if str(file) in note]
    assert len(notes) == 1
    assert notes[0].startswith(f"train: {file} became unreadable during the run and was left out")
    assert f"left out from now on: {file} must be a whole image file" in caplog.text
    assert left_out.metrics[0]["loss"] == run.metrics[0]["loss"]
    assert left_out.metrics[1]["loss"] != run.metrics[1]["loss"]
    assert len(left_out.load_predictions("train")[0]) == len(run.load_predictions("train")[0])


@pytest.mark.slow
def test_the_scale_of_a_float16_run_is_resumed(photographs, tmp_path, monkeypatch):
    from longtail.models import BACKBONES
    from training.test_optimizer import Flat

    monkeypatch.setitem(BACKBONES, "loud", lambda: Loud())

    class Loud(Flat):
        def __init__(self):
            super().__init__(3000.0)
            self.layer.weight.data = self.layer.weight.data.repeat(1, 12)[:, : 3 * 16 * 16].contiguous()

    settings = {"model": "loud", "precision": "float16", "learning_rate": 1e-6, "epochs": 3}
    run_experiment(finetune_config(**settings), data=photographs, out=tmp_path / "whole")
    stop = At(4, lambda: os.kill(os.getpid(), signal.SIGINT))
    with pytest.raises(TrainingStopped):
        run_experiment(finetune_config(**settings), data=photographs, out=tmp_path / "run", callbacks=[stop])
    kept = RunFolder.open(tmp_path / "run").load_checkpoint()
    assert kept["scaler"]["scale"] < 2**16
    assert kept["skipped"] <= 4
    run_experiment(finetune_config(**settings), data=photographs, out=tmp_path / "run", resume=True)
    assert_same_end(tmp_path / "run", tmp_path / "whole")
    assert RunFolder.open(tmp_path / "run").metrics[0]["skipped_steps"] > 0
