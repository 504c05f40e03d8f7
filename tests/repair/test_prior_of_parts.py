"""The prior of unlabelled data in parts is that of one array, with the same intervals."""

import itertools
import math
import pickle
from functools import reduce

import numpy as np
import pytest

from longtail.repair import estimate_prior, estimate_prior_of_parts
from longtail.repair.prior_statistics import POISSON, BootstrapSums, bootstrap_of, likelihood_of, support_of

BOUNDS = [0, 1, 1, 130, 399, 400]
PRIOR = np.array([0.3, 0.3, 0.2, 0.2])


def probabilities(seed=0):
    rng = np.random.default_rng(seed)
    target = rng.choice(4, 400, p=[0.6, 0.25, 0.1, 0.05])
    scores = np.exp(1.5 * (rng.normal(size=(400, 4)) + 1.5 * np.eye(4)[target]))
    return scores / scores.sum(1, keepdims=True)


def in_parts(probability, order=(0, 1, 2, 3, 4)):
    parts = [(probability[start:end], start) for start, end in itertools.pairwise(BOUNDS)]
    return [parts[place] for place in order]


def over(parts):
    """Each part's statistic is computed after a trip through bytes, as in another process."""

    def over_parts(statistic):
        function = pickle.dumps(statistic)
        return reduce(
            lambda a, b: a.merge(b), [pickle.loads(pickle.dumps(pickle.loads(function)(*own))) for own in parts]
        )

    return over_parts


@pytest.mark.parametrize("order", [(0, 1, 2, 3, 4), (3, 1, 4, 0, 2)])
@pytest.mark.parametrize("masked", [False, True])
def test_parts_give_the_estimate_of_one_array(order, masked):
    probability, prior = probabilities(), PRIOR
    if masked:
        probability, prior = np.hstack([probability, np.zeros((400, 1))]), np.append(0.8 * PRIOR, 0.2)
    whole = estimate_prior(probability, prior, draws=30, seed=3)
    found = estimate_prior_of_parts(over(in_parts(probability, order)), prior, draws=30, seed=3)
    for name in ("prior", "low", "high"):
        np.testing.assert_allclose(getattr(found, name), getattr(whole, name), rtol=1e-12, err_msg=name)
    assert (found.passes, found.converged) == (whole.passes, True)
    assert (whole.low[:4] < whole.prior[:4]).all()
    assert (whole.prior[:4] < whole.high[:4]).all()


@pytest.mark.parametrize("at", [np.array([0.4, 0.3, 0.2, 0.1]), np.array([0.7, 0.3, 0.0, 0.0])])
def test_statistics_merge_in_any_grouping(at):
    probability = probabilities()
    for statistic in (
        lambda *part: support_of(*part, num_classes=4),
        lambda *part: likelihood_of(*part, prior=PRIOR, at=at),
        lambda *part: bootstrap_of(*part, prior=PRIOR, at=at, draws=7, seed=0),
    ):
        whole, (a, b, c, d, e) = statistic(probability, 0), (statistic(*part) for part in in_parts(probability))
        for found in (
            a.merge(b).merge(c).merge(d).merge(e),
            a.merge(b.merge(c.merge(d.merge(e)))),
            e.merge(b).merge(d.merge(a)).merge(c),
        ):
            for name, value in vars(whole).items():
                np.testing.assert_allclose(getattr(found, name), value, rtol=1e-12, err_msg=name)


def test_sums_of_the_likelihood_are_those_of_the_definition():
    probability, at = probabilities(), np.array([0.5, 0.3, 0.15, 0.05])
    rows = [[p * ratio for p, ratio in zip(row, 1 / PRIOR, strict=True)] for row in probability]
    likelihood = [sum(own * share for own, share in zip(row, at, strict=True)) for row in rows]
    found = likelihood_of(probability, 0, prior=PRIOR, at=at)
    assert found.log_likelihood == pytest.approx(math.fsum(map(math.log, likelihood)), rel=1e-12)
    gradient = [math.fsum(row[c] / own for row, own in zip(rows, likelihood, strict=True)) for c in range(4)]
    np.testing.assert_allclose(found.gradient, gradient, rtol=1e-12)


def test_bootstrap_weights_are_poisson_and_independent():
    """Two classes, of which each sample has one for certain: the drawn sums are sums of the weights."""
    half = np.eye(2)[np.arange(4000) % 2]
    found = bootstrap_of(half, 0, prior=np.full(2, 0.5), at=np.full(2, 0.5), draws=400, seed=1)
    assert isinstance(found, BootstrapSums)
    np.testing.assert_array_equal(found.drawn.sum(1), found.weight)
    np.testing.assert_array_equal(found.drawn, found.drawn.round())
    error = 2000**0.5 / 400**0.5
    assert np.abs(found.drawn.mean(0) - 2000).max() < 4 * error
    assert np.abs(found.drawn.var(0) / 2000 - 1).max() < 4 * (2 / 400) ** 0.5
    assert abs(np.corrcoef(found.drawn.T)[0, 1]) < 4 / 400**0.5
    assert abs(np.corrcoef(found.weight[:-1], found.weight[1:])[0, 1]) < 4 / 400**0.5
    expected = [
        math.exp(-1) * math.fsum(1 / math.factorial(k) for k in range(most + 1)) for most in range(len(POISSON))
    ]
    np.testing.assert_allclose(POISSON, expected, rtol=1e-14)


def test_few_samples_have_finite_intervals():
    found = estimate_prior(np.array([[0.9, 0.1]]), np.array([0.5, 0.5]), draws=50)
    assert np.isfinite([found.prior, found.low, found.high]).all()


def test_parts_that_are_no_distributions_are_refused():
    probability = probabilities()
    with pytest.raises(ValueError, match=r"must have the shapes .* Got \(400, 3\) and \(4,\)"):
        estimate_prior_of_parts(over([(probability[:1], 0), (probability[:, :3], 1)]), PRIOR)
    with pytest.raises(ValueError, match="`probability` must hold rows of values of at least 0 that sum to 1"):
        estimate_prior_of_parts(over([(probability[:1], 0), (2 * probability, 1)]), PRIOR)
    with pytest.raises(TypeError, match="`probability` must have no masked values"):
        estimate_prior_of_parts(over([(np.ma.masked_less(probability, 0.1), 0)]), PRIOR)
    with pytest.raises(ValueError, match="N at least 1. Got no sample"):
        estimate_prior_of_parts(over([(probability[:0], 0), (probability[:0], 0)]), PRIOR)
    with pytest.raises(TypeError, match="must return the merged statistics of all parts, one Support. Got list"):
        estimate_prior_of_parts(lambda statistic: [statistic(probability, 0)], PRIOR)
    with pytest.raises(ValueError, match="`prior` must be above 0 everywhere and sum to 1. Got a sum of 4"):
        estimate_prior_of_parts(over([(probability, 0)]), np.ones(4))
