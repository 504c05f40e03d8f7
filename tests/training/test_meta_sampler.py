"""The Meta Sampler: what it draws, and that it learns by the gradient of the paper."""

import pytest
import torch
from torch import nn

from longtail.losses import BalancedSoftmaxLoss
from longtail.training import meta_sampler
from longtail.training.look_ahead import look_ahead_gradient
from longtail.training.meta_sampler import MetaSampler
from reference.meta_sampler import gradient_of_rates

COUNTS = (12, 5, 0, 2)
TARGET = torch.tensor([0, 3, 1, 0, 0, 1, 0, 0, 1, 0, 0, 0, 3, 1, 0, 0, 1, 0, 0])


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def uneven():
    sampler = MetaSampler(TARGET, 4, learning_rate=0.1)
    sampler.logits.copy_(torch.tensor([-1.0, 0.5, 3.0, 2.0]))
    return sampler


def noise_of(draws):
    """The noise of `draw(draws, generator())`, in the order of the samples."""
    drawn = torch.empty(len(TARGET), draws).exponential_(generator=generator()).double()
    return torch.empty_like(drawn).index_copy_(0, TARGET.argsort(stable=True), drawn).T


def test_at_first_all_samples_are_equally_likely():
    sampler = MetaSampler(TARGET, 4, learning_rate=0.1)
    assert torch.equal(sampler.logits.sigmoid(), torch.full((4,), 0.5))
    torch.testing.assert_close(sampler.class_probabilities(), torch.tensor(COUNTS) / sum(COUNTS))


def test_classes_are_drawn_by_their_rates_and_samples_of_a_class_equally_often():
    sampler, number = uneven(), 20_000
    probabilities = sampler.class_probabilities()
    assert probabilities.sum() == pytest.approx(1)
    rates = sampler.logits.double().sigmoid()[TARGET]
    drawn = torch.bincount(sampler.draw(number, generator()).indices, minlength=len(TARGET)) / number
    torch.testing.assert_close(drawn.double(), rates / rates.sum(), atol=0.01, rtol=0)
    torch.testing.assert_close(torch.zeros(4).index_add_(0, TARGET, drawn), probabilities, atol=0.02, rtol=0)


def test_draws_are_a_function_of_the_generator():
    one, same, other = (uneven().draw(64, generator(seed)).indices for seed in (0, 0, 1))
    assert torch.equal(one, same)
    assert not torch.equal(one, other)


def test_draws_in_blocks_have_the_same_distribution(monkeypatch):
    monkeypatch.setattr(meta_sampler, "AT_ONCE", 3 * len(TARGET))
    draws = uneven().draw(10_001, generator())
    assert draws.indices.shape == draws.chosen.shape == (10_001,)
    assert draws.shares.shape == (10_001, 4)
    torch.testing.assert_close(draws.shares.sum(1), torch.ones(10_001))
    drawn = torch.bincount(TARGET[draws.indices], minlength=4) / 10_001
    torch.testing.assert_close(drawn, uneven().class_probabilities(), atol=0.02, rtol=0)


@pytest.mark.filterwarnings("ignore:Classes without a training sample are counted as ½")
@pytest.mark.parametrize("with_bias", [True, False])
def test_the_gradient_of_the_rates_is_that_of_the_unrolled_step(with_bias):
    torch.manual_seed(0)
    sampler, classifier = uneven(), nn.Linear(6, 4, bias=with_bias).double()
    features = torch.randn(len(TARGET), 6, dtype=torch.float64)
    balanced = torch.randn(9, 6, dtype=torch.float64), torch.tensor([0, 1, 3] * 3)
    draws = sampler.draw(16, generator())
    batch = features[draws.indices], TARGET[draws.indices]
    of_weights = look_ahead_gradient(classifier, BalancedSoftmaxLoss(COUNTS), batch, balanced, rate=0.7)
    before = sampler.logits.double()
    sampler.learn(draws, of_weights.float())

    counts = torch.tensor(COUNTS, dtype=torch.float64).clamp_min(0.5)  # a class without a sample counts as ½
    weight, bias = classifier.weight.detach(), None if classifier.bias is None else classifier.bias.detach()
    expected = gradient_of_rates(before, TARGET, noise_of(16), features, weight, bias, balanced, counts, 0.7)
    gradient = sampler.mean.double() / (1 - meta_sampler.BETAS[0])  # of the first step of Adam
    assert expected[2] == 0  # no sample, no gradient
    assert expected.abs().max() > 1e-4
    torch.testing.assert_close(gradient, expected, rtol=2e-5, atol=1e-9)


def test_rates_are_learnt_by_adam():
    sampler, psi = MetaSampler(TARGET, 4, learning_rate=0.05), nn.Parameter(torch.zeros(4))
    adam = torch.optim.Adam([psi], lr=0.05, betas=(0.9, 0.99))
    for gradient in torch.randn(20, 4, generator=generator()):
        psi.grad = gradient
        adam.step()
        sampler._step(gradient)
    torch.testing.assert_close(sampler.logits, psi.detach())


def test_a_class_whose_samples_lower_the_loss_is_drawn_more_often():
    sampler = MetaSampler(TARGET, 4, learning_rate=0.1)
    before = sampler.class_probabilities()
    for seed in range(20):
        draws = sampler.draw(32, generator(seed))
        sampler.learn(draws, torch.where(TARGET[draws.indices] == 3, -1.0, 1.0))
    after = sampler.class_probabilities()
    assert after[3] > 2 * before[3]
    assert after[0] < before[0]
    assert after.sum() == pytest.approx(1)


def test_at_a_learning_rate_of_0_rates_stay():
    sampler = MetaSampler(TARGET, 4, learning_rate=0.0)
    draws = sampler.draw(8, generator())
    sampler.learn(draws, torch.randn(8))
    assert not sampler.logits.any()


def test_its_state_is_all_that_changes():
    sampler, other = uneven(), MetaSampler(TARGET, 4, learning_rate=0.1)
    sampler.learn(sampler.draw(8, generator()), torch.randn(8, generator=generator()))
    other.load_state_dict(sampler.state_dict())
    for twin in (sampler, other):
        twin.learn(twin.draw(8, generator(2)), torch.randn(8, generator=generator(3)))
    assert torch.equal(sampler.logits, other.logits)
