"""Sharpness-aware minimization: the step equals the formula, and only the gradient is that of moved weights."""

import weakref

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from longtail.losses import EQLLoss, GALALoss
from longtail.recipes import digits_lt
from longtail.training.hardware import make_fabric, resolve
from longtail.training.sharpness import perturbed
from longtail.training.state import TrainingState
from longtail.training.step import TrainingStep
from reference.sharpness import descend

COUNTS = [7, 4, 1]
TARGET = torch.repeat_interleave(torch.arange(3), torch.tensor(COUNTS))
INPUTS = torch.randn(len(TARGET), 5, generator=torch.Generator().manual_seed(0))
RATE = 0.3


def network(*layers: nn.Module) -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(5, 8), *layers, nn.ReLU(), nn.Linear(8, 3))


def train(model: nn.Module, criterion: nn.Module, steps: int = 1, callbacks: bool = False, **settings: object):
    """What the last of these steps returned."""
    config = resolve(digits_lt(device="cpu", threads=1, precision="float32", batch_size=len(TARGET), **settings))
    optimizer = torch.optim.SGD(model.parameters(), lr=RATE)
    state = TrainingState(model, criterion, optimizer)
    fabric = make_fabric(config)
    wrapped, optimizer = fabric.setup(model, optimizer)
    step = TrainingStep(fabric, config, state, wrapped, optimizer, lambda: None, needs_gradients=callbacks)
    torch.manual_seed(1)
    for _ in range(steps):
        returned = step(INPUTS, TARGET)
    return returned


def assert_same(found: nn.Module, expected: nn.Module) -> None:
    for name, tensor in expected.state_dict().items():
        torch.testing.assert_close(found.state_dict()[name], tensor, rtol=1e-5, atol=1e-6, msg=name)


def of_the_reference(weights):
    hidden = torch.relu(F.linear(INPUTS.double(), weights[0], weights[1]))
    return F.cross_entropy(F.linear(hidden, weights[2], weights[3]), TARGET)


@pytest.mark.parametrize("settings", [{}, {"accumulate": 5}, {"micro_batch_size": 3}])
@pytest.mark.parametrize("radius", [0.05, 2.0])
def test_steps_equal_the_formula(radius, settings):
    model = network()
    expected = descend(of_the_reference, list(model.parameters()), radius=radius, rate=RATE, steps=4)
    train(model, nn.CrossEntropyLoss(), steps=4, sam_radius=radius, **settings)
    for found, weights in zip(model.parameters(), expected, strict=True):
        torch.testing.assert_close(found.double(), weights, rtol=1e-4, atol=1e-5)
    plain = descend(of_the_reference, list(network().parameters()), radius=0.0, rate=RATE, steps=4)
    assert not torch.allclose(expected[0], plain[0], rtol=1e-3, atol=1e-3)


def test_only_the_gradient_is_that_of_the_moved_weights():
    """Logits, loss and their gradient, statistics of the loss and of batch norm are those of a plain step."""
    found = []
    for radius in (0.0, 0.5):
        model, criterion = network(nn.BatchNorm1d(8)), GALALoss(3)
        returned = train(model, criterion, callbacks=True, sam_radius=radius)
        found.append((model, criterion, returned))
    (plain, counted, expected), (model, criterion, returned) = found
    for ours, theirs in zip(returned, expected, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=0.0, atol=0.0)
    assert_same(criterion, counted)
    assert criterion.theta.sum() > 0
    for name, tensor in plain[1].named_buffers():
        torch.testing.assert_close(model[1].get_buffer(name), tensor, rtol=0.0, atol=0.0, msg=name)
    assert not torch.allclose(model[0].weight, plain[0].weight, rtol=1e-3, atol=1e-3)


def test_both_passes_have_the_statistics_that_the_step_began_with():
    """The first margins of GALA are 0; those of its second step are not."""
    for steps, same in ((1, True), (2, False)):
        found, expected = network(), network()
        train(found, GALALoss(3), steps=steps, sam_radius=0.5)
        train(expected, nn.CrossEntropyLoss(), steps=steps, sam_radius=0.5)
        assert torch.allclose(found[0].weight, expected[0].weight, rtol=1e-5, atol=1e-6) == same


class Counting(nn.CrossEntropyLoss):
    """A loss of another package, or a layer; one of its statistics gets a new tensor in its place."""

    seen: torch.Tensor
    replaced: torch.Tensor

    def __init__(self):
        super().__init__()
        self.register_buffer("seen", torch.zeros(()))
        self.register_buffer("replaced", torch.zeros(()))

    def forward(self, *arguments):
        self.seen += 1
        self.replaced = self.replaced + 1
        return super().forward(*arguments) if len(arguments) > 1 else arguments[0]


def test_losses_and_layers_of_other_packages_count_the_first_pass_alone():
    layer, criterion = Counting(), Counting()
    train(network(layer), criterion, steps=3, sam_radius=0.5)
    for module in (layer, criterion):
        assert (module.seen.item(), module.replaced.item()) == (3, 3)


def test_both_passes_draw_the_same_dropout_and_masks():
    def after_a_step(radius: float) -> nn.Module:
        model = network(nn.Dropout(0.5))
        train(model, EQLLoss(COUNTS, threshold=0.5, probability=0.5), sam_radius=radius)
        return model

    assert_same(after_a_step(1e-9), after_a_step(0.0))


def test_frozen_weights_stay_and_all_come_back_after_an_error():
    model = network(nn.BatchNorm1d(8))
    model[0].requires_grad_(False)
    F.cross_entropy(model(INPUTS), TARGET).backward()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    moved: set[str] = set()

    def fail_on_the_way() -> None:
        with perturbed(model, radius=1.0):
            moved.update(name for name, tensor in model.named_parameters() if not torch.equal(tensor, before[name]))
            model(INPUTS)
            raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        fail_on_the_way()
    assert moved == {"1.weight", "1.bias", "3.weight", "3.bias"}
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor, before[name]), name


@pytest.mark.parametrize("gradient", [0.0, 1e-30, 1e-25])
@pytest.mark.parametrize("radius", [0.05, 50.0])
def test_gradients_whose_norm_underflows_hardly_move_anything(gradient, radius):
    model = nn.Linear(2, 1)
    model.weight.grad, before = torch.full((1, 2), gradient), model.weight.detach().clone()
    with perturbed(model, radius):
        torch.testing.assert_close(model.weight, before, rtol=0.0, atol=1e-6)


def test_weights_that_the_optimizer_does_not_have_stay():
    """A stage may train some parameters only; gradients of the others add up over the steps."""
    model = network()
    config = resolve(digits_lt(device="cpu", threads=1, precision="float32", sam_radius=0.5))
    optimizer = torch.optim.SGD(model[2].parameters(), lr=RATE)
    state, fabric = TrainingState(model, nn.CrossEntropyLoss(), optimizer), make_fabric(config)
    wrapped, optimizer = fabric.setup(model, optimizer)
    step = TrainingStep(fabric, config, state, wrapped, optimizer, lambda: None, needs_gradients=False)
    with torch.no_grad():
        hidden = model[1](model[0](INPUTS)).double()

    def of_the_last_layer(weights):
        return F.cross_entropy(F.linear(hidden, *weights), TARGET)

    expected = descend(of_the_last_layer, list(model[2].parameters()), radius=0.5, rate=RATE, steps=3)
    for _ in range(3):
        step(INPUTS, TARGET)
    for found, weights in zip(model[2].parameters(), expected, strict=True):
        torch.testing.assert_close(found.double(), weights, rtol=1e-4, atol=1e-5)


def test_the_gradients_of_the_first_pass_are_not_kept_in_memory():
    model = nn.Linear(2, 1)
    model.weight.grad = torch.ones(1, 2)
    first = weakref.ref(model.weight.grad)
    with perturbed(model, radius=1.0):
        model.zero_grad()
        assert first() is None


def test_a_radius_must_be_a_number_of_at_least_0():
    for value in (-0.1, float("nan"), float("inf")):
        with pytest.raises(ValueError, match="`sam_radius` must be finite and at least 0"):
            digits_lt(sam_radius=value)
