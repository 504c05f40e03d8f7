import io
from pathlib import Path

import pytest
from rich.console import Console

from longtail.training import Plan, Step, TrainingConfig
from longtail.training import progress as module
from longtail.training.progress import ProgressReport, _duration

HEADER = [
    "run: runs/x [b]",
    "105 training samples, resnet32-cifar, gala, auto, auto, threads None, processes None",
]


class Clock:
    now = 0.0

    def monotonic(self):
        return self.now


@pytest.fixture
def clock(monkeypatch):
    monkeypatch.setattr(module, "time", clock := Clock())
    return clock


def report_on(terminal: bool) -> tuple[ProgressReport, io.StringIO]:
    screen = io.StringIO()
    return ProgressReport(
        Console(file=screen, force_terminal=terminal, width=120, highlight=False, markup=False)
    ), screen


def two_epochs(report: ProgressReport, clock: Clock, first_step: int = 0, waited: float = 0.0) -> None:
    report.on_train_start(
        Plan(TrainingConfig(epochs=2, batch_size=10), Path("runs/x [b]"), 105, (100, 5), 10, 1, first_step)
    )
    for epoch in (1, 2):
        for step in range(first_step if epoch == 1 else 0, 10):
            clock.now += 0.5
            report.on_step_end(Step(epoch, step + 1, None, None, 2.0, 0.1, waited=waited))
        tested = {"test_top1": 0.25} if epoch == 2 else {}
        report.on_epoch_end({"epoch": epoch, "loss": 2.0, "learning_rate": 0.1, **tested})
    report.on_train_end()


def test_features_are_not_said_to_pass_through_the_network_of_the_settings():
    plan = Plan(TrainingConfig(), Path("runs/x"), 105, (100, 5), 10, 1, 0, of_features=True)
    assert module._described(plan) == "105 training samples, features, " + HEADER[1].partition("resnet32-cifar, ")[2]


def test_what_is_beside_the_loss_is_said():
    config = TrainingConfig(loss="ce", contrastive=0.35, contrastive_loss="probabilistic", sam_radius=0.05)
    plan = Plan(config, Path("runs/x"), 105, (100, 5), 10, 1, 0)
    assert ", ce contrastive=0.35 sam_radius=0.05 contrastive_loss=probabilistic, auto, " in module._described(plan)


def test_without_a_terminal_each_epoch_is_a_plain_line(clock):
    report, screen = report_on(terminal=False)
    two_epochs(report, clock)
    assert screen.getvalue().splitlines() == [
        *HEADER,
        "epoch 1/2  loss 2.000  lr 0.1000  20 samples/s  5 s left",
        "epoch 2/2  loss 2.000  lr 0.1000  20 samples/s  0 s left  test 25.0 %",
        "scoring the training and test samples",
    ]


def test_a_batch_that_is_larger_than_the_data_counts_its_samples(clock):
    report, _ = report_on(terminal=False)
    report.on_train_start(Plan(TrainingConfig(epochs=2, batch_size=64), Path("runs/x"), 40, (35, 5), 1, 1, 0))
    clock.now += 2.0
    report.on_step_end(Step(1, 1, None, None, 2.0, 0.1))
    assert (report.speed(), report.seconds_left()) == (20.0, 2.0)


def test_a_resumed_run_counts_only_what_this_process_did(clock):
    report, screen = report_on(terminal=False)
    two_epochs(report, clock, first_step=6)
    assert screen.getvalue().splitlines()[2:4] == [
        "resumed in epoch 1 after step 6 of 10",
        "epoch 1/2  loss 2.000  lr 0.1000  20 samples/s  5 s left",
    ]


def resumed_at(epoch: int, step: int, *, evaluated: bool) -> list[str]:
    """The lines after the header of a run whose checkpoint is that of an epoch and a step."""
    report, screen = report_on(terminal=False)
    report.on_train_start(
        Plan(TrainingConfig(epochs=2, batch_size=10), Path("runs/x [b]"), 105, (100, 5), 10, epoch, step)
    )
    if evaluated:
        report.on_epoch_end({"epoch": 2, "loss": 2.0, "learning_rate": 0.1, "test_top1": 0.25})
    report.on_train_end()
    return screen.getvalue().splitlines()[2:]


@pytest.mark.usefixtures("clock")
def test_a_run_resumed_after_its_last_step_has_the_evaluation_before_it():
    assert resumed_at(2, 10, evaluated=True) == [
        "resumed after the last step, before its evaluation on the test set",
        "epoch 2/2  loss 2.000  lr 0.1000  test 25.0 %",
        "scoring the training and test samples",
    ]
    assert resumed_at(3, 0, evaluated=False) == [
        "resumed after the last epoch",
        "scoring the training and test samples",
    ]


@pytest.mark.usefixtures("clock")
def test_nothing_is_scored_after_an_evaluation_that_failed():
    assert resumed_at(2, 10, evaluated=False) == ["resumed after the last step, before its evaluation on the test set"]


def test_a_considerable_wait_for_data_is_shown(clock):
    report, screen = report_on(terminal=False)
    two_epochs(report, clock, waited=0.2)
    assert "20 samples/s (40 % waiting for data)  5 s left" in screen.getvalue()
    report, screen = report_on(terminal=False)
    two_epochs(report, clock, waited=0.05)
    assert "waiting" not in screen.getvalue()


def test_on_a_terminal_there_is_a_bar_with_everything_in_it(clock):
    report, screen = report_on(terminal=True)
    two_epochs(report, clock)
    said = screen.getvalue()
    for part in ("epoch 2/2", "loss 2.000", "lr 0.1000", "20 samples/s", "0 s left", "test 25.0 %", "━"):
        assert part in said


@pytest.mark.parametrize(("seconds", "said"), [(5, "5 s"), (200, "3 min"), (9000, "2.5 h")])
def test_durations_are_short(seconds, said):
    assert _duration(seconds) == said
