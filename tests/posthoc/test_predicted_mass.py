import numpy as np
import pytest
import torch

from longtail.posthoc import blocks
from longtail.posthoc.predicted_mass import PredictedMass


def batch():
    generator = torch.Generator().manual_seed(0)
    logits = 5 * torch.randn(30, 4, generator=generator, dtype=torch.float64)
    return logits, torch.randint(0, 3, (30,), generator=generator), torch.rand(30, generator=generator).double()


@pytest.mark.parametrize("elements", [1, 7 * 4, 10**6])
def test_sums_are_those_of_the_probabilities(monkeypatch, elements):
    monkeypatch.setattr(blocks, "NUMBERS_AT_ONCE", elements)
    logits, group, weight = batch()
    mass = PredictedMass(3, 4)
    mass.add(logits[:11], group[:11], weight[:11])
    mass.add(logits[11:], group[11:], weight[11:])
    factors = torch.tensor([0.5, 2.0, 1.0], dtype=torch.float64)
    want = sum(factors[g] * w * z.softmax(0) for z, g, w in zip(logits, group, weight, strict=True))
    np.testing.assert_allclose(mass.log_mean(factors).exp(), want)
    assert mass.samples.tolist() == torch.bincount(group).tolist()


def test_a_class_far_below_the_smallest_number_keeps_its_sum():
    logits = torch.tensor([[0.0, -2000.0], [0.0, -1000.0], [0.0, -3000.0]], dtype=torch.float64)
    mass = PredictedMass(1, 2)
    for row in logits:
        mass.add(row[None])
    np.testing.assert_allclose(mass.log_mean(torch.ones(1, dtype=torch.float64)), [np.log(3), -1000])


def test_a_column_that_outgrows_the_others_a_thousand_times_is_held_too():
    logits = torch.tensor([[0.0, -2000.0], [-2000.0, 0.0], [0.0, -500.0]], dtype=torch.float64)
    group = torch.tensor([0, 1, 0])
    mass = PredictedMass(2, 2)
    for row, own in zip(logits, group, strict=True):
        mass.add(row[None], own[None])
    np.testing.assert_allclose(mass.log_mean(torch.tensor([1.0, 0.0]).double()), [np.log(2), -500])
    np.testing.assert_allclose(mass.log_mean(torch.ones(2).double()), [np.log(2), 0], atol=1e-12)


@pytest.mark.parametrize("scale", [1.0, 20.0, 100.0])
def test_float32_logits_lose_no_more_than_their_own_rounding(scale):
    logits = scale * torch.randn(500, 6, generator=torch.Generator().manual_seed(1))
    mass = PredictedMass(1, 6)
    mass.add(logits)
    want = logits.double().log_softmax(1).logsumexp(0)
    np.testing.assert_allclose(mass.log_mean(torch.ones(1).double()), want, atol=1e-6)
