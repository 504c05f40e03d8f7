from dataclasses import replace

import numpy as np
import pytest

from longtail.repair import likelihood as module
from longtail.repair.likelihood import Likelihood, maximum

NUMBER, CLASSES = 300, 4


def drawn(basis, seed=0):
    rng = np.random.default_rng(seed)
    target = rng.choice(CLASSES, NUMBER, p=[0.5, 0.3, 0.15, 0.05])
    logits = 2 * rng.normal(size=(NUMBER, CLASSES)) + 3 * np.eye(CLASSES)[target] + [1.0, 0.0, -1.0, 0.5]
    weight = rng.random(NUMBER)
    parts = [slice(0, 200), slice(200, NUMBER)]
    return Likelihood(
        lambda: ((part, logits[part]) for part in parts), target, weight / weight.sum(), basis, 0.01
    ), logits


def loss_of(likelihood, logits, parameters):
    """One sample at a time."""
    basis = np.eye(CLASSES) if likelihood.basis is None else likelihood.basis
    total = likelihood.ridge * sum(value**2 for value in parameters[1:])
    for z, y, weight in zip(logits, likelihood.target, likelihood.weight, strict=True):
        scores = parameters[0] * z + basis @ parameters[1:]
        total -= weight * (scores[y] - np.log(np.exp(scores).sum()))
    return total


BASES = [None, np.array([[0.5], [0.2], [-0.1], [-0.6]]), np.zeros((CLASSES, 0))]


@pytest.mark.parametrize("basis", BASES)
def test_sums_are_those_of_the_reference(basis):
    likelihood, logits = drawn(basis)
    number = CLASSES if basis is None else basis.shape[1]
    at = np.r_[0.7, np.linspace(-0.3, 0.4, number)]
    sums, width = likelihood.sums(at, hessian=True), 1e-5
    assert sums.loss == pytest.approx(loss_of(likelihood, logits, at), rel=1e-12)
    steps = width * np.eye(len(at))
    slopes = [loss_of(likelihood, logits, at + step) - loss_of(likelihood, logits, at - step) for step in steps]
    np.testing.assert_allclose(sums.gradient, np.array(slopes) / (2 * width), atol=1e-8)
    gradients = [
        likelihood.sums(at + step, hessian=False).gradient - likelihood.sums(at - step, hessian=False).gradient
        for step in steps
    ]
    np.testing.assert_allclose(sums.hessian, np.array(gradients) / (2 * width), atol=1e-8)


@pytest.mark.parametrize("basis", BASES)
def test_both_methods_find_the_same_maximum(basis, monkeypatch):
    likelihood, _ = drawn(basis)
    number = CLASSES if basis is None else basis.shape[1]
    found = maximum(likelihood, number)
    assert np.abs(likelihood.sums(found, hessian=False).gradient).max() < 1e-10
    monkeypatch.setattr(module, "MOST_FOR_NEWTON", -1)
    np.testing.assert_allclose(maximum(likelihood, number), found, atol=2e-6)


@pytest.mark.parametrize("most", [module.MOST_FOR_NEWTON, -1])
@pytest.mark.parametrize(("own", "bound"), [(1e-4, module.WIDEST), (-1.0, -module.WIDEST)])
def test_the_scale_stays_within_its_bounds(own, bound, most, monkeypatch):
    """The maximum lies at a = 10⁴, and at a below 0. Newton's coefficients are the best at the bound."""
    rng = np.random.default_rng(0)
    target = np.arange(NUMBER) % CLASSES
    logits = own * (np.eye(CLASSES)[target] + 0.6 * rng.normal(size=(NUMBER, CLASSES)))
    monkeypatch.setattr(module, "MOST_FOR_NEWTON", most)
    weight = np.full(NUMBER, 1 / NUMBER)
    likelihood = Likelihood(lambda: iter([(slice(0, NUMBER), logits)]), target, weight, None, 0.01)
    found = maximum(likelihood, CLASSES)
    assert np.log(found[0]) == pytest.approx(bound, abs=1e-9)
    if most > 0:
        assert np.abs(likelihood.sums(found, hessian=False).gradient[1:]).max() < 1e-10


def test_logits_that_are_all_equal_have_a_maximum():
    target = np.array([0, 0, 0, 1])
    likelihood = Likelihood(lambda: iter([(slice(0, 4), np.zeros((4, 2)))]), target, np.full(4, 0.25), None, 1e-6)
    coefficient = maximum(likelihood, 2)[1:]
    assert coefficient[0] - coefficient[1] == pytest.approx(np.log(3), abs=1e-3)


@pytest.mark.parametrize("basis", BASES)
@pytest.mark.parametrize("hessian", [True, False])
def test_sums_of_processes_merge_to_those_of_one(basis, hessian):
    whole, logits = drawn(basis)
    at = np.r_[0.7, np.linspace(-0.3, 0.4, CLASSES if basis is None else basis.shape[1])]
    parts = [slice(0, 120), slice(120, 120), slice(120, NUMBER)]
    others = [replace(whole, blocks=lambda part=part: iter([(part, logits[part])])) for part in parts[:2]]

    def merged(own):
        first, second = (other._over_own(at, hessian=hessian) for other in others)
        return own.merge(second).merge(first)

    last = replace(whole, blocks=lambda: iter([(parts[2], logits[parts[2]])]), merged=merged)
    found, expected = last.sums(at, hessian=hessian), whole.sums(at, hessian=hessian)
    assert found.loss == pytest.approx(expected.loss, rel=1e-12)
    np.testing.assert_allclose(found.gradient, expected.gradient, rtol=1e-10, atol=1e-14)
    if hessian:
        np.testing.assert_allclose(found.hessian, expected.hessian, rtol=1e-10, atol=1e-14)
    else:
        assert found.hessian is None


def test_a_step_that_would_leave_the_bounds_of_the_scale_is_cut_as_a_whole():
    """Three samples, nearly all weight on one: the first step is of −2108 for the scale, far beyond its bound."""
    logits = np.array([[0.0, -1.0, -2.597], [0.0, -0.729, -1.741], [-10.88, 0.0, -13.507]])
    weight = np.array([8.63e-3, 1.09e-5, 0.9913591])
    line = np.array([[-1.337], [-1.05], [-1.645]])
    likelihood = Likelihood(lambda: iter([(slice(0, 3), logits)]), np.arange(3), weight / weight.sum(), line, 1e-4)
    found = maximum(likelihood, 1)
    slope = likelihood.sums(found, hessian=False).gradient
    assert np.log(found[0]) == pytest.approx(-module.WIDEST)
    assert slope[0] > 0
    assert abs(slope[1]) < 1e-10
