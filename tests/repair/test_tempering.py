import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from longtail.repair import tempering
from longtail.repair.samples import Samples
from longtail.repair.tempering import temperature_of

SEEDS = st.integers(0, 2**16)


def sample(seed, number=400, num_classes=5, scale=1.0):
    """Calibrated logits 2 x under a balanced prior, of a long tail of classes; times `scale`."""
    rng = np.random.default_rng(seed)
    share = 0.6 ** np.arange(num_classes)
    target = rng.choice(num_classes, number, p=share / share.sum())
    target[:num_classes] = np.arange(num_classes)
    return 2 * scale * (rng.normal(size=(number, num_classes)) + 2 * np.eye(num_classes)[target]), target


def temperature(logits, target, prior=None):
    num_classes = logits.shape[1]
    return temperature_of(Samples.of(logits, target), np.ones(num_classes) / num_classes if prior is None else prior)


def test_the_temperature_of_calibrated_logits_is_1():
    assert temperature(*sample(0, 20_000)) == pytest.approx(1, rel=0.03)


@pytest.mark.parametrize("most", [2**22, 300 * 200])
def test_few_samples_per_class_are_not_overfitted(monkeypatch, most):
    """Logits 2 x, where x is calibrated under a long tail: with an offset of each class, T would be too small."""
    monkeypatch.setattr(tempering, "NUMBERS", most)
    rng = np.random.default_rng(0)
    share = 100.0 ** (-np.arange(200) / 199)
    target = rng.choice(200, 1000, p=share / share.sum())
    own = rng.normal(size=(1000, 200)) + 3 * np.eye(200)[target]
    found = temperature(2 * (3 * own + np.log(share)), target)
    assert found == pytest.approx(2, rel=0.15)
    monkeypatch.setattr(tempering, "ENOUGH", 0)
    assert temperature(2 * (3 * own + np.log(share)), target) < 0.9 * found


@settings(max_examples=25, deadline=None)
@given(SEEDS, st.floats(-80, 80))
@pytest.mark.slow
def test_the_temperature_scales_with_the_logits(seed, exponent):
    logits, target = sample(seed)
    scale = 10.0**exponent
    assert temperature(scale * logits, target) == pytest.approx(scale * temperature(logits, target), rel=1e-6)


@settings(max_examples=25, deadline=None)
@given(SEEDS, st.booleans())
def test_the_order_of_samples_and_classes_does_not_matter(seed, separable):
    logits, target = sample(seed, 30 if separable else 400)
    rng = np.random.default_rng(seed)
    rows, columns = rng.permutation(len(target)), rng.permutation(logits.shape[1])
    prior = rng.dirichlet(np.full(5, 5.0))
    shuffled = temperature(logits[rows][:, columns], np.argsort(columns)[target[rows]], prior[columns])
    assert shuffled == pytest.approx(temperature(logits, target, prior), rel=1e-6)


def test_the_order_of_samples_does_not_matter_for_a_subsample(monkeypatch):
    monkeypatch.setattr(tempering, "NUMBERS", 1000)
    logits, target = sample(0, 4000)
    rows = np.random.default_rng(1).permutation(4000)
    found = temperature(logits, target)
    assert temperature(logits[rows], target[rows]) == pytest.approx(found, rel=1e-6)
    assert temperature(3 * logits, target) == pytest.approx(3 * found, rel=1e-6)
    assert found == pytest.approx(1, rel=0.25)
    monkeypatch.undo()
    assert temperature(logits, target) != found


@settings(max_examples=25, deadline=None)
@given(SEEDS, st.sampled_from([-np.inf, -30_000.0, -1e9, -3e38]), st.integers(1, 20), st.sampled_from([400, 36]))
def test_masked_classes_do_not_matter(seed, value, number, samples):
    logits, target = sample(seed, samples)
    masked = np.hstack([logits, np.full((len(logits), number), value)])
    prior = np.random.default_rng(seed).dirichlet(np.full(5, 5.0))
    with_masked = np.concatenate([prior / 2, np.full(number, 0.5 / number)])
    assert temperature(masked, target, with_masked) == pytest.approx(temperature(logits, target, prior), rel=1e-6)


@settings(max_examples=25, deadline=None)
@given(SEEDS, st.sampled_from([1e5, 1e6, 1e30]))
@pytest.mark.slow
def test_a_broken_row_does_not_matter(seed, size):
    logits, target = sample(seed)
    broken = logits.copy()
    broken[7] *= size
    rest = np.arange(len(target)) != 7
    assert temperature(broken, target) == pytest.approx(temperature(logits[rest], target[rest]), rel=0.02)


@settings(max_examples=25, deadline=None)
@given(SEEDS, st.floats(-20, 20))
@pytest.mark.slow
def test_without_an_optimum_it_is_the_median_margin(seed, exponent):
    rng = np.random.default_rng(seed)
    target = np.arange(60) % 3
    scale = 10.0**exponent
    separated = scale * (rng.normal(size=(60, 3)).clip(-2, 2) + 9 * np.eye(3)[target])
    others = np.where(np.eye(3)[target] == 1, -np.inf, separated).max(1)
    expected = np.median(separated[np.arange(60), target] - others)
    assert temperature(separated, target) == pytest.approx(expected, rel=1e-9)
    opposed = -separated
    best = np.where(np.eye(3)[target] == 1, -np.inf, opposed).max(1)
    assert temperature(opposed, target) == pytest.approx(np.median(best - opposed[np.arange(60), target]), rel=1e-9)


def test_constant_rows_have_the_temperature_1():
    assert temperature(np.zeros((30, 3)), np.arange(30) % 3) == 1
