from pathlib import Path

import numpy as np
import pytest
import torch

from longtail import GALALoss
from longtail.analysis import GradientRecorder, RecordedGradients
from longtail.analysis.gradient_recorder import groups_of
from longtail.losses import EQLLoss, FocalLoss
from longtail.training import Callback, TrainingConfig, TrainingStopped, run_experiment
from longtail.training.callbacks import Plan, Step
from training.tiny import TINY_OPTIONS, tiny_cifar10, tiny_config, write_tiny

COUNTS = (30, 10, 5, 3, 2)
C = len(COUNTS)
LOSSES = {
    "cross-entropy": torch.nn.CrossEntropyLoss(),
    "gala": GALALoss(C),
    "focal": FocalLoss(C, gamma=2.0),
    "eql": EQLLoss(torch.tensor(COUNTS), threshold=0.1),
}


def plan(folder, first=(1, 0)):
    return Plan(TrainingConfig(), Path(folder), sum(COUNTS), COUNTS, 2, *first)


def batches(soft=False, seed=0):
    generator = torch.Generator().manual_seed(seed)
    for _ in range(4):
        logits = torch.randn(7, C, generator=generator, dtype=torch.float64, requires_grad=True)
        target = torch.randint(0, C, (7,), generator=generator)
        yield logits, torch.rand(7, C, generator=generator).double().softmax(1) if soft else target


def recorded(folder, loss, soft=False, **settings):
    """What a recorder keeps of four steps, and the steps' own gradients and targets."""
    recorder, seen = GradientRecorder(**settings), []
    recorder.on_train_start(plan(folder))
    for number, (logits, target) in enumerate(batches(soft), 1):
        loss(logits, target).backward()
        recorder.on_step_end(Step(1, number, logits.detach(), target, torch.zeros(()), 0.1, logits.grad))
        seen.append((logits.grad.numpy(), target.numpy()))
    recorder.on_epoch_end({})
    recorder.on_train_end()
    return RecordedGradients.load(folder), seen


@pytest.mark.parametrize(
    ("name", "soft"), [(name, soft) for name in LOSSES for soft in (False, True) if (name, soft) != ("eql", True)]
)
def test_sums_are_those_of_autograd(tmp_path, name, soft):
    kept, seen = recorded(tmp_path, LOSSES[name], soft)
    positive, negative = np.zeros((2, C, C))
    for gradient, target in seen:
        for row, own in zip(gradient * len(gradient), target, strict=True):
            for j in range(C):
                for k in range(C):
                    share = own[k] if soft else float(own == k)
                    positive[j, k] += share * max(0.0, -row[j])
                    negative[j, k] += share * max(0.0, row[j])
    np.testing.assert_allclose(kept.positive_by_cause[0], positive, rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(kept.negative_by_cause[0], negative, rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(kept.positive[0], positive.sum(1))
    np.testing.assert_allclose(kept.negative[0], negative.sum(1))
    expected = [p / n if n else np.nan for p, n in zip(positive.sum(1), negative.sum(1), strict=True)]
    np.testing.assert_allclose(kept.ratio, expected)


def test_many_classes_are_kept_as_groups(tmp_path):
    whole, _ = recorded(tmp_path, LOSSES["cross-entropy"])
    grouped, _ = recorded(tmp_path, LOSSES["cross-entropy"], most_classes=2)
    assert grouped.group.tolist() == [0, 0, 0, 1, 1]
    assert grouped.negative_by_cause.shape == (1, 2, 2)
    np.testing.assert_allclose(grouped.negative, whole.negative)
    np.testing.assert_allclose(grouped.negative_by_cause[0, 0, 1], whole.negative_by_cause[0, :3, 3:].sum(), rtol=1e-6)
    np.testing.assert_array_equal(groups_of(torch.tensor([1, 9, 5, 7]), 4), [0, 1, 2, 3])


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    write_tiny(folder)
    with tiny_cifar10():
        yield folder


class StopAt(Callback):
    """As a signal would."""

    def __init__(self, epoch, step):
        self.at = (epoch, step)

    def on_step_end(self, step):
        if (step.epoch, step.step) == self.at:
            import signal

            signal.raise_signal(signal.SIGINT)


@pytest.mark.slow
def test_theta_of_gala_is_the_positive_gradient(tiny, tmp_path):
    config = tiny_config(loss="gala", loss_arguments=("accumulate=sum",), precision="float32")
    folder = run_experiment(config, data=tiny, out=tmp_path / "run", callbacks=[GradientRecorder()])
    kept = RecordedGradients.load(folder.path)
    assert kept.epochs == 3
    np.testing.assert_allclose(kept.positive.sum(0), folder.load_weights()["criterion"]["theta"], rtol=1e-4)
    assert (kept.positive_by_cause.sum((0, 2)) > 0).all()


@pytest.mark.parametrize("at", [(1, 3), (2, 6)])
@pytest.mark.slow
def test_a_resumed_run_keeps_what_one_that_was_not_stopped_keeps(tiny, tmp_path, at):
    whole = run_experiment(tiny_config(loss="ce"), data=tiny, out=tmp_path / "a", callbacks=[GradientRecorder()])
    with pytest.raises(TrainingStopped):
        run_experiment(
            tiny_config(loss="ce"), data=tiny, out=tmp_path / "b", callbacks=[GradientRecorder(), StopAt(*at)]
        )
    run_experiment(tiny_config(loss="ce"), data=tiny, out=tmp_path / "b", resume=True, callbacks=[GradientRecorder()])
    one, other = RecordedGradients.load(whole.path), RecordedGradients.load(tmp_path / "b")
    for name in vars(one):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))


@pytest.mark.slow
def test_the_result_is_the_same_with_and_without(tiny, tmp_path):
    recorded = run_experiment(tiny_config(), data=tiny, out=tmp_path / "a", callbacks=[GradientRecorder()])
    plain = run_experiment(tiny_config(), data=tiny, out=tmp_path / "b")
    for one, other in zip(recorded.load_predictions("test"), plain.load_predictions("test"), strict=True):
        np.testing.assert_array_equal(one, other)
    assert not (plain.path / "gradients.npz").exists()


def test_it_rides_from_the_first_step_or_not_at_all(tmp_path):
    with pytest.raises(ValueError, match="Gradients must be recorded from the first step on"):
        GradientRecorder().on_train_start(plan(tmp_path, first=(2, 0)))
    assert not (tmp_path / "gradients.npz").exists()


def test_an_unfinished_run_can_be_looked_at(tmp_path):
    recorder = GradientRecorder(save_seconds=0.0)
    recorder.on_train_start(plan(tmp_path))
    assert RecordedGradients.load(tmp_path).epochs == 0
    for number, (logits, target) in enumerate(batches(), 1):
        torch.nn.functional.cross_entropy(logits, target).backward()
        recorder.on_step_end(Step(1, number, logits.detach(), target, torch.zeros(()), 0.1, logits.grad))
    recorder.on_epoch_end({})
    assert RecordedGradients.load(tmp_path).epochs == 1


def test_a_missing_or_damaged_recording_is_told(tmp_path):
    with pytest.raises(FileNotFoundError, match="train with --record-gradients"):
        RecordedGradients.load(tmp_path)
    (tmp_path / "gradients.npz").write_bytes(b"PK nonsense")
    with pytest.raises(ValueError, match="must be a recording. It could not be read"):
        RecordedGradients.load(tmp_path)


@pytest.mark.slow
def test_the_command_line_records_and_goes_on_recording(tiny, tmp_path, capsys):
    from longtail.cli import main

    out = tmp_path / "run"
    arguments = ["train", "cifar10-lt", *TINY_OPTIONS, "--data", str(tiny), "--out", str(out)]
    assert main([*arguments, "--record-gradients"]) == 0
    assert RecordedGradients.load(out).epochs == 3
    assert main([*arguments, "--resume"]) == 0


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"most_classes": 0}, "`most_classes` must be at least 1. Got 0"),
        ({"save_seconds": float("nan")}, "`save_seconds` must be finite and at least 0"),
    ],
)
def test_settings_are_checked_before_training(settings, message):
    with pytest.raises(ValueError, match=message):
        GradientRecorder(**settings)
