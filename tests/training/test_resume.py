"""An interrupted and resumed run is bit-identical to one that was not interrupted."""

import os
import re
import resource
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from filelock import FileLock

from longtail.cli import main
from longtail.data import load_splits
from longtail.runs import RunFolder
from longtail.training import Callback, TrainingDivergedError, TrainingStopped, experiment, run_experiment
from longtail.training.evaluation import Evaluation
from training.tiny import TINY_OPTIONS, tiny_config

pytestmark = pytest.mark.slow

KILLED = (
    "before-the-first-checkpoint",
    "in-the-middle-of-epochs",
    "while-files-are-written",
    "while-the-end-is-written",
    "at-random-moments",
)


def assert_same_end(path: Path, whole: Path) -> None:
    a, b = RunFolder.open(path), RunFolder.open(whole)
    for group, tensors in b.load_weights().items():
        for name, tensor in tensors.items():
            assert torch.equal(a.load_weights()[group][name], tensor), name
    for name in ("train", "augmented", "test"):
        assert (a.load_predictions(name)[0] == b.load_predictions(name)[0]).all()
    without_time = [[{k: v for k, v in line.items() if k != "seconds"} for line in f.metrics] for f in (a, b)]
    assert without_time[0] == without_time[1]
    results = [{**run.result, "training_minutes": 0} for run in (a, b) if run.result is not None]
    assert len(results) == 2
    assert results[0] == results[1]
    assert sorted(file.name for file in path.iterdir()) == sorted(file.name for file in whole.iterdir())


@pytest.fixture(scope="module")
def killed_runs(tiny_data, tmp_path_factory):
    out = tmp_path_factory.mktemp("runs")
    script = Path(__file__).with_name("killed_runs.py")
    subprocess.run([sys.executable, script, tiny_data, out], check=True, env={**os.environ, "OMP_NUM_THREADS": "1"})
    return out


@pytest.mark.parametrize("name", KILLED)
def test_a_run_killed_at_any_moment_resumes_bit_identically(name, killed_runs):
    assert_same_end(killed_runs / name, killed_runs / "whole")
    assert not (killed_runs / name / "checkpoint.pt").exists()


class At(Callback):
    """Does something after a number of steps; remembers where it began."""

    def __init__(self, steps, action):
        self.left, self.action = steps, action
        self.began = None

    def on_train_start(self, plan):
        self.began = (plan.first_epoch, plan.first_step)

    def on_step_end(self, step):
        self.left -= 1
        if self.left == 0:
            self.action()


@pytest.fixture(scope="module")
def whole(killed_runs):
    return killed_runs / "whole"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_step_keeps_it_and_says_how_to_resume(tiny, whole, tmp_path, number):
    former = signal.getsignal(number)
    with pytest.raises(TrainingStopped, match=r"Stopped in epoch 2 after step 3 of 6\."):
        run_experiment(
            tiny_config(), data=tiny, out=tmp_path / "run", callbacks=[At(9, lambda: os.kill(os.getpid(), number))]
        )
    assert signal.getsignal(number) is former
    assert RunFolder.open(tmp_path / "run").load_checkpoint()["step"] == 3
    run_experiment(tiny_config(), data=tiny, out=tmp_path / "run", resume=True)
    assert_same_end(tmp_path / "run", whole)


@pytest.mark.parametrize("mixing", ["mixup", "cutmix", "remix", "cmo"])
def test_mixed_batches_are_the_same_after_resuming(tiny, tmp_path, mixing):
    class Seen(Callback):
        def __init__(self):
            self.targets = []

        def on_step_end(self, step):
            self.targets.append(step.target)

    config = tiny_config(epochs=1, mixing=mixing, mixing_alpha=2.0)
    seen = Seen()
    run_experiment(config, data=tiny, out=tmp_path / "whole", callbacks=[seen])
    mixed = [target for target in seen.targets if target.shape == (16, 10)]
    assert len(mixed) == len(seen.targets) if mixing != "cmo" else 0 < len(mixed) < len(seen.targets)
    assert ((mixed[0] > 0).sum(1) == 2).any()
    shares = {round(float(target[target > 0].min()), 4) for target in mixed}
    assert mixing == "remix" or len(shares) > 1
    with pytest.raises(TrainingStopped):
        run_experiment(
            config, data=tiny, out=tmp_path / "cut", callbacks=[At(3, lambda: os.kill(os.getpid(), signal.SIGINT))]
        )
    run_experiment(config, data=tiny, out=tmp_path / "cut", resume=True)
    assert_same_end(tmp_path / "cut", tmp_path / "whole")


def test_none_differs_from_a_number_unless_the_setting_is_left_open(tiny, tmp_path):
    run_experiment(tiny_config(epochs=1), data=tiny, out=tmp_path / "run")
    with pytest.raises(ValueError, match=r"`imbalance` is 4\.0, not left out"):
        run_experiment(tiny_config(epochs=1, imbalance=None), data=tiny, out=tmp_path / "run", resume=True)
    run_experiment(tiny_config(epochs=1, threads=None), data=tiny, out=tmp_path / "run", resume=True)


def test_a_resumed_run_depends_on_its_checkpoint_alone(tiny, whole, tmp_path):
    stop = At(9, lambda: os.kill(os.getpid(), signal.SIGINT))
    with pytest.raises(TrainingStopped):
        run_experiment(tiny_config(), data=tiny, out=tmp_path / "run", callbacks=[stop])
    folder = RunFolder.open(tmp_path / "run")
    state = folder.load_checkpoint()
    state["model"]["classifier.bias"] += 0.1  # what no run of this seed would hold
    folder.save_checkpoint(state)
    resumed = At(0, None)
    run_experiment(tiny_config(), data=tiny, out=tmp_path / "run", resume=True, callbacks=[resumed])
    assert resumed.began == (2, 3)
    ours, theirs = (RunFolder.open(path).load_weights()["model"] for path in (tmp_path / "run", whole))
    assert not torch.equal(ours["classifier.bias"], theirs["classifier.bias"])


def test_a_run_that_another_process_finished_is_not_changed(tiny, whole, tmp_path, monkeypatch):
    shutil.copytree(whole, tmp_path / "run")
    (tmp_path / "run" / "result.json").rename(tmp_path / "result.json")

    def load_while_another_ends(*arguments, **more):
        (tmp_path / "result.json").rename(tmp_path / "run" / "result.json")
        return load_splits(*arguments, **more)

    monkeypatch.setattr(experiment, "load_splits", load_while_another_ends)
    before = (tmp_path / "run" / "metrics.jsonl").read_text()
    run_experiment(tiny_config(), data=tiny, out=tmp_path / "run", resume=True)
    assert (tmp_path / "run" / "metrics.jsonl").read_text() == before


def test_a_signal_in_the_last_evaluation_is_not_lost(tiny, whole, tmp_path, monkeypatch):
    evaluate = Evaluation.during_training
    calls = []

    def signalled(*arguments):
        calls.append(1)
        if len(calls) == 2:  # after epochs 2 and 3
            os.kill(os.getpid(), signal.SIGTERM)
        return evaluate(*arguments)

    monkeypatch.setattr(Evaluation, "during_training", signalled)
    with pytest.raises(TrainingStopped, match="after the last epoch, before its result"):
        run_experiment(tiny_config(), data=tiny, out=tmp_path / "run")
    run_experiment(tiny_config(), data=tiny, out=tmp_path / "run", resume=True)
    assert_same_end(tmp_path / "run", whole)


def test_callbacks_keep_their_state(tiny, tmp_path):
    class Count(Callback):
        steps = 0

        def on_step_end(self, step):
            self.steps += 1
            if self.steps == 8:
                os.kill(os.getpid(), signal.SIGINT)

        def state_dict(self):
            return {"steps": self.steps}

        def load_state_dict(self, state):
            self.steps = state.get("steps", 0)

    with pytest.raises(TrainingStopped):
        run_experiment(tiny_config(), data=tiny, out=tmp_path / "run", callbacks=[Count()])
    counter = Count()
    run_experiment(tiny_config(), data=tiny, out=tmp_path / "run", resume=True, callbacks=[counter])
    assert counter.steps == 18
    with pytest.raises(ValueError, match="`callbacks` with a state must be of different classes. Got Count, Count"):
        run_experiment(tiny_config(), data=tiny, out=tmp_path / "other", callbacks=[Count(), Count()])


def test_loss_arguments_may_be_spelled_differently_on_resuming(tiny, tmp_path):
    config = tiny_config(loss_arguments=("eps=1e-1", "lambda_positive=1.20"))
    stop = At(2, lambda: os.kill(os.getpid(), signal.SIGINT))
    with pytest.raises(TrainingStopped):
        run_experiment(config, data=tiny, out=tmp_path / "run", callbacks=[stop])
    assert run_experiment(config, data=tiny, out=tmp_path / "run", resume=True).result


def test_the_command_line_says_how_to_resume(tiny, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(
        "longtail.training.progress.ProgressReport.on_step_end", lambda *_: os.kill(os.getpid(), signal.SIGINT)
    )
    command = ["train", "cifar10-lt", "--data", str(tiny), "--out", str(tmp_path / "run"), *TINY_OPTIONS]
    assert main(command) == 130
    said = capsys.readouterr().err.splitlines()[-1]
    assert said == (
        "longtail: Stopped in epoch 1 after step 1 of 6. To go on: " + " ".join(["longtail", *command, "--resume"])
    )


def test_a_full_disk_keeps_the_former_checkpoint(tiny, whole, tmp_path):
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    run = {"data": tiny, "out": tmp_path / "run", "checkpoint_seconds": 0}
    fill = At(8, lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1])))
    try:
        with pytest.raises(
            OSError, match=r"checkpoint of epoch 2, step 2 could not be written.*The last checkpoint is kept"
        ):
            run_experiment(tiny_config(), **run, callbacks=[fill])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    kept = RunFolder.open(tmp_path / "run").load_checkpoint()
    assert (kept["epoch"], kept["step"]) == (2, 1)
    assert not list((tmp_path / "run").glob(".*.part"))
    run_experiment(tiny_config(), **run, resume=True)
    assert_same_end(tmp_path / "run", whole)


def test_a_non_finite_loss_stops_the_run_and_keeps_the_last_good_checkpoint(tiny, tmp_path):
    config = tiny_config(learning_rate=1e30, warmup_epochs=0)
    with pytest.raises(
        TrainingDivergedError, match=r"became NaN or infinite in epoch 1.*Try a smaller `learning_rate`"
    ):
        run_experiment(config, data=tiny, out=tmp_path / "run", checkpoint_seconds=0)
    folder = RunFolder.open(tmp_path / "run")
    kept = folder.load_checkpoint()
    assert all(tensor.isfinite().all() for tensor in kept["model"].values())
    assert folder.result is None
    with pytest.raises(TrainingDivergedError):  # as it is bound to, being the same run
        run_experiment(config, data=tiny, out=tmp_path / "run", resume=True)


def test_resuming_a_complete_run_changes_nothing(tiny, whole):
    before = {file.name: file.stat().st_mtime_ns for file in whole.iterdir()}
    assert run_experiment(tiny_config(), data="nowhere", out=whole, resume=True).result
    assert {file.name: file.stat().st_mtime_ns for file in whole.iterdir()} == before


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"seed": 1}, "`seed` is 0, not 1"),
        ({"epochs": 4, "learning_rate": 0.2}, "`learning_rate` is 0.1, not 0.2; `epochs` is 3, not 4"),
        ({"loss": "ce"}, "`loss` is 'gala', not 'ce'"),
        ({"loss_arguments": ("lambda_positive=1.0",)}, "`loss_arguments` is"),
        ({"threads": 2}, "`threads` is 1, not 2"),
    ],
)
def test_resuming_may_not_change_the_result(tiny, whole, change, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        run_experiment(tiny_config(**change), data=tiny, out=whole, resume=True)


def test_resuming_may_change_settings_that_the_result_does_not_depend_on(tiny, whole, tmp_path):
    stop = At(2, lambda: os.kill(os.getpid(), signal.SIGINT))
    with pytest.raises(TrainingStopped):
        run_experiment(tiny_config(), data=tiny, out=tmp_path / "run", callbacks=[stop], checkpoint_seconds=1)
    open_config = tiny_config(threads=None, device="auto", loss_arguments=("lambda_positive=1.2",))
    run_experiment(open_config, data=tiny, out=tmp_path / "run", resume=True, checkpoint_seconds=1000)
    assert_same_end(tmp_path / "run", whole)


def test_other_versions_are_noted(tiny, tmp_path):
    stop = At(2, lambda: os.kill(os.getpid(), signal.SIGINT))
    with pytest.raises(TrainingStopped):
        run_experiment(tiny_config(), data=tiny, out=tmp_path / "run", callbacks=[stop])
    header = tmp_path / "run" / "run.json"
    header.write_text(header.read_text().replace(str(torch.__version__), "1.0"))
    folder = run_experiment(tiny_config(), data=tiny, out=tmp_path / "run", resume=True)
    assert f"resumed with torch {torch.__version__}, begun with 1.0" in folder.result["notes"]


def test_a_run_in_use_is_left_alone(tiny, tmp_path, capsys):
    command = ["train", "cifar10-lt", "--data", str(tiny), "--out", str(tmp_path / "run"), *TINY_OPTIONS]
    RunFolder.create(tmp_path / "run", config=tiny_config(dataset="cifar10", augmentations=()), seed=0)
    with FileLock(tmp_path / "run" / ".lock"):
        assert main([*command, "--augmentations", "--resume"]) == 2
    assert f"Another process works on {tmp_path / 'run'}: wait for it to end." in capsys.readouterr().err
    assert sorted(file.name for file in (tmp_path / "run").iterdir()) == [".lock", "run.json"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "`out` must be a run to resume, or not exist yet. Got"),
        ('{"schema": 99, "config": {}, "versions": {}}', "Got version 99"),
        ('{"schema": 1', "run.json is damaged"),
        (
            '{"schema": 1, "config": {"loss": "ce", "hidden": [8]}, "versions": {}}',
            "Got hidden. From a newer longtail?",
        ),
    ],
)
def test_a_folder_that_is_no_run_of_ours_is_refused(tiny, tmp_path, capsys, content, message):
    if content:
        (tmp_path / "run.json").write_text(content)
    before = sorted(tmp_path.iterdir())
    command = ["train", "cifar10-lt", "--data", str(tiny), "--out", str(tmp_path), *TINY_OPTIONS, "--resume"]
    assert main(command) == 2
    said = capsys.readouterr().err
    assert message in said
    assert said.count("\n") == 1
    assert sorted(tmp_path.iterdir()) == before


def test_a_damaged_checkpoint_is_refused(tiny, tmp_path, capsys):
    command = ["train", "cifar10-lt", "--data", str(tiny), "--out", str(tmp_path / "run"), *TINY_OPTIONS]
    RunFolder.create(tmp_path / "run", config=tiny_config(), seed=0)
    folder = RunFolder.open(tmp_path / "run")
    folder.save_checkpoint({"model": torch.zeros(10000)})
    whole = (folder.path / "checkpoint.pt").read_bytes()
    flipped = bytearray(whole)
    flipped[len(whole) // 2] ^= 1
    for content in (b"", b"noise", whole[: len(whole) // 2], bytes(flipped)):
        (folder.path / "checkpoint.pt").write_bytes(content)
        assert main([*command, "--resume"]) == 2
        assert f"{folder.path / 'checkpoint.pt'} is damaged" in capsys.readouterr().err
    folder.save_checkpoint({"epoch": 1})
    assert main([*command, "--resume"]) == 2
    assert f"The checkpoint in {folder.path} must be of this run. It does not fit." in capsys.readouterr().err


def test_a_compiled_run_keeps_the_bare_network_s_weights(tiny, tmp_path, monkeypatch):
    compile_ = torch.compile
    monkeypatch.setattr(torch, "compile", lambda model, **_: compile_(model, backend="aot_eager"))
    settings = {"epochs": 1, "precision": "float32"}
    compiled = run_experiment(tiny_config(compile="on", **settings), data=tiny, out=tmp_path / "compiled")
    plain = run_experiment(tiny_config(**settings), data=tiny, out=tmp_path / "plain")
    a, b = compiled.load_weights()["model"], plain.load_weights()["model"]
    assert list(a) == list(b)
    torch.testing.assert_close(a["classifier.weight"], b["classifier.weight"], rtol=1e-2, atol=1e-3)


@pytest.mark.parametrize(
    "settings", [{"loss": "gcl"}, {"loss": "eql-v2"}, {"loss": "ldam", "reweight_from": 2}, {"sampler": "progressive"}]
)
def test_losses_that_draw_learn_or_change_with_the_epoch_resume_too(tiny, tmp_path, settings):
    config = tiny_config(**settings)
    run_experiment(config, data=tiny, out=tmp_path / "whole")
    stop = At(8, lambda: os.kill(os.getpid(), signal.SIGINT))
    with pytest.raises(TrainingStopped):
        run_experiment(config, data=tiny, out=tmp_path / "run", callbacks=[stop])
    run_experiment(config, data=tiny, out=tmp_path / "run", resume=True)
    assert_same_end(tmp_path / "run", tmp_path / "whole")
