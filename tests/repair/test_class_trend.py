"""Trends of simulated classes are found, and their uncertainty is that of repeated samples."""

import numpy as np
import pytest
from scipy.optimize import minimize

from longtail.repair.class_models import BetaBinomial, GammaPoisson
from longtail.repair.class_trend import PENALTY, design_of, drawn_priors, fitted_trends

SIZE = np.round(np.geomspace(400, 2, 40))


def right_decisions(concentration, seed=0):
    rng = np.random.default_rng(seed)
    mean = 1 / (1 + np.exp(-(0.4 + 0.9 * design_of(SIZE)[:, 1])))
    recall = rng.beta(concentration * mean, concentration * (1 - mean))
    return BetaBinomial(rng.binomial(SIZE.astype(int), recall).astype(float), SIZE)


def draws_of(model, number=2000):
    rng = np.random.default_rng(0)
    quantile = (np.arange(number) + 0.5) / number
    return drawn_priors(model, rng.standard_normal((number, 2)), design_of(SIZE), quantile)


def test_without_overdispersion_the_trend_is_a_penalised_regression():
    model, design = right_decisions(1e6), design_of(SIZE)

    def loss(coefficients):
        predictor = design @ coefficients
        log_likelihood = (model.right * predictor - SIZE * np.logaddexp(0, predictor)).sum()
        return coefficients @ PENALTY @ coefficients / 2 - log_likelihood

    expected = minimize(loss, np.zeros(2), tol=1e-10).x
    np.testing.assert_allclose(fitted_trends(model, design, np.array([1e12])).mean[0], expected, atol=1e-4)


@pytest.mark.parametrize("concentration", [4.0, 16.0])
def test_the_concentration_is_found(concentration):
    found = [np.median(draws_of(right_decisions(concentration, seed)).sum(0)[:, 0]) for seed in range(10)]
    assert 0.5 <= np.median(found) / concentration <= 2


def test_classes_that_do_not_vary_have_a_large_concentration():
    concentration = draws_of(right_decisions(1e6)).sum(0)[:, 0]
    assert np.quantile(concentration, 0.1) >= 64


@pytest.mark.slow
def test_the_trend_of_other_samples_lies_within_the_draws():
    truth, covered = 1 / (1 + np.exp(-(0.4 + 0.9 * design_of(SIZE)[:, 1]))), []
    for seed in range(60):
        yes, no = draws_of(right_decisions(16.0, seed), 400)
        low, high = np.quantile(yes / (yes + no), [0.05, 0.95], axis=0)
        covered.append((low <= truth) & (truth <= high))
    assert 0.83 <= np.mean(covered) <= 0.97


def test_a_trend_of_counts_is_found():
    rng = np.random.default_rng(0)
    mean = np.exp(1 + 0.8 * design_of(SIZE)[:, 1])
    trend = fitted_trends(GammaPoisson(rng.poisson(mean).astype(float)), design_of(SIZE), np.array([128.0]))
    np.testing.assert_allclose(trend.mean[0], [1, 0.8], atol=3 * np.sqrt(np.diagonal(trend.covariance[0])).max())


def test_classes_of_one_size_have_no_trend():
    assert (design_of(np.full(5, 7.0)) == [[1, 0]] * 5).all()
    np.testing.assert_allclose(design_of(7 * SIZE), design_of(SIZE), atol=1e-9)


def test_trends_are_fitted_for_each_concentration_as_alone():
    model, design = right_decisions(16.0), design_of(SIZE)
    together = fitted_trends(model, design, BetaBinomial.concentrations)
    for place, concentration in enumerate(BetaBinomial.concentrations):
        alone = fitted_trends(model, design, np.array([concentration]))
        np.testing.assert_allclose(together.mean[place], alone.mean[0], atol=1e-9)
        np.testing.assert_allclose(together.covariance[place], alone.covariance[0], rtol=1e-4)
