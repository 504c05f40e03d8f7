"""Shrunk offsets beside a slow reference."""

import numpy as np
import pytest

from longtail.repair.candidates import adjustment_offsets
from longtail.repair.shrinkage import shrunk_offsets

COUNTS = np.array([900.0, 400.0, 90.0, 30.0, 8.0, 2.0])
UNIFORM = np.full(6, 1 / 6)


def shrunk_reference(offset, seen, counts, prior):
    """The docstring of `shrunk_offsets`, class by class."""
    number = range(len(offset))
    g = [offset[c] - np.log(prior[c]) for c in number]
    x = [np.log(counts[c]) for c in number]
    total = sum(seen)
    x_mean = sum(seen[c] * x[c] for c in number) / total
    g_mean = sum(seen[c] * g[c] for c in number) / total
    slope = sum(seen[c] * (x[c] - x_mean) * (g[c] - g_mean) for c in number)
    slope /= sum(seen[c] * (x[c] - x_mean) ** 2 for c in number)
    line = [g_mean + slope * (x[c] - x_mean) for c in number]
    # weighted least squares of t + v / n to the squared residuals
    kept = [c for c in number if seen[c] > 0]
    w = {c: seen[c] / (seen[c] + 1) for c in kept}
    sums = {power: sum(w[c] / seen[c] ** power for c in kept) for power in (0, 1, 2)}
    right = [sum(w[c] * (g[c] - line[c]) ** 2 / seen[c] ** power for c in kept) for power in (0, 1)]
    determinant = sums[0] * sums[2] - sums[1] ** 2
    t = (right[0] * sums[2] - right[1] * sums[1]) / determinant
    v = (sums[0] * right[1] - sums[1] * right[0]) / determinant
    k = 100.0 if t <= 0 else min(max(max(v, 0) / t, 0.5), 100.0)
    shrunk = [seen[c] / (seen[c] + k) * g[c] + k / (seen[c] + k) * line[c] + np.log(prior[c]) for c in number]
    return np.array(shrunk) - np.mean(shrunk)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("prior", [UNIFORM, np.array([0.4, 0.2, 0.2, 0.1, 0.05, 0.05])])
def test_shrunk_offsets_are_those_of_the_reference(seed, prior):
    rng = np.random.default_rng(seed)
    offset = -np.log(COUNTS) + rng.normal(size=6) / np.sqrt(rng.uniform(1, 9))
    seen = rng.integers(0, 30, 6).astype(float) + np.array([20, 0, 0, 0, 0, 0])
    np.testing.assert_allclose(
        shrunk_offsets(offset, seen, COUNTS, prior), shrunk_reference(offset, seen, COUNTS, prior), atol=1e-10
    )


def test_a_class_without_samples_gets_the_offset_of_the_line():
    offset = adjustment_offsets(COUNTS, UNIFORM)
    shrunk = shrunk_offsets(np.where(COUNTS == 2, 0.0, offset), np.array([9, 9, 9, 9, 9, 0.0]), COUNTS, UNIFORM)
    np.testing.assert_allclose(shrunk, offset, atol=1e-9)


def test_noise_of_rare_classes_is_shrunk_and_a_true_deviation_is_not():
    """Offsets on the line but for noise of variance 4/n; then one of 500 samples far from it."""
    rng = np.random.default_rng(0)
    counts = np.geomspace(2000, 4, 60)
    seen = np.maximum(1, np.rint(counts / 20))
    truth = adjustment_offsets(counts, np.full(60, 1 / 60))
    noisy = truth + rng.normal(size=60) * np.sqrt(4 / seen)
    shrunk = shrunk_offsets(noisy, seen, counts, np.full(60, 1 / 60))
    tail = seen <= 3
    assert np.square(shrunk - truth)[tail].mean() < 0.2 * np.square(noisy - truth)[tail].mean()
    off = noisy.copy()
    off[0] += 3.0
    assert shrunk_offsets(off, seen, counts, np.full(60, 1 / 60))[0] - shrunk[0] > 2.0


def test_two_classes_are_left_as_they_are():
    offset = np.array([-0.7, 0.7])
    assert shrunk_offsets(offset, np.array([5.0, 1.0]), np.array([50.0, 3.0]), np.full(2, 0.5)) is offset
