"""Optimizers, schedules, averages, accumulation, clipping and scaled losses of the loop."""

import copy

import pytest
import torch
from torch import nn

from longtail.models import BACKBONES
from longtail.recipes import digits_lt
from longtail.training import Callback, run_experiment
from longtail.training.optimiser_config import OptimiserConfig
from longtail.training.optimizer import make_average, make_optimizer
from longtail.training.schedule import SCHEDULES, rate_of_step
from longtail.training.state import TrainingState


class Flat(nn.Module):
    """A backbone without batch norm, whose batches can be divided without changing its outputs.

    Its features are scaled up, so that gradients of a scaled loss overflow in float16.
    """

    num_features = 16

    def __init__(self, scale: float = 1.0) -> None:
        super().__init__()
        self.layer, self.scale = nn.Linear(64, 16), scale

    def forward(self, inputs):
        return torch.relu(self.layer(inputs.flatten(1))) * self.scale


class Kept(Callback):
    """The weights after each step, and the learning rates."""

    needs_gradients = True

    def __init__(self, model):
        self.model, self.weights, self.rates, self.gradients = model, [], [], []

    def on_step_end(self, step):
        self.rates.append(step.learning_rate)
        self.gradients.append(step.gradient)
        self.weights.append({name: tensor.clone() for name, tensor in self.model[0].state_dict().items()})


@pytest.fixture
def made(monkeypatch):
    """The networks that were made."""
    found = []
    for name, scale in (("flat", 1.0), ("loud", 3000.0)):
        monkeypatch.setitem(BACKBONES, name, lambda scale=scale: found.append(Flat(scale)) or found[-1])
    return found


def run(out, made, **settings):
    defaults = {"model": "flat", "loss": "ce", "epochs": 2, "device": "cpu", "threads": 1, "augmentations": ()}
    made.clear()
    kept = Kept(made)
    return run_experiment(digits_lt(**(defaults | settings)), data=None, out=out, callbacks=[kept]), kept


def test_sgd_is_torch_s_and_other_names_are_timm_s():
    parameters = [{"params": [nn.Parameter(torch.ones(3, 3))], "factor": 0.5, "weight_decay": 0.0}]
    for name, expected in (("sgd", torch.optim.SGD), ("adamw", torch.optim.AdamW), ("lamb", None)):
        optimizer = make_optimizer(digits_lt(optimizer=name), copy.deepcopy(parameters), scaled=False)
        assert expected is None or type(optimizer) is expected
        assert optimizer.param_groups[0]["factor"] == 0.5
        assert optimizer.param_groups[0]["weight_decay"] == 0.0


@pytest.mark.parametrize("name", SCHEDULES)
def test_a_schedule_rises_to_its_base_and_depends_on_the_step_alone(name):
    settings = {"base": 0.2, "epochs": 5, "warmup_epochs": 1, "steps": 4}
    steps = [(epoch, step) for epoch in range(1, 6) for step in range(4)]
    rates = [rate_of_step(name, epoch, step, **settings) for epoch, step in steps]
    assert max(rates) == pytest.approx(0.2)
    assert rates[4] == pytest.approx(0.2, rel=0.1)
    assert rates[4:] == sorted(rates[4:], reverse=True)
    assert all(rate > 0 for rate in rates)
    assert (rates[-1] < 0.05) == (name != "constant")
    assert [rate_of_step(name, epoch, step, **settings) for epoch, step in reversed(steps)] == rates[::-1]
    assert (rates[0] == rates[3]) == (name == "cosine")


def test_the_loop_follows_the_schedule(made, tmp_path):
    _, kept = run(tmp_path / "run", made, schedule="cosine-per-step", warmup_epochs=1)
    steps = len(kept.rates) // 2
    settings = {"base": 0.1, "epochs": 2, "warmup_epochs": 1, "steps": steps}
    assert kept.rates == [rate_of_step("cosine-per-step", e, s, **settings) for e in (1, 2) for s in range(steps)]


@pytest.mark.slow
def test_the_averaged_weights_are_those_that_are_kept(made, tmp_path):
    folder, kept = run(tmp_path / "run", made, ema=0.8)
    average = kept.weights[0]
    for number, weights in enumerate(kept.weights[1:], 2):
        decay = min(0.8, 1 - number ** (-2 / 3)) if number > 1 else 0.0
        average = {name: decay * average[name] + (1 - decay) * weights[name] for name in weights}
    found = folder.load_weights()["model"]
    for name, tensor in average.items():
        torch.testing.assert_close(found[f"backbone.{name}"], tensor, rtol=1e-4, atol=1e-6)
        assert not torch.allclose(tensor, kept.weights[-1][name], rtol=1e-3, atol=1e-5)
    plain, _ = run(tmp_path / "plain", made)
    assert [line["loss"] for line in plain.metrics] == [line["loss"] for line in folder.metrics]


@pytest.mark.slow
def test_a_divided_batch_is_the_same_step(made, tmp_path):
    whole, kept = run(tmp_path / "whole", made, epochs=1)
    divided, parts = run(tmp_path / "divided", made, epochs=1, accumulate=5)
    for name, tensor in kept.weights[-1].items():
        torch.testing.assert_close(parts.weights[-1][name], tensor, rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(parts.gradients[0], kept.gradients[0], rtol=1e-4, atol=1e-6)
    assert divided.metrics[0]["loss"] == pytest.approx(whole.metrics[0]["loss"], rel=1e-5)


@pytest.mark.slow
def test_gala_counts_a_divided_batch_as_one_step(made, tmp_path):
    found = []
    for name, settings in (("whole", {}), ("parts", {"accumulate": 4}), ("micro", {"micro_batch_size": 5})):
        folder, _ = run(tmp_path / name, made, epochs=1, loss="gala", **settings)
        found.append(folder.load_weights()["criterion"])
    for divided in found[1:]:
        for name, tensor in found[0].items():
            torch.testing.assert_close(divided[name], tensor, rtol=1e-5, atol=0.0)


@pytest.mark.slow
def test_gradients_are_clipped_together(made, tmp_path):
    for clip_norm in (None, 0.01):
        settings = {"momentum": 0.0, "weight_decay": 0.0, "warmup_epochs": 0, "schedule": "constant"}
        _, kept = run(tmp_path / f"{clip_norm}", made, epochs=1, clip_norm=clip_norm, **settings)
        step = torch.cat([(kept.weights[1][n] - t).flatten() for n, t in kept.weights[0].items()]).norm() / 0.1
        assert (step <= 0.0101) == (clip_norm is not None)


@pytest.mark.parametrize(
    "settings", [{}, {"clip_norm": 1.0}, {"optimizer": "adamw", "learning_rate": 1e-3}, {"sam_radius": 0.05}]
)
@pytest.mark.slow
def test_overflow_in_float16_skips_the_step_and_is_said(made, tmp_path, settings):
    settings = {"learning_rate": 1e-6, "precision": "float16", "model": "loud", **settings}
    folder, kept = run(tmp_path / "run", made, **settings)
    first, second = folder.metrics
    assert first["skipped_steps"] > 0
    assert second["loss_scale"] == 2.0 ** (16 - first["skipped_steps"] - second["skipped_steps"])
    assert all(torch.equal(kept.weights[1][name], tensor) for name, tensor in kept.weights[0].items())  # skipped
    assert any(not torch.equal(kept.weights[-1][name], tensor) for name, tensor in kept.weights[0].items())
    assert all(gradient.isfinite().all() and gradient.abs().max() <= 1 for gradient in kept.gradients)


def test_a_part_without_a_sample_is_refused():
    with pytest.raises(ValueError, match="`accumulate` must be at most `batch_size`, 4"):
        digits_lt(batch_size=4, accumulate=5)


def test_averaged_weights_that_are_no_numbers_are_not_finite():
    model = nn.Linear(2, 2)
    average = make_average(OptimiserConfig(ema=0.9), model)
    state = TrainingState(model, nn.CrossEntropyLoss(), torch.optim.SGD(model.parameters(), 0.1), average=average)
    assert state.is_finite()
    with torch.no_grad():
        average.module.weight[0, 0] = torch.inf
    assert not state.is_finite()
