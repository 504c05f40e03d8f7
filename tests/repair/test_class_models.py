"""Likelihoods against scipy, and moments against the likelihoods."""

import numpy as np
import pytest
from scipy import stats

from longtail.repair.class_models import BetaBinomial, GammaPoisson

PREDICTOR = np.array([-2.0, 0.3, 1.5])


def test_right_decisions_are_beta_binomial():
    model = BetaBinomial(np.array([0.0, 4.0, 9.0]), np.array([2.0, 7.0, 9.0]))
    mean = 1 / (1 + np.exp(-PREDICTOR))
    expected = [sum(stats.betabinom.logpmf(model.right, model.size, k * mean, k * (1 - mean))) for k in (2.0, 64.0)]
    found = [model.log_likelihood(PREDICTOR, k) for k in (2.0, 64.0)]
    assert found[1] - found[0] == pytest.approx(expected[1] - expected[0])


def test_false_positives_are_negative_binomial():
    model = GammaPoisson(np.array([0.0, 4.0, 9.0]))
    mean = np.exp(PREDICTOR)
    expected = [sum(stats.nbinom.logpmf(model.count, k, k / (k + mean))) for k in (0.5, 64.0)]
    found = [model.log_likelihood(PREDICTOR, k) for k in (0.5, 64.0)]
    assert found[1] - found[0] == pytest.approx(expected[1] - expected[0])


@pytest.mark.parametrize("concentration", [2.0, 64.0])
def test_moments_are_those_of_the_distributions(concentration):
    size = np.array([1.0, 7.0, 30.0])
    mean = 1 / (1 + np.exp(-PREDICTOR))
    right = stats.betabinom(size, concentration * mean, concentration * (1 - mean))
    expected, slope, overdispersion = BetaBinomial(size, size).moments(PREDICTOR, concentration)
    np.testing.assert_allclose(expected, right.mean())
    np.testing.assert_allclose(slope * overdispersion, right.var())
    false = stats.nbinom(concentration, concentration / (concentration + np.exp(PREDICTOR)))
    expected, slope, overdispersion = GammaPoisson(size).moments(PREDICTOR, concentration)
    np.testing.assert_allclose(expected, false.mean())
    np.testing.assert_allclose(slope * overdispersion, false.var())


def test_priors_have_the_means_of_the_trend():
    size = np.ones(3)
    yes, no = BetaBinomial(size, size).prior(PREDICTOR, np.array(8.0))
    np.testing.assert_allclose(yes / (yes + no), 1 / (1 + np.exp(-PREDICTOR)))
    np.testing.assert_allclose(yes + no, 8)
    shape, rate = GammaPoisson(size).prior(PREDICTOR, np.array(8.0))
    np.testing.assert_allclose(shape / rate, np.exp(PREDICTOR))


def test_an_extreme_trend_stays_finite():
    model = BetaBinomial(np.array([0.0, 5.0]), np.array([5.0, 5.0]))
    assert np.isfinite(model.log_likelihood(np.array([-1e3, 1e3]), 1024.0))
    assert np.isfinite(GammaPoisson(np.array([0.0, 5.0])).log_likelihood(np.array([-1e3, 1e3]), 128.0))
