"""Standardised features, and the classifiers on both sides of the scaling."""

import pytest
import torch
from torch import nn

from longtail.data import FeatureViews
from longtail.training.standardisation import Standardisation

SCALES = 10.0 ** torch.arange(5)


@pytest.fixture
def views():
    features = torch.randn(2, 40, 5, generator=torch.Generator().manual_seed(0)) * SCALES + 3
    features[..., -1] = 7.0
    return FeatureViews(features, torch.arange(40) % 4)


def test_moments_are_those_of_all_views_and_a_constant_stays_finite(views):
    standardised = Standardisation.of(views).apply(views)
    every = standardised.features.flatten(0, 1)
    torch.testing.assert_close(every.mean(0), torch.zeros(5), atol=1e-5, rtol=0)
    torch.testing.assert_close(every.std(0, correction=0), torch.tensor([1.0, 1, 1, 1, 0]), atol=1e-5, rtol=0)
    assert torch.equal(standardised.target, views.target)


@pytest.mark.parametrize("bias", [True, False])
def test_a_classifier_gives_the_same_logits_on_either_side(views, bias):
    standard = Standardisation.of(views)
    scaled = standard.apply(views)
    classifier = nn.Linear(5, 4, bias=bias)
    raw = standard.on_raw_features(classifier)
    torch.testing.assert_close(raw(views.features), classifier(scaled.features), rtol=1e-4, atol=1e-4)
    back = standard.on_standardised_features(raw)
    torch.testing.assert_close(back.weight, classifier.weight, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(back(scaled.features), classifier(scaled.features), rtol=1e-4, atol=1e-4)
