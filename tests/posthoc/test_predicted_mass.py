import numpy as np
import pytest
import torch

from longtail.posthoc import predicted_mass
from longtail.posthoc.predicted_mass import PredictedMass


def batch():
    generator = torch.Generator().manual_seed(0)
    logits = 5 * torch.randn(30, 4, generator=generator, dtype=torch.float64)
    return logits, torch.randint(0, 3, (30,), generator=generator), torch.rand(30, generator=generator).double()


@pytest.mark.parametrize("elements", [1, 7 * 4, 10**6])
def test_sums_are_those_of_the_probabilities(monkeypatch, elements):
    monkeypatch.setattr(predicted_mass, "ELEMENTS_AT_ONCE", elements)
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
